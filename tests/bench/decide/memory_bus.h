// A source and a sink without Kafka: what is left is the loop itself. The source hands out prepared records as one
// partition of one topic; the sink acknowledges what it is given.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tradewind/bus/event_sink.h"
#include "tradewind/bus/event_source.h"

namespace bench {

struct PreparedRecord {
  std::string key;
  std::string value;
  std::string id;
};

// Headers every prepared record has besides its id.
std::vector<tradewind::bus::HeaderView> CommandHeaders(std::string_view id);

class MemorySource final : public tradewind::bus::EventSource {
 public:
  // `records` and `listener` outlive the source. Hands out `total` records, beginning anew after the last.
  MemorySource(std::string topic, const std::vector<PreparedRecord>& records,
               tradewind::bus::AssignmentListener& listener, size_t total);

  absl::StatusOr<std::optional<tradewind::bus::Record>> Poll(absl::Duration timeout) override;
  absl::Status Pause(absl::Span<const int32_t> partitions) override;
  absl::Status Resume(absl::Span<const tradewind::bus::Position> positions) override;
  absl::StatusOr<std::vector<tradewind::bus::CommittedOffset>> Committed(
      absl::Span<const tradewind::bus::Position> partitions) override;
  absl::StatusOr<tradewind::bus::OffsetRange> Range(const std::string& topic, int32_t partition) override;
  std::vector<absl::StatusOr<tradewind::bus::OffsetRange>> Ranges(
      absl::Span<const tradewind::bus::Position> partitions) override;
  // Timers are not measured.
  bool CaughtUp(const std::string&, int32_t, int64_t) override { return true; }
  bool TakeFailedCommits() override { return false; }
  absl::Status CommitOffsets(absl::Span<const tradewind::bus::CommittedOffset> offsets, bool wait) override;
  absl::Status Close(absl::Duration deadline) override;

 private:
  void Seek(absl::Span<const tradewind::bus::Position> positions);

  const std::string topic_;
  const std::vector<PreparedRecord>& records_;
  const size_t total_;
  tradewind::bus::AssignmentListener& listener_;
  bool assigned_ = false;
  bool paused_ = false;
  size_t next_ = 0;
};

class MemorySink final : public tradewind::bus::EventSink {
 public:
  absl::Status Produce(const tradewind::bus::OutgoingRecord& record, uint64_t token) override;
  int Poll(absl::Duration timeout, absl::FunctionRef<void(const tradewind::bus::Delivery&)> on_delivery) override;
  absl::Status Reset() override;

 private:
  std::vector<uint64_t> owed_;
  int64_t offset_ = 0;
};

}  // namespace bench
