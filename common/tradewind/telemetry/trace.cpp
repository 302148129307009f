#include "tradewind/telemetry/trace.h"

#include <algorithm>
#include <cstddef>

#include "absl/random/random.h"

namespace tradewind::telemetry {
namespace {

// version "-" trace-id "-" parent-id "-" trace-flags, in hexadecimal.
constexpr std::size_t kVersionAt = 0;
constexpr std::size_t kTraceIdAt = 3;
constexpr std::size_t kSpanIdAt = 36;
constexpr std::size_t kFlagsAt = 53;
constexpr std::size_t kLength = 55;
// The one flag that level 1 knows; the others must be dropped when passing on.
constexpr uint8_t kSampled = 0x01;

thread_local const TraceContext* current_context = nullptr;

template <std::size_t kSize>
void FillRandom(std::array<uint8_t, kSize>& bytes) {
  thread_local absl::BitGen generator;
  do {
    for (uint8_t& byte : bytes) byte = absl::Uniform<uint8_t>(generator);
  } while (bytes == std::array<uint8_t, kSize>{});
}

// -1 for what is no digit; capitals are not allowed in a traceparent.
int Digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

template <std::size_t kSize>
bool ParseHex(std::string_view text, std::size_t at, std::array<uint8_t, kSize>& bytes) {
  for (std::size_t i = 0; i < kSize; ++i) {
    int high = Digit(text[at + 2 * i]);
    int low = Digit(text[at + 2 * i + 1]);
    if (high < 0 || low < 0) return false;
    bytes[i] = static_cast<uint8_t>(high * 16 + low);
  }
  return true;
}

template <std::size_t kSize>
void AppendHex(const std::array<uint8_t, kSize>& bytes, std::string& text) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  for (uint8_t byte : bytes) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 0x0f];
  }
}

}  // namespace

TraceContext TraceContext::NewRoot() {
  TraceContext context;
  FillRandom(context.trace_id);
  FillRandom(context.span_id);
  return context;
}

std::optional<TraceContext> TraceContext::Parse(std::string_view traceparent) {
  if (traceparent.size() < kLength) return std::nullopt;
  for (std::size_t dash : {kTraceIdAt - 1, kSpanIdAt - 1, kFlagsAt - 1}) {
    if (traceparent[dash] != '-') return std::nullopt;
  }
  std::array<uint8_t, 1> version{};
  std::array<uint8_t, 1> flags{};
  TraceContext context;
  if (!ParseHex(traceparent, kVersionAt, version) || !ParseHex(traceparent, kTraceIdAt, context.trace_id) ||
      !ParseHex(traceparent, kSpanIdAt, context.span_id) || !ParseHex(traceparent, kFlagsAt, flags)) {
    return std::nullopt;
  }
  // A later version may add fields, each after a dash; this one has none.
  if (version[0] == 0xff || (version[0] == 0 && traceparent.size() != kLength) ||
      (traceparent.size() > kLength && traceparent[kLength] != '-')) {
    return std::nullopt;
  }
  if (context.trace_id == decltype(context.trace_id){} || context.span_id == decltype(context.span_id){}) {
    return std::nullopt;
  }
  context.flags = flags[0] & kSampled;
  return context;
}

TraceContext TraceContext::NewChild() const {
  TraceContext child = *this;
  FillRandom(child.span_id);
  return child;
}

std::string TraceContext::ToTraceparent() const {
  std::string text;
  text.reserve(kLength);
  text += "00-";
  AppendHex(trace_id, text);
  text += '-';
  AppendHex(span_id, text);
  text += '-';
  AppendHex(std::array<uint8_t, 1>{flags}, text);
  return text;
}

std::string TraceContext::trace_id_hex() const {
  std::string text;
  AppendHex(trace_id, text);
  return text;
}

TraceScope::TraceScope(const TraceContext& context) : context_(context), outer_(current_context) {
  current_context = &context_;
}

TraceScope::~TraceScope() { current_context = outer_; }

const TraceContext* TraceScope::Current() { return current_context; }

}  // namespace tradewind::telemetry
