#include "tradewind/runtime/publisher.h"

#include <algorithm>

#include "tradewind/bus/envelope.h"
#include "tradewind/clock/steady_now.h"
#include "tradewind/errors/problem.h"
#include "tradewind/faults/crash_point.h"
#include "tradewind/mesh/v1/state.pb.h"
#include "tradewind/runtime/logger.h"
#include "tradewind/telemetry/metrics.h"

namespace tradewind::runtime {
namespace {

constexpr absl::Duration kFirstBackoff = absl::Milliseconds(50);
constexpr absl::Duration kLongestBackoff = absl::Seconds(5);
// Of a lane of which Kafka refuses an event for what it is: until a limit is raised, or a topic is there again.
constexpr absl::Duration kFirstRest = absl::Milliseconds(500);
constexpr absl::Duration kLongestRest = absl::Seconds(30);

const telemetry::Counter& ResendCounter() {
  static const telemetry::Counter counter =
      telemetry::NewCounter("tradewind_outbox_resends_total",
                            "Outbox rows sent again, after a failed delivery or by the next owner of their task.");
  return counter;
}

// The part of the headers that all events of a batch share.
struct BatchHeaders {
  explicit BatchHeaders(const mesh::v1::OutboxBatch& batch)
      : time(absl::FormatTime("%Y-%m-%dT%H:%M:%E6SZ", absl::FromUnixMicros(batch.time_us()), absl::UTCTimeZone())),
        id_prefix(batch.source().substr(1)) {
    std::replace(id_prefix.begin(), id_prefix.end(), '/', '-');
  }
  std::string time;
  // "<group>-<partition>"; ce_id continues with the sequence.
  std::string id_prefix;
};

absl::Status ProduceEvent(bus::EventSink& sink, std::string_view mesh, const mesh::v1::OutboxBatch& batch,
                          const BatchHeaders& shared, const mesh::v1::OutgoingEvent& event, uint64_t token) {
  const std::string sequence = bus::Sequence{batch.epoch(), event.number()}.ToString();
  const std::string id = event.id().empty() ? shared.id_prefix + "-" + sequence : event.id();
  std::string previous;
  absl::InlinedVector<bus::HeaderView, 12> headers = {
      {bus::kSpecVersionHeader, "1.0"},
      {bus::kIdHeader, id},
      {bus::kTypeHeader, event.type()},
      {bus::kSourceHeader, batch.source()},
      {bus::kTimeHeader, shared.time},
      {bus::kSubjectHeader, event.key()},
      {bus::kPartitionKeyHeader, event.key()},
      {bus::kSequenceHeader, sequence},
      {bus::kContentTypeHeader, bus::kProtobufContentType},
      {bus::kMeshHeader, mesh},
  };
  if (event.has_previous()) {
    previous = bus::Sequence{event.previous().epoch(), event.previous().number()}.ToString();
    headers.push_back({bus::kPreviousHeader, previous});
  }
  if (!event.traceparent().empty()) headers.push_back({bus::kTraceparentHeader, event.traceparent()});
  return sink.Produce({.topic = event.topic(),
                       .partition = event.partition(),
                       .key = event.key(),
                       .value = event.value(),
                       .headers = headers},
                      token);
}

}  // namespace

void Publisher::Append(int32_t partition, uint64_t sequence, std::unique_ptr<mesh::v1::OutboxBatch> batch) {
  const auto bytes = static_cast<int64_t>(batch->ByteSizeLong());
  unacknowledged_bytes_ += bytes;
  const auto [lane, added] = lanes_.try_emplace(partition);
  if (added) lane->second.id = next_lane_id_++;
  lane->second.rows.push_back({.sequence = sequence, .batch = std::move(batch), .bytes = bytes});
}

void Publisher::AppendLeftBehind(int32_t partition, uint64_t sequence, std::unique_ptr<mesh::v1::OutboxBatch> batch) {
  ResendCounter().Add();
  Append(partition, sequence, std::move(batch));
}

void Publisher::Pump() {
  const absl::Time now = clock::SteadyNow();
  Collect(absl::ZeroDuration());
  if (failed_) {
    if (now < retry_at_) return;
    StartAfresh(now);
    if (failed_) return;
  }
  for (auto& [partition, lane] : lanes_) {
    if (lane.retry_at <= now && !Send(partition, lane)) return;
  }
}

bool Publisher::Settle(absl::Span<const int32_t> partitions, absl::Duration patience) {
  const auto settled = [&] {
    return std::all_of(partitions.begin(), partitions.end(), [&](int32_t partition) {
      const auto lane = lanes_.find(partition);
      return lane == lanes_.end() || lane->second.rows.empty();
    });
  };
  const absl::Time deadline = clock::SteadyNow() + patience;
  for (absl::Time now = clock::SteadyNow(); !settled() && now < deadline; now = clock::SteadyNow()) {
    Pump();
    if (!settled()) Collect(std::min(absl::Milliseconds(20), deadline - now));
  }
  return settled();
}

uint64_t Publisher::Acknowledged(int32_t partition) const {
  const auto lane = lanes_.find(partition);
  return lane == lanes_.end() ? 0 : lane->second.acknowledged;
}

std::optional<absl::Time> Publisher::OldestUnacknowledged() const {
  std::optional<absl::Time> oldest;
  for (const auto& [partition, lane] : lanes_) {
    if (lane.rows.empty()) continue;
    const absl::Time decided = absl::FromUnixMicros(lane.rows.front().batch->time_us());
    oldest = oldest.has_value() ? std::min(*oldest, decided) : decided;
  }
  return oldest;
}

void Publisher::Forget(int32_t partition) {
  const auto lane = lanes_.find(partition);
  if (lane == lanes_.end()) return;
  for (const Row& row : lane->second.rows) unacknowledged_bytes_ -= row.bytes;
  lanes_.erase(lane);
}

void Publisher::DropEmptyRows(Lane& lane) {
  while (lane.sent_rows == 0 && !lane.rows.empty() && lane.rows.front().batch->events().empty()) PopFront(lane);
}

void Publisher::PopFront(Lane& lane) {
  lane.acknowledged = lane.rows.front().sequence;
  unacknowledged_bytes_ -= lane.rows.front().bytes;
  lane.rows.pop_front();
}

bool Publisher::Send(int32_t partition, Lane& lane) {
  DropEmptyRows(lane);
  while (lane.sent_rows < lane.rows.size()) {
    Row& row = lane.rows[lane.sent_rows];
    if (row.batch->epoch() != lane.rows.front().batch->epoch()) return true;
    if (!SendRow(partition, lane.id, row)) return false;
    ++lane.sent_rows;
  }
  return true;
}

bool Publisher::SendRow(int32_t partition, uint64_t lane_id, Row& row) {
  const BatchHeaders shared(*row.batch);
  while (row.sent < row.batch->events_size()) {
    const uint64_t token = next_token_++;
    const absl::Status taken = ProduceEvent(sink_, mesh_, *row.batch, shared, row.batch->events(row.sent), token);
    if (absl::IsResourceExhausted(taken)) return false;
    in_flight_.emplace(token, RowName{partition, lane_id, row.sequence});
    if (!taken.ok()) {
      OnDelivery({.token = token, .status = taken});
      return false;
    }
    ++row.sent;
    TRADEWIND_CRASH_POINT("publish.begun");
  }
  return true;
}

void Publisher::Collect(absl::Duration timeout) {
  sink_.Poll(timeout, [this](const bus::Delivery& delivery) { OnDelivery(delivery); });
}

void Publisher::OnDelivery(const bus::Delivery& delivery) {
  const auto found = in_flight_.find(delivery.token);
  const RowName name = found == in_flight_.end() ? RowName{} : found->second;
  if (found != in_flight_.end()) in_flight_.erase(found);
  if (!delivery.status.ok()) {
    if (!failed_) {
      kLog.Warn("an event could not be published; its outbox will be sent again", {{"error", delivery.status}});
    }
    failed_ = true;
    if (errors::Read(delivery.status) == errors::Reading::kPermanent) Rest(name, delivery.status);
    return;
  }
  const auto lane_found = lanes_.find(name.partition);
  // The task was forgotten meanwhile.
  if (lane_found == lanes_.end() || lane_found->second.id != name.lane_id) return;
  Lane& lane = lane_found->second;
  const auto row = std::lower_bound(lane.rows.begin(), lane.rows.end(), name.sequence,
                                    [](const Row& candidate, uint64_t wanted) { return candidate.sequence < wanted; });
  if (row == lane.rows.end() || row->sequence != name.sequence) return;
  ++row->acknowledged;
  TRADEWIND_CRASH_POINT("publish.acknowledged");
  while (lane.sent_rows > 0 && lane.rows.front().acknowledged == lane.rows.front().batch->events_size()) {
    PopFront(lane);
    --lane.sent_rows;
    backoff_ = absl::ZeroDuration();
    lane.backoff = absl::ZeroDuration();
  }
}

void Publisher::Rest(const RowName& name, const absl::Status& why) {
  const auto found = lanes_.find(name.partition);
  const absl::Time now = clock::SteadyNow();
  // Others of the same failed request have reported before.
  if (found == lanes_.end() || found->second.id != name.lane_id || found->second.retry_at > now) return;
  Lane& lane = found->second;
  lane.backoff = std::clamp(lane.backoff * 2, kFirstRest, kLongestRest);
  lane.retry_at = now + lane.backoff;
  kLog.Error("Kafka refuses an event of a task for what it is; the task's events wait, those of others go on",
             {{"partition", name.partition}, {"error", why}, {"retry_in", lane.backoff}});
}

void Publisher::StartAfresh(absl::Time now) {
  backoff_ = std::clamp(backoff_ * 2, kFirstBackoff, kLongestBackoff);
  retry_at_ = now + backoff_;
  if (const absl::Status reset = sink_.Reset(); !reset.ok()) {
    kLog.Error("a new producer could not be made; trying again", {{"error", reset}, {"retry_in", backoff_}});
    return;
  }
  failed_ = false;
  in_flight_.clear();
  for (auto& [partition, lane] : lanes_) {
    lane.sent_rows = 0;
    for (Row& row : lane.rows) {
      if (row.sent > 0) ResendCounter().Add();
      row.sent = row.acknowledged = 0;
    }
  }
}

}  // namespace tradewind::runtime
