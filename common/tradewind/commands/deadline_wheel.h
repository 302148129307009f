// Deadlines of many calls for the price of a push into a bucket each: no timer per call, and nothing to undo for a call
// that ends in time. DeadlineWheel is the buckets, DeadlineThread the clock that empties them.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace tradewind::commands {

// A ring of buckets, one a tick. Add may be called by any thread, the rest by one.
class DeadlineWheel {
 public:
  static constexpr int64_t kNever = INT64_MAX;

  // Ticks up to `horizon` ahead of the last one taken can be added; what lies further is due at the horizon.
  explicit DeadlineWheel(int64_t horizon);

  // Puts `id` into the bucket of `tick`, or of the next one to come where that has been taken. Returns which it was.
  int64_t Add(int64_t tick, uint64_t id);

  // Appends to `due` the ids of all ticks up to and including `tick`.
  void Take(int64_t tick, std::vector<uint64_t>& due);

  // The earliest tick with an id in it, or kNever.
  int64_t Next() const;

 private:
  struct Bucket {
    absl::Mutex mutex;
    std::vector<uint64_t> ids ABSL_GUARDED_BY(mutex);
    // Lets Next pass by empty buckets without their locks.
    std::atomic<bool> filled = false;
  };

  Bucket& BucketOf(int64_t tick) { return buckets_[static_cast<size_t>(tick) % buckets_.size()]; }
  const Bucket& BucketOf(int64_t tick) const { return buckets_[static_cast<size_t>(tick) % buckets_.size()]; }

  const int64_t horizon_;
  std::vector<Bucket> buckets_;
  // Buckets up to here have been taken. Raised before a bucket is locked, read by Add while it holds the lock, so that
  // no id gets into a bucket that was emptied already.
  std::atomic<int64_t> taken_ = 0;
};

// Calls back for each id when its time has come, from its own thread. Sleeps while there is nothing to wait for.
class DeadlineThread {
 public:
  using Callback = std::function<void(uint64_t id)>;

  // `longest`: no deadline is further away.
  DeadlineThread(absl::Duration longest, Callback callback);
  // Ends without calling back for what is not due.
  ~DeadlineThread();

  // Due `after` from now, at most 5 ms early. Thread-safe; does not block.
  void Add(uint64_t id, absl::Duration after);

 private:
  // Since the start.
  int64_t NowMs() const;
  void Run();
  // Until `tick`, or until an earlier one was added.
  void SleepUntil(int64_t tick);
  void Wake() ABSL_LOCKS_EXCLUDED(mutex_);

  const int64_t start_ms_;
  const Callback callback_;
  DeadlineWheel wheel_;
  // Adding something earlier than this has to wake the thread.
  std::atomic<int64_t> sleeps_until_ = 0;
  absl::Mutex mutex_;
  bool woken_ ABSL_GUARDED_BY(mutex_) = false;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

}  // namespace tradewind::commands
