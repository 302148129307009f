// W3C Trace Context (https://www.w3.org/TR/trace-context/, level 1): which call a piece of work belongs to. Carried in
// gRPC metadata and Kafka headers as `traceparent`, and in every log line written while a TraceScope is open.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tradewind::telemetry {

struct TraceContext {
  std::array<uint8_t, 16> trace_id{};
  std::array<uint8_t, 8> span_id{};
  uint8_t flags = 1;

  // A new trace.
  static TraceContext NewRoot();
  // Nothing where `traceparent` is malformed, of version ff, or all zero.
  static std::optional<TraceContext> Parse(std::string_view traceparent);
  // The same trace with a span of its own.
  TraceContext NewChild() const;
  std::string ToTraceparent() const;
  std::string trace_id_hex() const;
};

// Makes `context` the thread's current one until the end of the scope. Scopes nest.
class TraceScope {
 public:
  explicit TraceScope(const TraceContext& context);
  ~TraceScope();
  TraceScope(const TraceScope&) = delete;
  TraceScope& operator=(const TraceScope&) = delete;
  // Null outside any scope.
  static const TraceContext* Current();

 private:
  TraceContext context_;
  const TraceContext* outer_;
};

}  // namespace tradewind::telemetry
