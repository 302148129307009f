#include "tradewind/store/sqlite_session.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <limits>
#include <utility>

#include "absl/time/clock.h"
#include "absl/time/time.h"

#include "tradewind/store/short_key.h"
#include "tradewind/store/sqlite_commit.h"
#include "tradewind/store/sqlite_rows.h"

namespace tradewind::store {

absl::StatusOr<TakenTask> SqliteSession::TakeTask(const TaskId& task, uint64_t epoch_floor, uint64_t own_epoch) {
  constexpr auto kMaxEpoch = static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
  if (epoch_floor > kMaxEpoch) {
    return absl::InvalidArgumentError(
        fmt::format("task {}/{}: epoch {} is out of range", task.group, task.partition, epoch_floor));
  }
  const std::lock_guard lock(writer_.mutex);
  TakenTask taken;
  {
    Statement& take = writer_.statements.take_task;
    const ScopedReset reset(take);
    const int64_t epoch = std::max(static_cast<int64_t>(epoch_floor), absl::ToUnixMillis(absl::Now()));
    const absl::StatusOr<bool> row = take.BindText(1, task.group)
                                         .BindInteger(2, task.partition)
                                         .BindInteger(3, epoch)
                                         .BindInteger(4, static_cast<int64_t>(std::min(own_epoch, kMaxEpoch)))
                                         .Step();
    if (!row.ok()) return row.status();
    taken.epoch = static_cast<uint64_t>(take.Integer(0));
    taken.emit_sequence = static_cast<uint64_t>(take.Integer(1));
    taken.progress = take.Bytes(2);
    taken.takes = take.Integer(3);
    // The statement commits as it ends.
    if (const absl::StatusOr<bool> end = take.Step(); !end.ok()) return end.status();
  }
  Statement& load = writer_.statements.load_outbox;
  const ScopedReset reset(load);
  absl::StatusOr<bool> row = load.BindText(1, task.group).BindInteger(2, task.partition).Step();
  for (; row.ok() && *row; row = load.Step()) {
    taken.outbox.push_back(
        {static_cast<uint64_t>(load.Integer(0)), static_cast<uint64_t>(load.Integer(1)), std::string(load.Bytes(2))});
  }
  if (!row.ok()) return row.status();
  return taken;
}

absl::StatusOr<std::vector<Aggregate>> SqliteSession::LoadAggregates(absl::Span<const AggregateKey> keys) {
  const std::lock_guard lock(writer_.mutex);
  // One transaction: the keys are read as of one moment, and SQLite takes its read lock once.
  Transaction transaction(writer_.transactions);
  if (absl::Status begun = transaction.Begin(Transaction::Kind::kRead); !begun.ok()) return begun;
  std::vector<Aggregate> aggregates(keys.size());
  Statement& load = writer_.statements.load_aggregate;
  std::string buffer;
  for (size_t i = 0; i < keys.size(); ++i) {
    const absl::StatusOr<std::optional<int64_t>> kind =
        writer_.names.Kind(keys[i].kind, SqliteNames::IfMissing::kNothing);
    if (!kind.ok()) return kind.status();
    if (!kind->has_value()) continue;
    const ScopedReset reset(load);
    const absl::StatusOr<bool> row = load.BindInteger(1, **kind).BindBytes(2, ShortKey(keys[i].key, buffer)).Step();
    if (!row.ok()) return row.status();
    if (!*row) continue;
    aggregates[i].version = static_cast<uint64_t>(load.Integer(0));
    aggregates[i].value = load.Bytes(1);
  }
  if (absl::Status ended = transaction.Commit(); !ended.ok()) return ended;
  return aggregates;
}

absl::StatusOr<std::vector<std::optional<RequestRow>>> SqliteSession::LoadRequests(absl::Span<const RequestKey> keys) {
  const std::lock_guard lock(writer_.mutex);
  Transaction transaction(writer_.transactions);
  if (absl::Status begun = transaction.Begin(Transaction::Kind::kRead); !begun.ok()) return begun;
  std::vector<std::optional<RequestRow>> requests(keys.size());
  Statement& load = writer_.statements.load_request;
  std::string with_method;
  std::string request_id;
  std::string caller;
  for (size_t i = 0; i < keys.size(); ++i) {
    const auto method = writer_.names.Method(keys[i].method, SqliteNames::IfMissing::kNothing);
    if (!method.ok()) return method.status();
    if (!method->has_value()) continue;
    std::string_view id = keys[i].request_id;
    if ((*method)->is_shared) id = with_method = IdWithMethod(keys[i].method, id);
    const ScopedReset reset(load);
    const absl::StatusOr<bool> row = load.BindBytes(1, ShortKey(id, request_id))
                                         .BindBytes(2, ShortKey(keys[i].caller, caller))
                                         .BindInteger(3, (*method)->id)
                                         .Step();
    if (!row.ok()) return row.status();
    if (*row) requests[i] = RequestRow{std::string(load.Bytes(0)), std::string(load.Bytes(1))};
  }
  if (absl::Status ended = transaction.Commit(); !ended.ok()) return ended;
  return requests;
}

absl::StatusOr<CommitResult> SqliteSession::Commit(const Batch& batch) {
  const std::lock_guard lock(writer_.mutex);
  return SqliteCommit(writer_, batch).Run();
}

absl::StatusOr<std::vector<KeptRecord>> SqliteSession::LoadKept(const TaskId& task, KeptState state, int64_t after,
                                                                int64_t limit, int64_t max_bytes) {
  const std::lock_guard lock(writer_.mutex);
  Statement& load = writer_.statements.load_kept;
  const ScopedReset reset(load);
  load.BindText(1, task.group).BindInteger(2, task.partition).BindInteger(3, static_cast<int64_t>(state));
  return ReadKeptRows(load.BindInteger(4, after).BindInteger(5, std::max<int64_t>(limit, 0)), max_bytes);
}

absl::StatusOr<std::vector<KeptRecord>> SqliteSession::LoadKeptById(absl::Span<const int64_t> ids) {
  const std::string list = fmt::format("[{}]", fmt::join(ids, ","));
  const std::lock_guard lock(writer_.mutex);
  Statement& load = writer_.statements.load_kept_by_id;
  const ScopedReset reset(load);
  return ReadKeptRows(load.BindText(1, list));
}

absl::StatusOr<KeptCounts> SqliteSession::CountKept(std::string_view group) {
  const std::lock_guard lock(writer_.mutex);
  Statement& count = writer_.statements.count_kept;
  const ScopedReset reset(count);
  KeptCounts counts;
  absl::StatusOr<bool> row = count.BindText(1, group).Step();
  for (; row.ok() && *row; row = count.Step()) {
    AddCount(counts, static_cast<KeptState>(count.Integer(0)), count.Integer(1));
  }
  if (!row.ok()) return row.status();
  return counts;
}

absl::StatusOr<std::vector<QueueHead>> SqliteSession::LoadQueueHeads(const TaskId& task) {
  const std::lock_guard lock(writer_.mutex);
  Statement& load = writer_.statements.load_queue_heads;
  const ScopedReset reset(load);
  std::vector<QueueHead> heads;
  absl::StatusOr<bool> row = load.BindText(1, task.group).BindInteger(2, task.partition).Step();
  for (; row.ok() && *row; row = load.Step()) {
    heads.push_back({.key = std::string(load.Bytes(0)),
                     .id = load.Integer(1),
                     .state = static_cast<KeptState>(load.Integer(2)),
                     .due = absl::FromUnixMillis(load.Integer(3))});
  }
  if (!row.ok()) return row.status();
  return heads;
}

absl::StatusOr<std::vector<KeptRecord>> SqliteSession::LoadQueues(const TaskId& task,
                                                                  absl::Span<const std::string> keys, int64_t limit,
                                                                  int64_t max_bytes) {
  const std::lock_guard lock(writer_.mutex);
  std::vector<KeptRecord> records;
  for (const std::string& key : keys) {
    Statement& load = writer_.statements.load_queue;
    const ScopedReset reset(load);
    load.BindText(1, task.group).BindInteger(2, task.partition).BindBytes(3, key).BindInteger(4, limit);
    absl::StatusOr<std::vector<KeptRecord>> queue = ReadKeptRows(load, max_bytes);
    if (!queue.ok()) return queue.status();
    std::move(queue->begin(), queue->end(), std::back_inserter(records));
  }
  return records;
}

absl::StatusOr<std::vector<KeptRecord>> SqliteSession::LoadRequested(std::string_view group,
                                                                     absl::Span<const int32_t> partitions,
                                                                     int64_t limit, int64_t max_bytes) {
  const std::string partition_list = fmt::format("[{}]", fmt::join(partitions, ","));
  const std::lock_guard lock(writer_.mutex);
  Statement& load = writer_.statements.load_requested;
  const ScopedReset reset(load);
  return ReadKeptRows(load.BindText(1, group).BindText(2, partition_list).BindInteger(3, limit), max_bytes);
}

absl::StatusOr<std::vector<Timer>> SqliteSession::LoadTimers(const TaskId& task, int64_t limit, int64_t max_bytes) {
  const std::lock_guard lock(writer_.mutex);
  Statement& load = writer_.statements.load_timers;
  const ScopedReset reset(load);
  std::vector<Timer> timers;
  int64_t bytes = 0;
  absl::StatusOr<bool> row = load.BindText(1, task.group).BindInteger(2, task.partition).BindInteger(3, limit).Step();
  for (; row.ok() && *row && bytes < max_bytes; row = load.Step()) {
    bytes += static_cast<int64_t>(load.Bytes(3).size());
    timers.push_back({.task = task,
                      .key = std::string(load.Bytes(0)),
                      .name = std::string(load.Bytes(1)),
                      .due = absl::FromUnixMillis(load.Integer(2)),
                      .record = std::string(load.Bytes(3))});
  }
  if (!row.ok()) return row.status();
  return timers;
}

absl::StatusOr<int64_t> SqliteSession::PruneRequests(std::string_view group, absl::Span<const int32_t> partitions,
                                                     absl::Time before, int64_t limit) {
  const std::lock_guard lock(writer_.mutex);
  const absl::StatusOr<std::optional<int64_t>> number = writer_.names.Group(group, SqliteNames::IfMissing::kNothing);
  if (!number.ok()) return number.status();
  if (!number->has_value()) return 0;
  return Prune(**number, partitions, before, limit);
}

absl::StatusOr<int64_t> SqliteSession::PruneRequestsWithoutTask(absl::Time before, int64_t limit) {
  const std::lock_guard lock(writer_.mutex);
  return Prune(/*group=*/0, {0}, before, limit);
}

absl::StatusOr<int64_t> SqliteSession::Prune(int64_t group, absl::Span<const int32_t> partitions, absl::Time before,
                                             int64_t limit) {
  const std::string partition_list = fmt::format("[{}]", fmt::join(partitions, ","));
  // A negative limit would be none at all to SQLite.
  return writer_.statements.prune_requests.BindInteger(1, absl::ToUnixMillis(before))
      .BindInteger(2, std::max<int64_t>(limit, 0))
      .BindInteger(3, group)
      .BindText(4, partition_list)
      .Run();
}

}  // namespace tradewind::store
