#include "tradewind/app/kafka_watch.h"

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <utility>

#include "tradewind/app/logger.h"

namespace tradewind {
namespace {

constexpr std::chrono::seconds kLookEvery{5};

}  // namespace

absl::StatusOr<std::unique_ptr<KafkaWatch>> KafkaWatch::Start(const bus::KafkaConfig& kafka,
                                                              const std::string& client_id,
                                                              std::vector<std::string> topics, OnEnds on_ends) {
  auto admin = bus::KafkaAdmin::Create(kafka, client_id);
  if (!admin.ok()) return admin.status();
  return std::unique_ptr<KafkaWatch>(new KafkaWatch(*std::move(admin), std::move(topics), std::move(on_ends)));
}

KafkaWatch::KafkaWatch(std::unique_ptr<bus::KafkaAdmin> admin, std::vector<std::string> topics, OnEnds on_ends)
    : admin_(std::move(admin)),
      topics_(std::move(topics)),
      on_ends_(std::move(on_ends)),
      thread_([this](const std::stop_token& stop) { Run(stop); }) {}

void KafkaWatch::Run(const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any stopped;
  while (!stop.stop_requested()) {
    LookAtLogs();
    if (stop.stop_requested()) return;
    brokers_.Note(admin_->Brokers());
    std::unique_lock lock(mutex);
    stopped.wait_for(lock, stop, kLookEvery, [] { return false; });
  }
}

void KafkaWatch::LookAtLogs() {
  const auto ends = admin_->LogEnds(topics_);
  if (!ends.ok()) {
    kLog.Debug("the ends of the logs could not be asked for; trying again", {{"error", ends.status()}});
    return;
  }
  open_.Note(*ends);
  on_ends_(*ends);
}

}  // namespace tradewind
