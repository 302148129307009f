// What a task can never read any more of the log of one of its inputs: found when the task is taken, which then stops,
// and shown to the operator who is asked whether to go on without it.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "tradewind/bus/event_source.h"
#include "tradewind/runtime/task_progress.h"

namespace tradewind::runtime {

struct LostRecords {
  enum class Reason {
    // Records that were not read, or whose effects had not ended, were deleted.
    kExpired,
    // The log ends before the next record: the topic was made anew, or lost its end.
    kEndsEarlier,
    // The last record that was read is another one now: the topic was made anew.
    kAnotherLog,
    // Effects were under way when the group ceased to read the topic. No task stops for it.
    kNotRead,
  };
  Reason reason = Reason::kExpired;
  // Offsets that were not read and are gone; 0 where nobody can tell.
  int64_t unread = 0;
  // Effects that were under way and cannot be read again.
  int64_t effects = 0;
  // Where to go on without them.
  int64_t go_on_at = 0;
};

// A clause without a subject, such as "records it has not read were deleted".
std::string_view Describe(LostRecords::Reason reason);

// Nothing where `log`, the range of the partition now, has all that the input still needs. `is_another_log`: the record
// before the next one was compared, and is another one.
std::optional<LostRecords> FindLostRecords(const InputProgress& input, const bus::OffsetRange& log,
                                           bool is_another_log = false);

// Where to look for the last record that was read, to compare it with fingerprint(); nothing where there is none to
// compare.
std::optional<int64_t> OffsetToCompare(const InputProgress& input, const bus::OffsetRange& log);

}  // namespace tradewind::runtime
