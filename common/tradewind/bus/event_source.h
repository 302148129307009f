// Where records come from for a member of a consumer group that runs tasks. The seam between the runtime and Kafka.
//
// The group subscribes to one lead topic. Whoever owns partition i of it also reads partition i of the group's other
// input topics, so that a task, made of the same-numbered partitions, never splits between members.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"

#include "tradewind/bus/record.h"

namespace tradewind::bus {

struct Position {
  std::string topic;
  int32_t partition = 0;
  int64_t offset = 0;
};

struct CommittedOffset {
  std::string topic;
  int32_t partition = 0;
  // Negative when nothing was committed.
  int64_t offset = -1;
  std::string metadata;
};

// The offsets a partition holds: [low, high).
struct OffsetRange {
  int64_t low = 0;
  int64_t high = 0;
};

// Told of changes of ownership. Called from within EventSource::Poll and Close, on the caller's thread; may call the
// source back, except for Poll and Close.
class AssignmentListener {
 public:
  virtual ~AssignmentListener() = default;
  // Partitions of the lead topic that are now ours. Returns where to start reading, for each input topic and each of
  // these partitions; a (topic, partition) left out is not read until Resume names it. `partitions` is empty for a
  // member that there is nothing for.
  virtual std::vector<Position> OnAssigned(absl::Span<const int32_t> partitions) = 0;
  // Still ours until this returns: drain, commit, let go.
  virtual void OnRevoked(absl::Span<const int32_t> partitions) = 0;
  // No longer ours, possibly since long: nothing may be committed or published for them.
  virtual void OnLost(absl::Span<const int32_t> partitions) = 0;
  // Ours, and one of its topics cannot be read from where it stood: its log holds other offsets. Nothing more comes of
  // that topic's partition until Resume names it. OutOfRange, which says what the log holds.
  virtual void OnUnreadable(int32_t partition, const absl::Status& why) = 0;
};

// Not thread-safe: one worker thread owns a source.
class EventSource {
 public:
  virtual ~EventSource() = default;

  // The next record, or nothing after `timeout`. Records that cannot be read are passed over, and one comes in their
  // place that says so (Record::damage). Errors that pass by themselves (a broker away) are logged and retried
  // inside, and one that concerns a single partition goes to the listener; an error returned here is fatal for this
  // source.
  virtual absl::StatusOr<std::optional<Record>> Poll(absl::Duration timeout) = 0;

  // Stops and continues the reading of one task's partitions, of every topic. Records already fetched are dropped by
  // Pause and read again after Resume, starting at `positions`. A Resume that fails may have taken effect for some of
  // them; where the error is one that passes (errors::Read), Pause and resume again.
  virtual absl::Status Pause(absl::Span<const int32_t> partitions) = 0;
  virtual absl::Status Resume(absl::Span<const Position> positions) = 0;

  // Network calls; block up to the configured request timeout.
  virtual absl::StatusOr<std::vector<CommittedOffset>> Committed(absl::Span<const Position> partitions) = 0;
  virtual absl::StatusOr<OffsetRange> Range(const std::string& topic, int32_t partition) = 0;
  // Range of each of `partitions` (their offsets mean nothing), in their order, by a few requests for all. One without
  // a leader is Unavailable and holds up none of the others; a broker that does not answer does for a second, and so
  // are its own.
  virtual std::vector<absl::StatusOr<OffsetRange>> Ranges(absl::Span<const Position> partitions) = 0;
  // Without `wait` it does not block, and a failure is told by TakeFailedCommits.
  virtual absl::Status CommitOffsets(absl::Span<const CommittedOffset> offsets, bool wait) = 0;
  // Returns whether a commit that was not waited for has failed since this was last called. Does not block.
  virtual bool TakeFailedCommits() = 0;

  // Whether all that the broker has told of this partition has come out of Poll, and all before the offset `end`. False
  // while it is paused, before the broker has told anything, and from when a broker has stopped answering until Range
  // or Ranges has had an answer about this partition. Does not block.
  virtual bool CaughtUp(const std::string& topic, int32_t partition, int64_t end) = 0;

  // Leaves the group (OnRevoked is called for what is still owned) and stops. Blocks up to `deadline`; DeadlineExceeded
  // when the group could not be left in that time (OnLost is then called for what was still owned).
  virtual absl::Status Close(absl::Duration deadline) = 0;
};

}  // namespace tradewind::bus
