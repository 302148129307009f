// Brings committed outbox rows to Kafka: each task's rows in order, a new epoch's rows only after all older ones are
// acknowledged, and everything from the first unacknowledged row again after any failure.
//
// Owned by one worker, used by its thread only. Never blocks, except in Settle.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "absl/types/span.h"

#include "tradewind/bus/event_sink.h"
#include "tradewind/mesh/v1/state.pb.h"
#include "tradewind/runtime/event_probe.h"

namespace tradewind::runtime {

class Publisher {
 public:
  // `sink` outlives the publisher; `mesh` is what every event names as its mesh, as bus::MeshName puts it.
  // `make_probe` makes a sink like `sink`, for what Kafka has refused.
  Publisher(bus::EventSink& sink, bus::MakeSink make_probe, std::string mesh)
      : sink_(sink), mesh_(std::move(mesh)), probe_(std::move(make_probe), mesh_) {}

  // Takes over a committed row of the task on this partition number. Rows of a task come in the order of `sequence`.
  void Append(int32_t partition, uint64_t sequence, std::unique_ptr<mesh::v1::OutboxBatch> batch);
  // The same for a row that an earlier owner of the task left behind, and may have published: counts as sent again.
  void AppendLeftBehind(int32_t partition, uint64_t sequence, std::unique_ptr<mesh::v1::OutboxBatch> batch);

  // Hands over what may be sent and takes in what was delivered. Call often.
  void Pump();

  // Pumps until every row of `partitions` is acknowledged, for `patience` at most; returns whether they are.
  bool Settle(absl::Span<const int32_t> partitions, absl::Duration patience);

  // The greatest row sequence up to which everything of the task is on the log; 0 where nothing was appended.
  uint64_t Acknowledged(int32_t partition) const;
  // Drops all knowledge of the task. What is in flight may still arrive; its successors recognise it as a repeat.
  void Forget(int32_t partition);

  // Committed, not yet acknowledged.
  int64_t unacknowledged_bytes() const { return unacknowledged_bytes_; }
  // Those of them that wait because Kafka refuses an event of their task for what it is; of all tasks, and of one.
  int64_t resting_bytes() const { return resting_bytes_; }
  int64_t RestingBytes(int32_t partition) const;
  // When the oldest of them was decided, by the clock of whoever decided it; nothing where all are acknowledged.
  std::optional<absl::Time> OldestUnacknowledged() const;

 private:
  struct Row {
    uint64_t sequence;
    std::unique_ptr<mesh::v1::OutboxBatch> batch;
    int64_t bytes;
    // Events handed to the sink, and of those the acknowledged.
    int sent = 0;
    int acknowledged = 0;
  };
  struct Lane {
    // Tells this lane from an earlier one of the same partition, whose deliveries may still arrive.
    uint64_t id;
    std::deque<Row> rows;
    // Rows at the front whose events were all handed to the sink.
    size_t sent_rows = 0;
    uint64_t acknowledged = 0;
    int64_t bytes = 0;
    // Kafka refuses an event of the first row for what it is: that one alone is tried again when `retry_at` has come,
    // and the other lanes go on meanwhile.
    bool is_resting = false;
    absl::Time retry_at = absl::InfinitePast();
    absl::Duration backoff;
  };
  struct RowName {
    int32_t partition;
    uint64_t lane_id;
    uint64_t sequence;
  };

  // Those at the front without an event are done with.
  void DropEmptyRows(Lane& lane);
  void PopFront(Lane& lane);
  void AddBytes(Lane& lane, int64_t bytes);
  // False when the sink takes no more for now.
  bool Send(int32_t partition, Lane& lane);
  bool SendRow(int32_t partition, uint64_t lane_id, Row& row);
  void Collect(absl::Duration timeout);
  void OnDelivery(const bus::Delivery& delivery);
  // Leaves the lane of this event alone for a while.
  void Rest(const RowName& name, const absl::Status& why);
  void RestOn(int32_t partition, Lane& lane, const absl::Status& why);
  void EndRest(Lane& lane);
  // Tries the first event of a lane that has rested for long enough.
  void TryResting(absl::Time now);
  void OnProbed(const absl::Status& outcome);
  void StartAfresh(absl::Time now);

  bus::EventSink& sink_;
  const std::string mesh_;
  std::unordered_map<int32_t, Lane> lanes_;
  // What a delivery's token stands for.
  std::unordered_map<uint64_t, RowName> in_flight_;
  uint64_t next_token_ = 1;
  uint64_t next_lane_id_ = 1;
  int64_t unacknowledged_bytes_ = 0;
  int64_t resting_bytes_ = 0;
  EventProbe probe_;
  // Whose event is under way by the probe.
  RowName probed_{};
  bool failed_ = false;
  absl::Time retry_at_ = absl::InfinitePast();
  absl::Duration backoff_;
};

}  // namespace tradewind::runtime
