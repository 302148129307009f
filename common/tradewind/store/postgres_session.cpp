#include "tradewind/store/postgres_session.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>

#include "absl/time/clock.h"
#include "absl/time/time.h"

#include "tradewind/store/postgres_commit.h"
#include "tradewind/store/postgres_commit_sql.h"
#include "tradewind/store/postgres_rows.h"
#include "tradewind/store/short_key.h"

namespace tradewind::store {
namespace {

using Element = PostgresArray::Element;

// LATERAL with a LIMIT leaves the planner one way only: for each key, a look into the unique index.
constexpr std::array kStatements = {
    PostgresStatement{"take_task",
                      R"(INSERT INTO task AS t ("group", partition, epoch, emit_sequence, takes, progress)
                         VALUES ($1, $2, $3, 0, 1, '')
                         ON CONFLICT ("group", partition)
                           DO UPDATE SET epoch = greatest(t.epoch + 1, excluded.epoch),
                                         takes = t.takes + (t.epoch <> $4)::integer
                         RETURNING epoch, emit_sequence, progress, takes)"},
    PostgresStatement{"load_outbox",
                      R"(SELECT sequence, epoch, batch FROM outbox
                         WHERE "group" = $1 AND partition = $2 ORDER BY sequence)"},
    PostgresStatement{"load_aggregates",
                      R"(SELECT k.place, found.version, found.value
                         FROM unnest($1::integer[], $2::bytea[]) WITH ORDINALITY AS k (kind, key, place)
                         CROSS JOIN LATERAL (SELECT a.version, a.value FROM aggregate a
                                             WHERE a.kind = k.kind AND a.key = k.key LIMIT 1) AS found)"},
    PostgresStatement{"load_requests",
                      R"(SELECT k.place, found.hash, found.reply
                         FROM unnest($1::bytea[], $2::bytea[], $3::integer[]) WITH ORDINALITY
                           AS k (request_id, caller, method, place)
                         CROSS JOIN LATERAL (SELECT r.hash, r.reply FROM request r
                                             WHERE r.request_id = k.request_id AND r.caller = k.caller
                                               AND r.method = k.method LIMIT 1) AS found)"},
    PostgresStatement{"load_kept", "SELECT " TRADEWIND_POSTGRES_KEPT_COLUMNS R"( FROM (
                           SELECT r.*, sum(octet_length(r.record)) OVER before AS bytes_before FROM (
                             SELECT * FROM kept WHERE "group" = $1 AND partition = $2 AND state = $3 AND id > $4
                             ORDER BY id LIMIT $5) AS r
                             WINDOW before AS (ORDER BY r.id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)) AS page
                         WHERE coalesce(page.bytes_before, 0) < $6 ORDER BY id)"},
    PostgresStatement{"load_kept_by_id",
                      "SELECT " TRADEWIND_POSTGRES_KEPT_COLUMNS " FROM kept WHERE id = ANY ($1::bigint[]) ORDER BY id"},
    PostgresStatement{"count_kept", R"(SELECT state, count(*) FROM kept WHERE "group" = $1 GROUP BY state)"},
    PostgresStatement{"load_queue_heads",
                      R"(SELECT DISTINCT ON (key) key, id, state, due_ms FROM kept
                         WHERE "group" = $1 AND partition = $2 AND queued ORDER BY key, place, id)"},
    PostgresStatement{"load_queues", "SELECT " TRADEWIND_POSTGRES_KEPT_COLUMNS R"(
                         FROM unnest($3::bytea[]) WITH ORDINALITY AS k (wanted, position)
                         CROSS JOIN LATERAL (
                           SELECT * FROM (
                             SELECT r.*, sum(octet_length(r.record)) OVER before AS bytes_before FROM (
                               SELECT * FROM kept WHERE "group" = $1 AND partition = $2 AND key = k.wanted AND queued
                                 ORDER BY place, id LIMIT $4) AS r
                               WINDOW before AS (ORDER BY r.place, r.id
                                                 ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)) AS page
                           WHERE coalesce(page.bytes_before, 0) < $5) AS found
                         ORDER BY k.position, found.place, found.id)"},
    PostgresStatement{"load_requested", "SELECT " TRADEWIND_POSTGRES_KEPT_COLUMNS R"( FROM (
                           SELECT r.*, sum(octet_length(r.record)) OVER before AS bytes_before FROM (
                             SELECT * FROM kept
                             WHERE "group" = $1 AND requested <> 0 AND partition = ANY ($2::integer[])
                             ORDER BY id LIMIT $3) AS r
                             WINDOW before AS (ORDER BY r.id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)) AS page
                         WHERE coalesce(page.bytes_before, 0) < $4 ORDER BY id)"},
    PostgresStatement{"load_timers",
                      R"(SELECT coalesce(long_key, key), name, due_ms, record FROM (
                           SELECT r.*, sum(octet_length(r.record)) OVER before AS bytes_before FROM (
                             SELECT * FROM timer WHERE "group" = $1 AND partition = $2
                             ORDER BY due_ms, key, name LIMIT $3) AS r
                             WINDOW before AS (ORDER BY r.due_ms, r.key, r.name
                                               ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)) AS page
                         WHERE coalesce(page.bytes_before, 0) < $4 ORDER BY due_ms, key, name)"},
    // What another instance prunes at the same time is skipped, not waited for.
    PostgresStatement{"prune_requests",
                      R"(DELETE FROM request WHERE ctid = ANY (ARRAY(
                           SELECT ctid FROM request
                             WHERE created_ms < $1 AND task_group = $3 AND task_partition = ANY ($4::integer[])
                             ORDER BY created_ms LIMIT $2 FOR UPDATE SKIP LOCKED)))"},
    PostgresStatement{kCommitBatch, kCallCommitBatch},
};

}  // namespace

