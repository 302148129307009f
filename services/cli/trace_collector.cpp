#include "services/cli/trace_collector.h"

#include <fmt/format.h>

#include <algorithm>

#include "tradewind/bus/envelope.h"
#include "tradewind/mesh/v1/envelope.pb.h"
#include "tradewind/telemetry/trace.h"

namespace tradewind::cli {
namespace {

constexpr size_t kMaxEarlyReplies = 10'000;

std::string PlaceOf(const bus::Record& record) {
  return fmt::format("{}-{}@{}", record.topic(), record.partition(), record.offset());
}

}  // namespace

std::string_view ReplyType() { return mesh::v1::ReplyBatch::descriptor()->full_name(); }

TraceCollector::TraceCollector(std::string_view topic_prefix)
    : replies_topic_(fmt::format("{}{}", topic_prefix, bus::kRepliesTopic)) {}

void TraceCollector::Expect(const std::string& trace_id, Clock::time_point start) { calls_[trace_id].start = start; }

bool TraceCollector::Add(const bus::Record& record, Clock::time_point seen) {
  if (record.topic() == replies_topic_) {
    return AddReplies(record, seen);
  }
  const auto context = telemetry::TraceContext::Parse(record.header(bus::kTraceparentHeader));
  const auto call = context.has_value() ? calls_.find(context->trace_id_hex()) : calls_.end();
  if (call == calls_.end()) {
    return false;
  }
  AddHop(call->second, seen, HeaderType(record), PlaceOf(record), record.timestamp_ms());
  RememberReplyAddress(record, call->second);
  return true;
}

std::vector<Hop> TraceCollector::Hops(const std::string& trace_id) const {
  const auto call = calls_.find(trace_id);
  return call == calls_.end() ? std::vector<Hop>() : call->second.hops;
}

std::vector<std::string> TraceCollector::Missing(const std::string& trace_id,
                                                 const std::vector<std::string>& types) const {
  const std::vector<Hop> hops = Hops(trace_id);
  std::vector<std::string> missing;
  std::copy_if(types.begin(), types.end(), std::back_inserter(missing), [&](const std::string& type) {
    return std::none_of(hops.begin(), hops.end(), [&](const Hop& hop) { return hop.what == type; });
  });
  return missing;
}

void TraceCollector::AddHop(Call& call, Clock::time_point seen, std::string what, std::string where,
                            int64_t logged_ms) {
  const double ms = std::chrono::duration<double, std::milli>(seen - call.start).count();
  call.hops.push_back({.ms = ms, .what = std::move(what), .where = std::move(where), .logged_ms = logged_ms});
}

bool TraceCollector::AddReplies(const bus::Record& record, Clock::time_point seen) {
  mesh::v1::ReplyBatch batch;
  if (!batch.ParseFromArray(record.value().data(), static_cast<int>(record.value().size()))) {
    return false;
  }
  bool ours = false;
  for (const mesh::v1::Reply& reply : batch.replies()) {
    ReplyAddress address{batch.instance_id(), reply.correlation_id()};
    if (const auto awaited = awaited_replies_.find(address); awaited != awaited_replies_.end()) {
      AddHop(*awaited->second, seen, std::string(ReplyType()), PlaceOf(record), record.timestamp_ms());
      ours = true;
      continue;
    }
    early_replies_.push_back(
        {.address = std::move(address), .seen = seen, .where = PlaceOf(record), .logged_ms = record.timestamp_ms()});
    if (early_replies_.size() > kMaxEarlyReplies) {
      early_replies_.pop_front();
    }
  }
  return ours;
}

void TraceCollector::RememberReplyAddress(const bus::Record& record, Call& call) {
  const auto envelope = bus::ParseEnvelope(record);
  if (!envelope.ok() || !envelope->reply_to.has_value()) {
    return;
  }
  const ReplyAddress address{std::string(envelope->reply_to->instance_id), envelope->reply_to->correlation_id};
  awaited_replies_[address] = &call;
  const auto early = std::find_if(early_replies_.begin(), early_replies_.end(),
                                  [&](const EarlyReply& reply) { return reply.address == address; });
  if (early != early_replies_.end()) {
    AddHop(call, early->seen, std::string(ReplyType()), early->where, early->logged_ms);
    early_replies_.erase(early);
  }
}

}  // namespace tradewind::cli
