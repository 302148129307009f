#include "tradewind/runtime/publisher.h"

#include <algorithm>

#include "tradewind/clock/steady_now.h"
#include "tradewind/errors/problem.h"
#include "tradewind/faults/crash_point.h"
#include "tradewind/mesh/v1/state.pb.h"
#include "tradewind/runtime/logger.h"
#include "tradewind/runtime/outgoing_event.h"
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

}  // namespace

void Publisher::Append(int32_t partition, uint64_t sequence, std::unique_ptr<mesh::v1::OutboxBatch> batch) {
  const auto bytes = static_cast<int64_t>(batch->ByteSizeLong());
  const auto [lane, added] = lanes_.try_emplace(partition);
  if (added) lane->second.id = next_lane_id_++;
  AddBytes(lane->second, bytes);
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
  TryResting(now);
  for (auto& [partition, lane] : lanes_) {
    if (!lane.is_resting && !Send(partition, lane)) return;
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
  AddBytes(lane->second, -lane->second.bytes);
  lanes_.erase(lane);
}

void Publisher::DropEmptyRows(Lane& lane) {
  while (lane.sent_rows == 0 && !lane.rows.empty() && lane.rows.front().batch->events().empty()) PopFront(lane);
}

void Publisher::PopFront(Lane& lane) {
  lane.acknowledged = lane.rows.front().sequence;
  AddBytes(lane, -lane.rows.front().bytes);
  lane.rows.pop_front();
}

void Publisher::AddBytes(Lane& lane, int64_t bytes) {
  lane.bytes += bytes;
  unacknowledged_bytes_ += bytes;
  if (lane.is_resting) resting_bytes_ += bytes;
}

int64_t Publisher::RestingBytes(int32_t partition) const {
  const auto lane = lanes_.find(partition);
  return lane == lanes_.end() || !lane->second.is_resting ? 0 : lane->second.bytes;
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
  }
}

void Publisher::Rest(const RowName& name, const absl::Status& why) {
  const auto found = lanes_.find(name.partition);
  // Others of the same failed request have reported before.
  if (found == lanes_.end() || found->second.id != name.lane_id || found->second.is_resting) return;
  Lane& lane = found->second;
  lane.is_resting = true;
  resting_bytes_ += lane.bytes;
  RestOn(name.partition, lane, why);
}

void Publisher::RestOn(int32_t partition, Lane& lane, const absl::Status& why) {
  lane.backoff = std::clamp(lane.backoff * 2, kFirstRest, kLongestRest);
  lane.retry_at = clock::SteadyNow() + lane.backoff;
  kLog.Error("Kafka refuses an event of a task for what it is; the task's events wait, those of others go on",
             {{"partition", partition}, {"error", why}, {"retry_in", lane.backoff}});
}

void Publisher::EndRest(Lane& lane) {
  lane.is_resting = false;
  resting_bytes_ -= lane.bytes;
  lane.backoff = absl::ZeroDuration();
}

void Publisher::TryResting(absl::Time now) {
  if (const std::optional<absl::Status> outcome = probe_.TakeOutcome()) OnProbed(*outcome);
  if (probe_.is_busy()) return;
  for (auto& [partition, lane] : lanes_) {
    if (!lane.is_resting || lane.retry_at > now) continue;
    DropEmptyRows(lane);
    if (lane.rows.empty()) {
      EndRest(lane);
      continue;
    }
    const Row& row = lane.rows.front();
    probed_ = {partition, lane.id, row.sequence};
    return probe_.Send(*row.batch, row.batch->events(row.acknowledged));
  }
}

void Publisher::OnProbed(const absl::Status& outcome) {
  const auto found = lanes_.find(probed_.partition);
  // The task was forgotten meanwhile.
  if (found == lanes_.end() || found->second.id != probed_.lane_id) return;
  Lane& lane = found->second;
  if (!outcome.ok()) return RestOn(probed_.partition, lane, outcome);
  // Nothing else of the lane is in flight: it goes on behind the event that was taken.
  EndRest(lane);
  Row& row = lane.rows.front();
  row.sent = ++row.acknowledged;
  if (row.acknowledged == row.batch->events_size()) PopFront(lane);
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
