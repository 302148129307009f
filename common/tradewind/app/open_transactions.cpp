#include "tradewind/app/open_transactions.h"

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <utility>

#include "tradewind/app/logger.h"

namespace tradewind {
namespace {

constexpr std::chrono::seconds kLookEvery{5};

telemetry::Age AgeOf(const bus::LogEnd& end) {
  return telemetry::NewAge("tradewind_open_transaction_seconds",
                           "Since a transaction is open, behind whose beginning nothing is read.",
                           {{"topic", end.topic}, {"partition", std::to_string(end.partition)}});
}

}  // namespace

void OpenTransactions::Note(absl::Span<const bus::LogEnd> ends) {
  for (const bus::LogEnd& end : ends) {
    const auto known = open_.find({end.topic, end.partition});
    if (!end.HasOpenTransaction()) {
      if (known != open_.end()) known->second.age.End();
      continue;
    }
    if (known == open_.end()) {
      const Open open{end.stable, AgeOf(end)};
      open.age.Begin();
      open_.emplace(std::pair(end.topic, end.partition), open);
      continue;
    }
    if (known->second.stable != end.stable) known->second.age.End();
    known->second.stable = end.stable;
    known->second.age.Begin();
  }
}

absl::StatusOr<std::unique_ptr<TransactionWatch>> TransactionWatch::Start(const bus::KafkaConfig& kafka,
                                                                          const std::string& client_id,
                                                                          std::vector<std::string> topics,
                                                                          OnEnds on_ends) {
  auto admin = bus::KafkaAdmin::Create(kafka, client_id);
  if (!admin.ok()) return admin.status();
  return std::unique_ptr<TransactionWatch>(
      new TransactionWatch(*std::move(admin), std::move(topics), std::move(on_ends)));
}

TransactionWatch::TransactionWatch(std::unique_ptr<bus::KafkaAdmin> admin, std::vector<std::string> topics,
                                   OnEnds on_ends)
    : admin_(std::move(admin)),
      topics_(std::move(topics)),
      on_ends_(std::move(on_ends)),
      thread_([this](const std::stop_token& stop) { Run(stop); }) {}

void TransactionWatch::Run(const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any stopped;
  while (!stop.stop_requested()) {
    const auto ends = admin_->LogEnds(topics_);
    if (ends.ok()) {
      open_.Note(*ends);
      on_ends_(*ends);
    } else {
      kLog.Debug("the ends of the logs could not be asked for; trying again", {{"error", ends.status()}});
    }
    std::unique_lock lock(mutex);
    stopped.wait_for(lock, stop, kLookEvery, [] { return false; });
  }
}

}  // namespace tradewind
