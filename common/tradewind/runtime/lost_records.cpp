#include "tradewind/runtime/lost_records.h"

#include <algorithm>

namespace tradewind::runtime {

std::string_view Describe(LostRecords::Reason reason) {
  switch (reason) {
    case LostRecords::Reason::kExpired:
      return "records it has not read were deleted (retention.ms or retention.bytes is too small)";
    case LostRecords::Reason::kEndsEarlier:
      return "the topic was made anew or lost its end";
    case LostRecords::Reason::kAnotherLog:
      return "the topic was made anew";
    case LostRecords::Reason::kNotRead:
      return "the group does not read it any more";
  }
  return "";
}

std::optional<LostRecords> FindLostRecords(const InputProgress& input, const bus::OffsetRange& log,
                                           bool is_another_log) {
  const auto& pending = input.pending();
  const int64_t next = input.next_offset();
  if (is_another_log || next > log.high) {
    return LostRecords{.reason = next > log.high ? LostRecords::Reason::kEndsEarlier : LostRecords::Reason::kAnotherLog,
                       .effects = static_cast<int64_t>(pending.size()),
                       .go_on_at = log.low};
  }
  const auto gone = std::lower_bound(pending.begin(), pending.end(), log.low) - pending.begin();
  if (next >= log.low && gone == 0) return std::nullopt;
  return LostRecords{.reason = LostRecords::Reason::kExpired,
                     .unread = std::max<int64_t>(log.low - next, 0),
                     .effects = gone,
                     .go_on_at = std::max(next, log.low)};
}

std::optional<int64_t> OffsetToCompare(const InputProgress& input, const bus::OffsetRange& log) {
  const int64_t last = input.next_offset() - 1;
  if (input.fingerprint() == 0 || last < log.low || last >= log.high) return std::nullopt;
  return last;
}

}  // namespace tradewind::runtime
