#include "tradewind/seal/log_ends.h"

namespace tradewind::seal {

void LogEnds::Start(const std::vector<int64_t>& next) {
  const std::lock_guard lock(mutex_);
  partitions_.clear();
  for (const int64_t offset : next) partitions_.push_back({.next = offset});
}

uint64_t LogEnds::Ask(int32_t partition) {
  const std::lock_guard lock(mutex_);
  Partition& of = partitions_[static_cast<size_t>(partition)];
  of.asked = of.begun + 1;
  asked_.notify_one();
  return of.asked;
}

bool LogEnds::HasReached(int32_t partition, uint64_t question) const {
  const std::lock_guard lock(mutex_);
  return partitions_[static_cast<size_t>(partition)].reached >= question;
}

std::optional<int32_t> LogEnds::AwaitQuestion(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  size_t next = 0;
  const auto finds_one = [&] {
    // From behind the last one, so that each has its turn.
    for (size_t i = 1; i <= partitions_.size(); ++i) {
      next = (last_begun_ + i) % partitions_.size();
      const Partition& of = partitions_[next];
      if (of.asked > of.begun && of.reached == of.begun) return true;
    }
    return false;
  };
  asked_.wait(lock, stop, finds_one);
  if (stop.stop_requested()) return std::nullopt;
  last_begun_ = next;
  partitions_[next].begun = partitions_[next].asked;
  return static_cast<int32_t>(next);
}

void LogEnds::Answer(int32_t partition, int64_t end, absl::Time now) {
  const std::lock_guard lock(mutex_);
  Partition& of = partitions_[static_cast<size_t>(partition)];
  of.end = end;
  of.told = now;
  of.is_overdue = false;
  Settle(of);
  asked_.notify_one();
}

void LogEnds::Fail(int32_t partition) {
  const std::lock_guard lock(mutex_);
  Partition& of = partitions_[static_cast<size_t>(partition)];
  // Who waited for this one is answered by the next.
  --of.begun;
  asked_.notify_one();
}

void LogEnds::Reach(int32_t partition, int64_t next) {
  const std::lock_guard lock(mutex_);
  Partition& of = partitions_[static_cast<size_t>(partition)];
  of.next = next;
  Settle(of);
  if (of.asked > of.begun) asked_.notify_one();
}

void LogEnds::Settle(Partition& partition) {
  if (!partition.end.has_value() || partition.next < *partition.end) return;
  partition.reached = partition.begun;
  partition.end.reset();
}

std::vector<int32_t> LogEnds::TakeUnreached(absl::Time then) {
  std::vector<int32_t> unreached;
  const std::lock_guard lock(mutex_);
  for (size_t i = 0; i < partitions_.size(); ++i) {
    Partition& of = partitions_[i];
    if (!of.end.has_value() || of.is_overdue || of.told > then) continue;
    of.is_overdue = true;
    unreached.push_back(static_cast<int32_t>(i));
  }
  return unreached;
}

}  // namespace tradewind::seal
