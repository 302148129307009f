// Where records go. The seam between the code that publishes and Kafka; tests put a sink there that stalls and fails on
// purpose.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"

#include "tradewind/bus/record.h"

namespace tradewind::bus {

// The most bytes that a record may have on its way: key, value, headers, and some for the framing of each. A sink
// refuses a larger one; Kafka's own limit for a batch (max.message.bytes) is a little above it by default.
inline constexpr size_t kMaxRecordBytes = 1'000'000;

// Views that need to live only until Produce returns.
struct OutgoingRecord {
  std::string_view topic;
  int32_t partition = 0;
  std::string_view key;
  std::string_view value;
  absl::Span<const HeaderView> headers;
};

// What became of one produced record.
struct Delivery {
  uint64_t token = 0;
  // OK once every in-sync replica has it (or the leader, for a sink made with fewer acknowledgements).
  absl::Status status;
  // Meaningful for a failure: true only when the broker certainly does not have the record. KafkaSink tells it with a
  // delivery_timeout alone.
  bool certainly_absent = false;
  int32_t partition = -1;
  int64_t offset = -1;
};

// Not thread-safe unless an implementation says otherwise.
class EventSink {
 public:
  virtual ~EventSink() = default;

  // Copies the record and returns at once; `token` comes back with its Delivery. ResourceExhausted when the local
  // queue is full (nothing was taken; call Poll), InvalidArgument when the record can never be sent.
  virtual absl::Status Produce(const OutgoingRecord& record, uint64_t token) = 0;

  // Hands finished deliveries to `on_delivery`, waiting up to `timeout` for the first. Returns how many there were.
  virtual int Poll(absl::Duration timeout, absl::FunctionRef<void(const Delivery&)> on_delivery) = 0;

  // Forgets everything not yet delivered, without reporting it, and starts afresh as a new producer. What was in
  // flight may or may not be on the log.
  virtual absl::Status Reset() = 0;
};

// Makes one more sink of a kind. May block.
using MakeSink = std::function<absl::StatusOr<std::unique_ptr<EventSink>>()>;

}  // namespace tradewind::bus
