#include "tradewind/runtime/takeover.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "tradewind/faults/crash_point.h"
#include "tradewind/runtime/kept_record.h"
#include "tradewind/runtime/logger.h"
#include "tradewind/runtime/lost_records.h"

namespace tradewind::runtime {
namespace {

// A task whose owners have ended so often without giving it back may hold a message that kills whoever handles it.
constexpr int64_t kTakesUntilCareful = 3;
constexpr int64_t kTakesUntilMarkGoes = 8;

// Held events that are read at once when a task is taken, and the bytes of their records beyond which no further one is
// read with them.
constexpr int64_t kHeldPage = 500;
constexpr int64_t kHeldPageBytes = 4 << 20;

constexpr std::string_view kAdoptHint =
    "if this store is the one to go on with, start once with --runtime.adopt_offsets=true; its events since then are "
    "sent again";

}  // namespace

std::string OffsetMetadata::ToString() const { return fmt::format("{},{}", store_id, epoch); }

std::optional<OffsetMetadata> OffsetMetadata::Parse(std::string_view text) {
  const size_t comma = text.find(',');
  if (comma == std::string_view::npos || comma == 0) return std::nullopt;
  OffsetMetadata metadata{.store_id = std::string(text.substr(0, comma))};
  const auto [end, error] = std::from_chars(text.data() + comma + 1, text.data() + text.size(), metadata.epoch);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return metadata;
}

namespace {

// What was marked has not ended the process that takes the task again.
void ForgiveSuspect(Task& task) {
  std::optional<Suspect>& suspect = task.progress.suspect();
  if (suspect.has_value() && --suspect->attempts <= 0) suspect.reset();
}

}  // namespace

Takeover::All Takeover::Take(bus::EventSource& source, absl::Span<const int32_t> partitions,
                             absl::FunctionRef<bool()> goes_on) {
  All all;
  const Committed committed = AskForCommitted(source, partitions, all);
  std::vector<bus::Position> logs;
  std::vector<bus::Position> left;
  for (const auto& [partition, offsets] : committed) {
    if (!goes_on()) break;
    auto taken = TakeRow(offsets, partition);
    if (taken.ok()) {
      logs.insert(logs.end(), taken->positions.begin(), taken->positions.end());
      if (auto position = RekeyedLeft(*taken->task)) left.push_back(*std::move(position));
    }
    all.emplace(partition, std::move(taken));
  }
  logs.insert(logs.end(), left.begin(), left.end());
  // Not before: as long as a task had another owner that one went on.
  const std::vector<absl::StatusOr<bus::OffsetRange>> ranges = source.Ranges(logs);
  absl::Span<const absl::StatusOr<bus::OffsetRange>> rest = ranges;
  for (auto& [partition, taken] : all) {
    if (!taken.ok()) continue;
    const size_t count = taken->positions.size();
    const absl::Status gone_on = GoOn(rest.first(count), *taken);
    rest.remove_prefix(count);
    if (!gone_on.ok()) taken = gone_on;
  }
  for (size_t i = 0; i < left.size(); ++i) {
    if (auto& taken = all.at(left[i].partition); taken.ok()) NoteUnread(left[i], rest[i], *taken);
  }
  return all;
}

std::optional<bus::Position> Takeover::RekeyedLeft(const Task& task) const {
  const auto& topics = group_.input_topics();
  if (rekeyed_is_gone_ || std::find(topics.begin(), topics.end(), group_.RekeyedTopic()) != topics.end()) {
    return std::nullopt;
  }
  const std::string topic = router_.FullTopic(group_.RekeyedTopic());
  const InputProgress* const input = task.progress.FindInput(topic);
  if (input == nullptr) return std::nullopt;
  return bus::Position{.topic = topic, .partition = task.id.partition, .offset = input->next_offset()};
}

void Takeover::NoteUnread(const bus::Position& next, const absl::StatusOr<bus::OffsetRange>& range, TakenOver& taken) {
  rekeyed_is_gone_ = rekeyed_is_gone_ || absl::IsNotFound(range.status());
  if (!range.ok()) return;
  taken.task->rekeyed_unread = std::max<int64_t>(range->high - std::max(next.offset, range->low), 0);
  if (taken.task->rekeyed_unread == 0) return;
  kLog.Warn(
      "events wait under other keys that nothing reads, since no subscription of this version is KeyedBy; start a "
      "version with KeyedBy until it has read them",
      {{"group", group_.name()},
       {"topic", next.topic},
       {"partition", next.partition},
       {"events", taken.task->rekeyed_unread}});
}

Takeover::Committed Takeover::AskForCommitted(bus::EventSource& source, absl::Span<const int32_t> partitions,
                                              All& all) const {
  Committed by_partition;
  std::vector<bus::Position> wanted;
  for (const int32_t partition : partitions) {
    by_partition[partition] = {};
    for (const std::string& topic : group_.input_topics()) {
      wanted.push_back({.topic = router_.FullTopic(topic), .partition = partition});
    }
  }
  if (wanted.empty()) return by_partition;
  auto committed = source.Committed(wanted);
  if (!committed.ok()) {
    for (const auto& [partition, offsets] : by_partition) all.emplace(partition, committed.status());
    return {};
  }
  for (bus::CommittedOffset& offset : *committed) by_partition.at(offset.partition).push_back(std::move(offset));
  return by_partition;
}

absl::StatusOr<TakenOver> Takeover::TakeRow(absl::Span<const bus::CommittedOffset> committed, int32_t partition) {
  uint64_t epoch_floor = 0;
  for (const bus::CommittedOffset& offset : committed) {
    if (const auto metadata = OffsetMetadata::Parse(offset.metadata)) {
      epoch_floor = std::max(epoch_floor, metadata->epoch + 1);
    }
  }

  TakenOver taken;
  taken.task = std::make_unique<Task>();
  Task& task = *taken.task;
  task.id = {.group = group_.name(), .partition = partition};
  task.source = fmt::format("/{}/{}", group_.name(), partition);
  const LastTake last = last_takes_[partition];
  auto row = session_.TakeTask(task.id, epoch_floor, last.epoch);
  if (!row.ok()) return row.status();
  if (absl::Status kept = CheckCommits(last, *row, partition); !kept.ok()) return kept;
  last_takes_[partition] = {row->epoch, row->takes, row->emit_sequence};
  TRADEWIND_CRASH_POINT("takeover.epoch_raised");
  auto progress = TaskProgress::Parse(row->progress);
  if (!progress.ok()) return progress.status();
  task.epoch = row->epoch;
  task.emit_sequence = row->emit_sequence;
  task.progress = *std::move(progress);
  taken.outbox = std::move(row->outbox);
  // Now and then it is another message that a process dies with before it gets to the one that is marked.
  if (row->takes % kTakesUntilMarkGoes == 0) task.progress.suspect().reset();
  const bool was_own = last.epoch != 0 && row->takes == last.takes;
  if (was_own) ForgiveSuspect(task);
  if (row->takes >= kTakesUntilCareful || task.progress.suspect().has_value()) {
    kLog.Warn("the task's owners have ended without giving it back; its messages are handled one by one",
              {{"group", group_.name()}, {"partition", partition}, {"taken", row->takes}});
    task.careful = true;
  }
  for (const InputProgress& input : task.progress.inputs()) task.begun_before[input.topic()] = input.next_offset();
  if (!task.progress.cluster_id().empty() && task.progress.cluster_id() != cluster_id_) {
    return absl::FailedPreconditionError(fmt::format(
        "the store's offsets for group '{}' belong to Kafka cluster {}, and kafka.brokers leads to cluster {}; set "
        "kafka.brokers to the former, or give the service an empty store",
        group_.name(), task.progress.cluster_id(), cluster_id_));
  }

  for (const bus::CommittedOffset& offset : committed) {
    if (absl::Status checked = CheckMirror(offset, task); !checked.ok()) return checked;
    taken.positions.push_back({.topic = offset.topic, .partition = partition});
  }
  return taken;
}

absl::Status Takeover::GoOn(absl::Span<const absl::StatusOr<bus::OffsetRange>> ranges, TakenOver& taken) {
  Task& task = *taken.task;
  for (size_t i = 0; i < ranges.size(); ++i) {
    bus::Position& position = taken.positions[i];
    if (!ranges[i].ok()) return ranges[i].status();
    auto start = Start(position.topic, *ranges[i], task);
    if (!start.ok()) return start.status();
    task.ends[position.topic] = ranges[i]->high;
    position.offset = *start;
  }
  if (absl::Status held = LoadHeld(session_, task); !held.ok()) return held;
  if (absl::Status queues = LoadQueues(session_, task); !queues.ok()) return queues;
  // The first look at the timers tells.
  task.next_timer = absl::InfinitePast();
  kLog.Debug("task taken", {{"group", group_.name()}, {"partition", task.id.partition}, {"epoch", task.epoch}});
  return absl::OkStatus();
}

absl::Status Takeover::CheckCommits(const LastTake& last, const store::TakenTask& row, int32_t partition) const {
  if (adopt_offsets_ || row.emit_sequence >= last.emit_sequence) return absl::OkStatus();
  return absl::FailedPreconditionError(
      fmt::format("the store has lost commits that it had acknowledged: task {}/{} was at {} and is at {}, as after a "
                  "failover to a replica "
                  "that lagged behind; bring the newer store back, or {}",
                  group_.name(), partition, last.emit_sequence, row.emit_sequence, kAdoptHint));
}

absl::Status Takeover::CheckMirror(const bus::CommittedOffset& committed, const Task& task) const {
  if (committed.offset < 0 || adopt_offsets_) return absl::OkStatus();
  const auto metadata = OffsetMetadata::Parse(committed.metadata);
  if (metadata.has_value() && metadata->store_id != store_id_) {
    return absl::FailedPreconditionError(fmt::format(
        "group '{}' was run on another store (id {}) than this one (id {}); point the store settings at the former, or "
        "{}",
        group_.name(), metadata->store_id, store_id_, kAdoptHint));
  }
  const auto& inputs = task.progress.inputs();
  const auto input = std::find_if(inputs.begin(), inputs.end(),
                                  [&](const InputProgress& candidate) { return candidate.topic() == committed.topic; });
  const int64_t mine = input == inputs.end() ? 0 : std::max(input->next_offset(), input->outdated_mirror());
  if (committed.offset > mine) {
    return absl::FailedPreconditionError(fmt::format(
        "group '{}' committed offset {} of {}/{}, and the store is at {}: the store is an older copy, or its offsets "
        "were moved by hand; bring the newer store back, or {}",
        group_.name(), committed.offset, committed.topic, committed.partition, mine, kAdoptHint));
  }
  return absl::OkStatus();
}

absl::StatusOr<int64_t> Takeover::Start(const std::string& topic, const bus::OffsetRange& range, Task& task) const {
  InputProgress* input = task.progress.FindInput(topic);
  if (input == nullptr) {
    InputProgress& added = task.progress.AddInput(topic, range.low);
    if (range.low == 0) added.MarkReadFromStart();
    return range.low;
  }
  const int64_t next = input->next_offset();
  const auto& pending = input->pending();
  task.to_read_again[topic] = {pending.begin(), pending.end()};
  const int64_t first = pending.empty() ? next : pending.front();
  if (const auto lost = FindLostRecords(*input, range); lost.has_value()) {
    return absl::OutOfRangeError(fmt::format(
        "group '{}' continues {}/{} at offset {}, and the log holds {} to {}: {}; bring the topic back, or go "
        "on without them: tradewind partition accept-loss {}/{}",
        group_.name(), topic, task.id.partition, first, range.low, range.high, Describe(lost->reason), topic,
        task.id.partition));
  }
  const std::optional<int64_t> compared = OffsetToCompare(*input, range);
  if (!compared.has_value()) return first;
  task.expected[topic] = {.offset = *compared, .fingerprint = input->fingerprint()};
  return std::min(first, *compared);
}

absl::Status Takeover::LoadHeld(store::Session& session, Task& task) {
  task.held.clear();
  task.held_without_place.clear();
  for (int64_t after = 0;;) {
    auto rows = session.LoadKept(task.id, store::KeptState::kHeld, after, kHeldPage, kHeldPageBytes);
    if (!rows.ok()) return rows.status();
    if (rows->empty()) break;
    for (const store::KeptRecord& row : *rows) {
      after = row.id;
      const auto input = HeldInput(task, row);
      // Damaged, or kept by an earlier version, which asked less of it.
      if (!input.ok() || !input->envelope.ok() || !input->envelope->sequence.has_value()) {
        LeaveWithoutPlace(task, row.id);
        continue;
      }
      const bus::Envelope& envelope = *input->envelope;
      task.held[{std::string(input->record.topic()), std::string(envelope.source)}].push_back(
          {.sequence = *envelope.sequence, .previous = envelope.previous, .id = row.id});
    }
  }
  // They came in this order, unless some were lost more than once on their way.
  for (auto& [chain, events] : task.held) {
    std::sort(events.begin(), events.end(),
              [](const HeldEvent& left, const HeldEvent& right) { return left.sequence < right.sequence; });
  }
  return absl::OkStatus();
}

void LeaveWithoutPlace(Task& task, int64_t id) {
  task.held_without_place.insert(id);
  kLog.Error("an event that was held back cannot be read; it stays where it is, to be skipped by a person",
             {{"group", task.id.group}, {"partition", task.id.partition}, {"id", id}});
}

absl::Status Takeover::LoadQueues(store::Session& session, Task& task) {
  auto heads = session.LoadQueueHeads(task.id);
  if (!heads.ok()) return heads.status();
  task.queues = KeyQueues();
  for (const store::QueueHead& head : *heads) {
    task.queues.Put(head.key, head.state == store::KeptState::kDead ? absl::InfiniteFuture() : head.due);
  }
  return absl::OkStatus();
}

absl::Status CheckFirstRecord(Task& task, const bus::Record& record) {
  if (task.expected.empty()) return absl::OkStatus();
  const auto expected = task.expected.find(record.topic());
  if (expected == task.expected.end()) return absl::OkStatus();
  const auto [offset, fingerprint] = expected->second;
  if (record.offset() < offset) return absl::OkStatus();
  task.expected.erase(expected);
  if (record.offset() != offset || bus::Fingerprint(record) == fingerprint) return absl::OkStatus();
  return absl::OutOfRangeError(
      fmt::format("{}/{} holds another record at offset {} than the one group '{}' read there: {}; bring the topic "
                  "back, or go on with "
                  "this one: tradewind partition accept-loss {}/{}",
                  record.topic(), record.partition(), offset, task.id.group, Describe(LostRecords::Reason::kAnotherLog),
                  record.topic(), record.partition()));
}

}  // namespace tradewind::runtime
