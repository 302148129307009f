#include "tests/bench/decide/memory_bus.h"

#include <optional>
#include <utility>

#include "absl/time/clock.h"

#include "tradewind/bus/envelope.h"

namespace bench {

using tradewind::bus::CommittedOffset;
using tradewind::bus::Delivery;
using tradewind::bus::HeaderView;
using tradewind::bus::OffsetRange;
using tradewind::bus::OutgoingRecord;
using tradewind::bus::Position;
using tradewind::bus::Record;

std::vector<HeaderView> CommandHeaders(std::string_view id) {
  return {{tradewind::bus::kSpecVersionHeader, "1.0"},
          {tradewind::bus::kIdHeader, id},
          {tradewind::bus::kTypeHeader, "tradewind.bench.v1.AddRequest"},
          {tradewind::bus::kSourceHeader, "/bench"},
          {tradewind::bus::kTimeHeader, "2026-01-01T00:00:00Z"},
          {tradewind::bus::kContentTypeHeader, tradewind::bus::kProtobufContentType},
          {tradewind::bus::kCallerHeader, "bench"},
          {tradewind::bus::kMethodHeader, "/tradewind.bench.v1.BenchService/Add"},
          {tradewind::bus::kRequestIdHeader, id}};
}

MemorySource::MemorySource(std::string topic, const std::vector<PreparedRecord>& records,
                           tradewind::bus::AssignmentListener& listener, size_t total)
    : topic_(std::move(topic)), records_(records), total_(total), listener_(listener) {}

absl::StatusOr<std::optional<Record>> MemorySource::Poll(absl::Duration timeout) {
  if (!assigned_) {
    assigned_ = true;
    Seek(listener_.OnAssigned({0}));
  }
  if (paused_ || next_ == total_) {
    // Nothing will come any more: not a wait for something, only the pause the caller asked for.
    absl::SleepFor(timeout);
    return std::nullopt;
  }
  const PreparedRecord& prepared = records_[next_ % records_.size()];
  const std::vector<HeaderView> headers = CommandHeaders(prepared.id);
  Record record(Record::Owner(nullptr, [](void*) {}), topic_, 0, static_cast<int64_t>(next_), 1'700'000'000'000,
                prepared.key, prepared.value, Record::Headers(headers.begin(), headers.end()));
  ++next_;
  return record;
}

absl::Status MemorySource::Pause(absl::Span<const int32_t>) {
  paused_ = true;
  return absl::OkStatus();
}

absl::Status MemorySource::Resume(absl::Span<const Position> positions) {
  paused_ = false;
  Seek(positions);
  return absl::OkStatus();
}

absl::StatusOr<std::vector<CommittedOffset>> MemorySource::Committed(absl::Span<const Position> partitions) {
  std::vector<CommittedOffset> result;
  for (const Position& position : partitions)
    result.push_back({.topic = position.topic, .partition = position.partition});
  return result;
}

absl::StatusOr<OffsetRange> MemorySource::Range(const std::string&, int32_t) {
  return OffsetRange{.low = 0, .high = static_cast<int64_t>(total_)};
}

std::vector<absl::StatusOr<OffsetRange>> MemorySource::Ranges(absl::Span<const Position> partitions) {
  std::vector<absl::StatusOr<OffsetRange>> ranges;
  for (const Position& position : partitions) ranges.push_back(Range(position.topic, position.partition));
  return ranges;
}

absl::Status MemorySource::CommitOffsets(absl::Span<const CommittedOffset>, bool) { return absl::OkStatus(); }

absl::Status MemorySource::Close(absl::Duration) {
  if (std::exchange(assigned_, false)) listener_.OnRevoked({0});
  return absl::OkStatus();
}

void MemorySource::Seek(absl::Span<const Position> positions) {
  for (const Position& position : positions) {
    if (position.topic == topic_) next_ = static_cast<size_t>(position.offset);
  }
}

absl::Status MemorySink::Produce(const OutgoingRecord&, uint64_t token) {
  owed_.push_back(token);
  return absl::OkStatus();
}

int MemorySink::Poll(absl::Duration timeout, absl::FunctionRef<void(const Delivery&)> on_delivery) {
  if (owed_.empty()) {
    absl::SleepFor(timeout);
    return 0;
  }
  // The caller may produce from within on_delivery.
  const std::vector<uint64_t> delivered = std::exchange(owed_, {});
  for (const uint64_t token : delivered) on_delivery({.token = token, .partition = 0, .offset = offset_++});
  return static_cast<int>(delivered.size());
}

absl::Status MemorySink::Reset() {
  owed_.clear();
  return absl::OkStatus();
}

}  // namespace bench
