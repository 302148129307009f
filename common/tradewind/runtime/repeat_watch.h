// Finds sources whose new events are dropped as repeats, which nothing else shows: once a record with a later sequence
// than its source has come to was taken (copied from another mesh, written by hand), everything that the source really
// sends looks as if it had been seen before.
//
// A publisher that failed or crashed sends its outbox again, and those repeats are rightly dropped. They were all
// decided before the first of them came; a new event is decided later. Owned by one worker, used by its thread only.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <tuple>

#include "absl/time/time.h"

#include "tradewind/bus/envelope.h"
#include "tradewind/runtime/task_progress.h"
#include "tradewind/telemetry/metrics.h"

namespace tradewind::runtime {

// An event that was dropped as a repeat.
struct RepeatedEvent {
  std::string topic;
  std::string source;
  // Its ce_time; the infinite past where it has none that can be read.
  absl::Time decided;

  static RepeatedEvent From(std::string_view topic, const bus::Envelope& envelope);
};

class RepeatWatch {
 public:
  // By how much the clocks of two machines may differ: a repeat that was decided this long after the first repeat of
  // its source came is a new event.
  static constexpr absl::Duration kClockDifference = absl::Seconds(5);
  // Sources that are followed at once, and of those the sources that have a metric of their own. What is beyond is
  // counted as a repeat all the same, and looked at once there is room.
  static constexpr size_t kMaxFollowed = 1000;
  static constexpr size_t kMaxShown = 20;

  explicit RepeatWatch(std::string group) : group_(std::move(group)) {}

  // `progress` is the task's after the batch that dropped the event.
  void Note(int32_t partition, const TaskProgress& progress, const RepeatedEvent& event, absl::Time now);
  // The sources of the task from which something was taken meanwhile are well.
  void Review(int32_t partition, const TaskProgress& progress);
  // The task is gone.
  void Forget(int32_t partition);

  bool empty() const { return followed_.empty(); }

 private:
  using Name = std::tuple<int32_t, std::string, std::string>;
  struct Followed {
    // What the source had come to when its first repeat came.
    bus::Sequence watermark;
    absl::Time first;
    bool is_new = false;
  };

  // Forgets a source that only seems to be sent again, where there are too many; false where there is none.
  bool MakeRoom();
  telemetry::Age Metric(const Name& name) const;
  void Report(const Name& name, const Followed& source, absl::Time now);
  std::map<Name, Followed>::iterator Drop(std::map<Name, Followed>::iterator source);

  const std::string group_;
  // By partition, topic and source.
  std::map<Name, Followed> followed_;
  // Names that have a metric.
  std::map<Name, telemetry::Age> shown_;
};

}  // namespace tradewind::runtime