PostgresSession::PostgresSession(const PostgresPlace& place) : link_(place, kStatements) {}

absl::StatusOr<TakenTask> PostgresSession::TakeTask(const TaskId& task, uint64_t epoch_floor, uint64_t own_epoch) {
  constexpr auto kMaxEpoch = static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
  if (epoch_floor > kMaxEpoch) {
    return absl::InvalidArgumentError(
        fmt::format("task {}/{}: epoch {} is out of range", task.group, task.partition, epoch_floor));
  }
  if (absl::Status ready = link_.Ready(); !ready.ok()) return ready;
  const int64_t epoch = std::max(static_cast<int64_t>(epoch_floor), absl::ToUnixMillis(absl::Now()));
  // The second statement begins when the first has the row, so it sees all that an earlier owner committed, even where
  // the first had to wait for that.
  const PostgresCall calls[] = {{"take_task", true,
                                 PostgresParameters()
                                     .Bytes(task.group)
                                     .Integer(task.partition)
                                     .Bigint(epoch)
                                     .Bigint(static_cast<int64_t>(std::min(own_epoch, kMaxEpoch)))},
                                {"load_outbox", true, PostgresParameters().Bytes(task.group).Integer(task.partition)}};
  const absl::StatusOr<std::vector<PostgresResult>> results = link_.Run(calls);
  if (!results.ok()) return results.status();
  taken_over_[{task.group, task.partition}] = link_.generation();
  const PostgresResult& row = results->front();
  TakenTask taken{.epoch = static_cast<uint64_t>(row.Bigint(0, 0)),
                  .takes = row.Bigint(0, 3),
                  .emit_sequence = static_cast<uint64_t>(row.Bigint(0, 1)),
                  .progress = std::string(row.Bytes(0, 2)),
                  .outbox = {}};
  const PostgresResult& outbox = results->back();
  for (int i = 0; i < outbox.rows(); ++i) {
    taken.outbox.push_back({static_cast<uint64_t>(outbox.Bigint(i, 0)), static_cast<uint64_t>(outbox.Bigint(i, 1)),
                            std::string(outbox.Bytes(i, 2))});
  }
  return taken;
}

absl::StatusOr<std::vector<Aggregate>> PostgresSession::LoadAggregates(absl::Span<const AggregateKey> keys) {
  std::vector<Aggregate> aggregates(keys.size());
  if (keys.empty()) return aggregates;
  if (absl::Status ready = link_.Ready(); !ready.ok()) return ready;
  PostgresArray kinds(Element::kInteger, keys.size());
  PostgresArray names(Element::kBytea, keys.size());
  std::string buffer;
  for (const AggregateKey& key : keys) {
    const auto kind = link_.names().Kind(link_.connection(), key.kind, PostgresNames::IfMissing::kNothing);
    if (!kind.ok()) return kind.status();
    // No kind has the number 0.
    kinds.Add(kind->value_or(0));
    names.Add(ShortKey(key.key, buffer));
  }
  const absl::StatusOr<PostgresResult> rows = link_.Run(
      PostgresCall{"load_aggregates", true, PostgresParameters().Array(std::move(kinds)).Array(std::move(names))});
  if (!rows.ok()) return rows.status();
  for (int row = 0; row < rows->rows(); ++row) {
    Aggregate& aggregate = aggregates.at(static_cast<size_t>(rows->Bigint(row, 0)) - 1);
    aggregate.version = static_cast<uint64_t>(rows->Bigint(row, 1));
    aggregate.value = rows->Bytes(row, 2);
  }
  return aggregates;
}

