// Commits offsets of one consumer and knows which commits are still unanswered: a librdkafka 2.0.2 consumer that is
// closed with one in flight hangs for a minute.
#pragma once

#include <list>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "absl/types/span.h"

#include "tradewind/bus/event_source.h"
#include "tradewind/bus/internal/deadline.h"
#include "tradewind/bus/internal/rdkafka_handle.h"

namespace tradewind::bus::internal {

// Not thread-safe. `client` outlives it.
class OffsetCommitter {
 public:
  explicit OffsetCommitter(rd_kafka_t* client);

  // Sends and returns; a failure is logged and noted when it is known, which Serve finds out.
  absl::Status Send(absl::Span<const CommittedOffset> offsets);
  // Returns whether a commit by Send has failed since this was last called.
  bool TakeFailed() { return std::exchange(failed_, false); }
  // Sends and waits for the answer. Unavailable when there is none within `timeout`.
  absl::Status SendAndWait(absl::Span<const CommittedOffset> offsets, absl::Duration timeout);

  // Takes the answers that have come. Does not wait.
  void Serve();
  // True once every commit was answered.
  bool WaitUntilIdle(const Deadline& deadline);

 private:
  struct Commit {
    OffsetCommitter* committer = nullptr;
    std::list<Commit>::iterator place;
    // Where SendAndWait wants the result; null when nobody waits.
    absl::Status* result = nullptr;
    bool* answered = nullptr;
  };

  absl::Status Start(absl::Span<const CommittedOffset> offsets, absl::Status* result, bool* answered);
  void ServeFor(int timeout_ms);
  static void OnAnswer(rd_kafka_t* client, rd_kafka_resp_err_t error, rd_kafka_topic_partition_list_t* offsets,
                       void* commit) noexcept;
  void Finish(Commit& commit, absl::Status status);

  rd_kafka_t* const client_;
  // Unanswered. Ends after the queue, whose answers point into it.
  std::list<Commit> commits_;
  QueueHandle answers_;
  bool failed_ = false;
};

}  // namespace tradewind::bus::internal
