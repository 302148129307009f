#include "tradewind/commands/deadline_wheel.h"

#include <algorithm>
#include <chrono>

namespace tradewind::commands {
namespace {

constexpr int64_t kTickMs = 5;
// The ring reaches as far ahead of the last look at it as the longest deadline, plus this.
constexpr int64_t kLongestSleepMs = 10'000;

int64_t SteadyMs() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace

DeadlineWheel::DeadlineWheel(int64_t horizon) : horizon_(horizon), buckets_(static_cast<size_t>(horizon) + 1) {}

int64_t DeadlineWheel::Add(int64_t tick, uint64_t id) {
  while (true) {
    const int64_t taken = taken_.load();
    const int64_t place = std::clamp(tick, taken + 1, taken + horizon_);
    Bucket& bucket = BucketOf(place);
    absl::MutexLock lock(&bucket.mutex);
    if (taken_.load() >= place) {
      continue;
    }
    bucket.ids.push_back(id);
    bucket.filled.store(true);
    return place;
  }
}

void DeadlineWheel::Take(int64_t tick, std::vector<uint64_t>& due) {
  for (int64_t next = taken_.load() + 1; next <= tick; ++next) {
    taken_.store(next);
    Bucket& bucket = BucketOf(next);
    absl::MutexLock lock(&bucket.mutex);
    due.insert(due.end(), bucket.ids.begin(), bucket.ids.end());
    // Gives the memory back: buckets of a busy second would otherwise keep it for good.
    std::vector<uint64_t>().swap(bucket.ids);
    bucket.filled.store(false);
  }
}

int64_t DeadlineWheel::Next() const {
  const int64_t taken = taken_.load();
  for (int64_t tick = taken + 1; tick <= taken + horizon_; ++tick) {
    if (BucketOf(tick).filled.load()) {
      return tick;
    }
  }
  return kNever;
}

DeadlineThread::DeadlineThread(absl::Duration longest, Callback callback)
    : start_ms_(SteadyMs()),
      callback_(std::move(callback)),
      wheel_((absl::ToInt64Milliseconds(longest) + kLongestSleepMs) / kTickMs + 2),
      thread_([this] { Run(); }) {}

DeadlineThread::~DeadlineThread() {
  stopping_ = true;
  Wake();
  thread_.join();
}

int64_t DeadlineThread::NowMs() const { return SteadyMs() - start_ms_; }

void DeadlineThread::Add(uint64_t id, absl::Duration after) {
  const int64_t due_ms = NowMs() + std::max<int64_t>(0, absl::ToInt64Milliseconds(after));
  const int64_t tick = wheel_.Add(due_ms / kTickMs, id);
  if (tick < sleeps_until_.load()) {
    Wake();
  }
}

void DeadlineThread::Run() {
  std::vector<uint64_t> due;
  while (!stopping_) {
    wheel_.Take(NowMs() / kTickMs, due);
    for (const uint64_t id : due) {
      callback_(id);
    }
    due.clear();
    // First say that anything new must wake us, then look: an id that comes in between is either seen or wakes us.
    sleeps_until_.store(DeadlineWheel::kNever);
    const int64_t next = wheel_.Next();
    sleeps_until_.store(next);
    SleepUntil(next);
  }
}

void DeadlineThread::SleepUntil(int64_t tick) {
  const int64_t wait_ms = tick == DeadlineWheel::kNever ? kLongestSleepMs : tick * kTickMs - NowMs();
  absl::MutexLock lock(&mutex_);
  mutex_.AwaitWithTimeout(absl::Condition(&woken_),
                          absl::Milliseconds(std::clamp<int64_t>(wait_ms, 0, kLongestSleepMs)));
  woken_ = false;
}

void DeadlineThread::Wake() {
  absl::MutexLock lock(&mutex_);
  woken_ = true;
}

}  // namespace tradewind::commands