absl::StatusOr<std::vector<std::optional<RequestRow>>> PostgresSession::LoadRequests(
    absl::Span<const RequestKey> keys) {
  std::vector<std::optional<RequestRow>> requests(keys.size());
  if (keys.empty()) return requests;
  if (absl::Status ready = link_.Ready(); !ready.ok()) return ready;
  PostgresArray ids(Element::kBytea, keys.size());
  PostgresArray callers(Element::kBytea, keys.size());
  PostgresArray methods(Element::kInteger, keys.size());
  std::string with_method;
  std::string buffer;
  for (const RequestKey& key : keys) {
    const auto method = link_.names().Method(link_.connection(), key.method, PostgresNames::IfMissing::kNothing);
    if (!method.ok()) return method.status();
    std::string_view id = key.request_id;
    if (method->has_value() && (*method)->is_shared) id = with_method = IdWithMethod(key.method, id);
    ids.Add(ShortKey(id, buffer));
    callers.Add(ShortKey(key.caller, buffer));
    methods.Add(method->has_value() ? (*method)->id : 0);
  }
  const absl::StatusOr<PostgresResult> rows = link_.Run(
      PostgresCall{"load_requests", true,
                   PostgresParameters().Array(std::move(ids)).Array(std::move(callers)).Array(std::move(methods))});
  if (!rows.ok()) return rows.status();
  for (int row = 0; row < rows->rows(); ++row) {
    requests.at(static_cast<size_t>(rows->Bigint(row, 0)) - 1) =
        RequestRow{std::string(rows->Bytes(row, 1)), std::string(rows->Bytes(row, 2))};
  }
  return requests;
}

absl::StatusOr<CommitResult> PostgresSession::Commit(const Batch& batch) {
  if (absl::Status ready = link_.Ready(); !ready.ok()) return ready;
  for (const TaskCommit& task : batch.tasks) {
    const auto taken = taken_over_.find({task.task.group, task.task.partition});
    if (taken == taken_over_.end() || taken->second == link_.generation()) continue;
    // Behind the new connection there may be an older copy of the store, which this commit would fit.
    return absl::UnavailableError(
        fmt::format("task {}/{} was taken over a connection that is gone", task.task.group, task.task.partition));
  }
  return PostgresCommit(link_, batch).Run();
}

absl::StatusOr<PostgresResult> PostgresSession::Run(const PostgresCall& call) {
  if (absl::Status ready = link_.Ready(); !ready.ok()) return ready;
  return link_.Run(call);
}

absl::StatusOr<std::vector<KeptRecord>> PostgresSession::LoadKept(const TaskId& task, KeptState state, int64_t after,
                                                                  int64_t limit, int64_t max_bytes) {
  const absl::StatusOr<PostgresResult> rows = Run({"load_kept", true,
                                                   PostgresParameters()
                                                       .Bytes(task.group)
                                                       .Integer(task.partition)
                                                       .Integer(static_cast<int32_t>(state))
                                                       .Bigint(after)
                                                       .Bigint(std::max<int64_t>(limit, 0))
                                                       .Bigint(max_bytes)});
  if (!rows.ok()) return rows.status();
  return ReadKeptRows(*rows);
}

absl::StatusOr<std::vector<KeptRecord>> PostgresSession::LoadKeptById(absl::Span<const int64_t> ids) {
  PostgresArray wanted(Element::kBigint, ids.size());
  for (const int64_t id : ids) wanted.Add(id);
  const absl::StatusOr<PostgresResult> rows =
      Run({"load_kept_by_id", true, PostgresParameters().Array(std::move(wanted))});
  if (!rows.ok()) return rows.status();
  return ReadKeptRows(*rows);
}

absl::StatusOr<KeptCounts> PostgresSession::CountKept(std::string_view group) {
  const absl::StatusOr<PostgresResult> rows = Run({"count_kept", true, PostgresParameters().Bytes(group)});
  if (!rows.ok()) return rows.status();
  KeptCounts counts;
  for (int row = 0; row < rows->rows(); ++row) {
    AddCount(counts, static_cast<KeptState>(rows->Integer(row, 0)), rows->Bigint(row, 1));
  }
  return counts;
}

