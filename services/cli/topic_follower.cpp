#include "services/cli/topic_follower.h"

#include <fmt/format.h>

#include <utility>

namespace tradewind::cli {
namespace {

constexpr absl::Duration kPollTimeout = absl::Milliseconds(100);

}  // namespace

absl::StatusOr<std::unique_ptr<TopicFollower>> TopicFollower::Start(const bus::KafkaConfig& kafka,
                                                                    absl::Span<const bus::TopicInfo> topics) {
  std::vector<bus::Position> positions;
  for (const bus::TopicInfo& topic : topics) {
    for (int32_t partition = 0; partition < topic.partitions; ++partition) {
      positions.push_back({topic.name, partition, bus::kFromEnd});
    }
  }
  auto reader = bus::PartitionReader::Create(kafka, "tradewind-demo", positions);
  if (!reader.ok()) {
    return reader.status();
  }
  return std::unique_ptr<TopicFollower>(new TopicFollower(*std::move(reader), kafka.topic_prefix));
}

TopicFollower::TopicFollower(std::unique_ptr<bus::PartitionReader> reader, std::string_view topic_prefix)
    : reader_(std::move(reader)), collector_(topic_prefix), thread_([this] { Run(); }) {}

TopicFollower::~TopicFollower() {
  stop_ = true;
  thread_.join();
}

void TopicFollower::Expect(const std::string& trace_id, TraceCollector::Clock::time_point start) {
  const std::lock_guard lock(mutex_);
  collector_.Expect(trace_id, start);
}

std::vector<Hop> TopicFollower::Hops(const std::string& trace_id) const {
  const std::lock_guard lock(mutex_);
  return collector_.Hops(trace_id);
}

absl::Status TopicFollower::Await(const std::string& trace_id, const std::vector<std::string>& types,
                                  TraceCollector::Clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  std::vector<std::string> missing;
  changed_.wait_until(lock, deadline, [&] {
    missing = collector_.Missing(trace_id, types);
    return missing.empty() || !failure_.ok();
  });
  if (missing.empty()) {
    return absl::OkStatus();
  }
  if (!failure_.ok()) {
    return failure_;
  }
  return absl::DeadlineExceededError(
      fmt::format("not seen on Kafka in time: {} (trace {})", fmt::join(missing, ", "), trace_id));
}

void TopicFollower::Run() {
  while (!stop_) {
    const auto record = reader_->Poll(kPollTimeout);
    const auto seen = TraceCollector::Clock::now();
    const std::lock_guard lock(mutex_);
    if (!record.ok()) {
      failure_ = record.status();
      changed_.notify_all();
      return;
    }
    if (record->has_value() && collector_.Add(**record, seen)) {
      changed_.notify_all();
    }
  }
}

}  // namespace tradewind::cli
