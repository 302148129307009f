#include "tradewind/app/unread_partitions.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "tradewind/app/logger.h"
#include "tradewind/clock/steady_now.h"
#include "tradewind/telemetry/metrics.h"

namespace tradewind {
namespace {

constexpr absl::Duration kAskEvery = absl::Seconds(1);

}  // namespace

bool UnreadPartitions::HoldsRecords(const bus::LogEnd& end) const {
  if (end.high == 0) return false;
  const auto range = range_(end.topic, end.partition);
  // Rather shown once too often than not at all.
  return !range.ok() || range->low < end.high;
}

void UnreadPartitions::Note(absl::Span<const bus::LogEnd> ends) {
  for (const GroupReads& reads : groups_) {
    for (const std::string& topic : reads.topics) {
      const int64_t unread = std::count_if(ends.begin(), ends.end(), [&](const bus::LogEnd& end) {
        return end.topic == topic && end.partition >= reads.partitions && (!is_decided_ || HoldsRecords(end));
      });
      int64_t& shown = shown_[{reads.group, topic}];
      if (unread > shown) {
        kLog.Error("partitions of an input topic are read by no task: keys are spread over those before them",
                   {{"group", reads.group}, {"topic", topic}, {"read", reads.partitions}, {"not_read", unread}});
      }
      shown = unread;
      telemetry::NewGauge("tradewind_partitions_unread", "Partitions of an input topic that no task reads.",
                          {{"group", reads.group}, {"topic", topic}, {"pinned", std::to_string(reads.partitions)}})
          .Set(static_cast<double>(unread));
    }
  }
}

absl::StatusOr<std::vector<bus::TopicInfo>> PartitionCounter::ListTopics() {
  if (admin_ == nullptr) {
    auto admin = bus::KafkaAdmin::Create(config_, client_id_);
    if (!admin.ok()) return admin.status();
    admin_ = *std::move(admin);
  }
  return admin_->ListTopics();
}

absl::StatusOr<int32_t> PartitionCounter::Ask(const std::string& topic) {
  const std::lock_guard lock(mutex_);
  if (const absl::Time now = clock::SteadyNow(); now - asked_at_ >= kAskEvery) {
    topics_ = ListTopics();
    asked_at_ = now;
  }
  if (!topics_.ok()) return topics_.status();
  const auto found =
      std::find_if(topics_->begin(), topics_->end(), [&](const bus::TopicInfo& info) { return info.name == topic; });
  if (found == topics_->end()) return absl::NotFoundError(fmt::format("there is no topic {}", topic));
  return found->partitions;
}

}  // namespace tradewind
