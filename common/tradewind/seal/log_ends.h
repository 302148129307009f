// Who wants to know that a log has been read to its end, and how far it is: one question to the broker for each
// partition at a time, which all share who ask before the next. Used by KafkaKeyLog. Asks nobody itself.
//
// A caller's question is answered by the first one to the broker that begins after it.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <stop_token>
#include <vector>

#include "absl/time/time.h"

namespace tradewind::seal {

// Thread-safe.
class LogEnds {
 public:
  // Returns the number of the question that answers the caller.
  uint64_t Ask(int32_t partition);
  bool HasReached(int32_t partition, uint64_t question) const;

  // Blocks until a partition has to be asked for, and takes that as begun; nothing once `stop` is requested. A
  // partition whose last answer has not been reached is not asked for again.
  std::optional<int32_t> AwaitQuestion(const std::stop_token& stop);
  // The answer to what AwaitQuestion returned, of the same thread: the offset behind the last record.
  void Answer(int32_t partition, int64_t end, absl::Time now);
  // There was none: to be asked again.
  void Fail(int32_t partition);

  // Everything before `next` has been read.
  void Reach(int32_t partition, int64_t next);
  // Partitions whose end is not reached though it was told before `then`; each is told once an answer.
  std::vector<int32_t> TakeUnreached(absl::Time then);

  // All partitions, with the next offset to read of each. Forgets whatever was there.
  void Start(const std::vector<int64_t>& next);

 private:
  struct Partition {
    // Numbers of questions: the last that somebody waits for, that was begun, that was reached.
    uint64_t asked = 0;
    uint64_t begun = 0;
    uint64_t reached = 0;
    int64_t next = 0;
    // Of the question that was begun last.
    std::optional<int64_t> end;
    absl::Time told;
    bool is_overdue = false;
  };
  static void Settle(Partition& partition);

  mutable std::mutex mutex_;
  std::condition_variable_any asked_;
  std::vector<Partition> partitions_;
  size_t last_begun_ = 0;
};

}  // namespace tradewind::seal
