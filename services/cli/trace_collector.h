// Sorts records into the calls they belong to. A record belongs to a call when its traceparent carries the call's trace
// id; a reply, which may answer several calls in one record, when it answers the correlation id that the call's command
// named.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "services/cli/timeline.h"
#include "tradewind/bus/record.h"

namespace tradewind::cli {

// What a reply's hop is called.
std::string_view ReplyType();

// Not thread-safe.
class TraceCollector {
 public:
  using Clock = std::chrono::steady_clock;

  // `topic_prefix` is what stands before mesh.replies.v1.
  explicit TraceCollector(std::string_view topic_prefix);

  // Keeps the records of this trace (32 hexadecimal digits) from now on; `start` is the call's time.
  void Expect(const std::string& trace_id, Clock::time_point start);
  // True when the record belonged to an expected call.
  bool Add(const bus::Record& record, Clock::time_point seen);

  // In the order in which they were seen.
  std::vector<Hop> Hops(const std::string& trace_id) const;
  // Those of `types` of which the call has no hop yet.
  std::vector<std::string> Missing(const std::string& trace_id, const std::vector<std::string>& types) const;

 private:
  // The gateway instance and its correlation id.
  using ReplyAddress = std::pair<std::string, uint64_t>;
  struct Call {
    Clock::time_point start;
    std::vector<Hop> hops;
  };
  struct EarlyReply {
    ReplyAddress address;
    Clock::time_point seen;
    std::string where;
    int64_t logged_ms = 0;
  };

  void AddHop(Call& call, Clock::time_point seen, std::string what, std::string where, int64_t logged_ms);
  bool AddReplies(const bus::Record& record, Clock::time_point seen);
  void RememberReplyAddress(const bus::Record& record, Call& call);

  const std::string replies_topic_;
  std::map<std::string, Call> calls_;
  std::map<ReplyAddress, Call*> awaited_replies_;
  // Replies seen before the command they answer: partitions are fetched independently of each other. Bounded, since
  // most are other clients'.
  std::deque<EarlyReply> early_replies_;
};

}  // namespace tradewind::cli