absl::StatusOr<std::vector<QueueHead>> PostgresSession::LoadQueueHeads(const TaskId& task) {
  const absl::StatusOr<PostgresResult> rows =
      Run({"load_queue_heads", true, PostgresParameters().Bytes(task.group).Integer(task.partition)});
  if (!rows.ok()) return rows.status();
  std::vector<QueueHead> heads;
  heads.reserve(static_cast<size_t>(rows->rows()));
  for (int row = 0; row < rows->rows(); ++row) {
    heads.push_back({.key = std::string(rows->Bytes(row, 0)),
                     .id = rows->Bigint(row, 1),
                     .state = static_cast<KeptState>(rows->Integer(row, 2)),
                     .due = absl::FromUnixMillis(rows->Bigint(row, 3))});
  }
  return heads;
}

absl::StatusOr<std::vector<KeptRecord>> PostgresSession::LoadQueues(const TaskId& task,
                                                                    absl::Span<const std::string> keys, int64_t limit,
                                                                    int64_t max_bytes) {
  PostgresArray wanted(Element::kBytea, keys.size());
  for (const std::string& key : keys) wanted.Add(std::string_view(key));
  const absl::StatusOr<PostgresResult> rows = Run({"load_queues", true,
                                                   PostgresParameters()
                                                       .Bytes(task.group)
                                                       .Integer(task.partition)
                                                       .Array(std::move(wanted))
                                                       .Bigint(std::max<int64_t>(limit, 0))
                                                       .Bigint(max_bytes)});
  if (!rows.ok()) return rows.status();
  return ReadKeptRows(*rows);
}

absl::StatusOr<std::vector<KeptRecord>> PostgresSession::LoadRequested(std::string_view group,
                                                                       absl::Span<const int32_t> partitions,
                                                                       int64_t limit, int64_t max_bytes) {
  PostgresArray wanted(Element::kInteger, partitions.size());
  for (const int32_t partition : partitions) wanted.Add(int64_t{partition});
  const absl::StatusOr<PostgresResult> rows = Run({"load_requested", true,
                                                   PostgresParameters()
                                                       .Bytes(group)
                                                       .Array(std::move(wanted))
                                                       .Bigint(std::max<int64_t>(limit, 0))
                                                       .Bigint(max_bytes)});
  if (!rows.ok()) return rows.status();
  return ReadKeptRows(*rows);
}

absl::StatusOr<std::vector<Timer>> PostgresSession::LoadTimers(const TaskId& task, int64_t limit, int64_t max_bytes) {
  const absl::StatusOr<PostgresResult> rows = Run({"load_timers", true,
                                                   PostgresParameters()
                                                       .Bytes(task.group)
                                                       .Integer(task.partition)
                                                       .Bigint(std::max<int64_t>(limit, 0))
                                                       .Bigint(max_bytes)});
  if (!rows.ok()) return rows.status();
  std::vector<Timer> timers;
  timers.reserve(static_cast<size_t>(rows->rows()));
  for (int row = 0; row < rows->rows(); ++row) {
    timers.push_back({.task = task,
                      .key = std::string(rows->Bytes(row, 0)),
                      .name = std::string(rows->Bytes(row, 1)),
                      .due = absl::FromUnixMillis(rows->Bigint(row, 2)),
                      .record = std::string(rows->Bytes(row, 3))});
  }
  return timers;
}

absl::StatusOr<int64_t> PostgresSession::PruneRequests(std::string_view group, absl::Span<const int32_t> partitions,
                                                       absl::Time before, int64_t limit) {
  if (absl::Status ready = link_.Ready(); !ready.ok()) return ready;
  const auto number = link_.names().Group(link_.connection(), group, PostgresNames::IfMissing::kNothing);
  if (!number.ok()) return number.status();
  if (!number->has_value()) return 0;
  return Prune(**number, partitions, before, limit);
}

absl::StatusOr<int64_t> PostgresSession::PruneRequestsWithoutTask(absl::Time before, int64_t limit) {
  return Prune(/*group=*/0, {0}, before, limit);
}

absl::StatusOr<int64_t> PostgresSession::Prune(int32_t group, absl::Span<const int32_t> partitions, absl::Time before,
                                               int64_t limit) {
  PostgresArray wanted(Element::kInteger, partitions.size());
  for (const int32_t partition : partitions) wanted.Add(int64_t{partition});
  const absl::StatusOr<PostgresResult> pruned = Run({"prune_requests", true,
                                                     PostgresParameters()
                                                         .Bigint(absl::ToUnixMillis(before))
                                                         .Bigint(std::max<int64_t>(limit, 0))
                                                         .Integer(group)
                                                         .Array(std::move(wanted))});
  if (!pruned.ok()) return pruned.status();
  return pruned->changed();
}

}  // namespace tradewind::store
