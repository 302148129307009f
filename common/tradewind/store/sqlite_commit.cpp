#include "tradewind/store/sqlite_commit.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/time/time.h"

#include "tradewind/faults/crash_point.h"
#include "tradewind/store/short_key.h"

namespace tradewind::store {
namespace {

// SQLite has signed integers only.
constexpr uint64_t kMaxInteger = std::numeric_limits<int64_t>::max();

int64_t ToInteger(uint64_t number) { return static_cast<int64_t>(number); }

// Binds what `long_key` columns hold: the whole key where its short form is another.
void BindLongKey(Statement& statement, int parameter, std::string_view key) {
  key.size() > kMaxPlainKeyBytes ? statement.BindBytes(parameter, key) : statement.BindNull(parameter);
}

}  // namespace

absl::StatusOr<CommitResult> SqliteCommit::Run() {
  if (absl::Status checked = CheckNumbers(); !checked.ok()) return checked;
  absl::Status status = absl::OkStatus();
  {
    Transaction transaction(writer_.transactions);
    status = transaction.Begin(Transaction::Kind::kWrite);
    if (status.ok()) status = RunInTransaction();
    if (status.ok() && result_.kind == CommitResult::Kind::kCommitted) {
      TRADEWIND_CRASH_POINT("commit.written");
      status = transaction.Commit();
    }
  }
  if (status.ok() && result_.kind == CommitResult::Kind::kCommitted) {
    writer_.names.Keep();
    return std::move(result_);
  }
  writer_.names.Forget();
  if (!status.ok()) return status;
  result_.versions.clear();
  result_.kept_ids.clear();
  return std::move(result_);
}

absl::Status SqliteCommit::CheckNumbers() const {
  for (const TaskCommit& task : batch_.tasks) {
    if (task.new_emit_sequence <= task.expected_emit_sequence || task.new_emit_sequence > kMaxInteger) {
      return absl::InvalidArgumentError(fmt::format("task {}/{}: emit sequence {} cannot follow {}", task.task.group,
                                                    task.task.partition, task.new_emit_sequence,
                                                    task.expected_emit_sequence));
    }
  }
  return absl::OkStatus();
}

absl::Status SqliteCommit::RunInTransaction() {
  if (absl::Status advanced = AdvanceTasks(); !advanced.ok()) return advanced;
  if (!result_.fenced_tasks.empty()) {
    result_.kind = CommitResult::Kind::kFenced;
    return absl::OkStatus();
  }
  if (absl::Status written = WriteAggregates(); !written.ok()) return written;
  if (absl::Status written = WriteRequests(); !written.ok()) return written;
  if (!result_.conflicting_aggregates.empty() || !result_.conflicting_requests.empty()) {
    result_.kind = CommitResult::Kind::kConflict;
    return absl::OkStatus();
  }
  if (absl::Status written = WriteRemovedVersions(); !written.ok()) return written;
  if (absl::Status written = WriteOutbox(); !written.ok()) return written;
  if (absl::Status written = WriteKept(); !written.ok()) return written;
  return WriteTimers();
}

absl::Status SqliteCommit::AdvanceTasks() {
  for (size_t i = 0; i < batch_.tasks.size(); ++i) {
    const TaskCommit& task = batch_.tasks[i];
    const absl::StatusOr<int64_t> changed = writer_.statements.update_task.BindText(1, task.task.group)
                                                .BindInteger(2, task.task.partition)
                                                .BindInteger(3, ToInteger(task.expected_epoch))
                                                .BindInteger(4, ToInteger(task.expected_emit_sequence))
                                                .BindInteger(5, ToInteger(task.new_emit_sequence))
                                                .BindBytes(6, task.progress)
                                                .BindInteger(7, task.ends_takes ? 1 : 0)
                                                .Run();
    if (!changed.ok()) return changed.status();
    if (*changed == 0) result_.fenced_tasks.push_back(i);
  }
  return absl::OkStatus();
}

absl::Status SqliteCommit::WriteAggregates() {
  result_.versions.reserve(batch_.aggregates.size());
  std::string buffer;
  for (size_t i = 0; i < batch_.aggregates.size(); ++i) {
    const AggregateWrite& write = batch_.aggregates[i];
    const absl::StatusOr<int64_t> kind = Kind(write.kind);
    if (!kind.ok()) return kind.status();
    const absl::StatusOr<std::optional<int64_t>> version = WriteAggregate(*kind, ShortKey(write.key, buffer), write);
    if (!version.ok()) return version.status();
    result_.versions.push_back(static_cast<uint64_t>(version->value_or(0)));
    if (!version->has_value()) {
      result_.conflicting_aggregates.push_back(i);
      continue;
    }
    if (absl::Status indexed = WriteIndexEntries(*kind, write); !indexed.ok()) return indexed;
  }
  return absl::OkStatus();
}

absl::StatusOr<std::optional<int64_t>> SqliteCommit::WriteAggregate(int64_t kind, std::string_view key,
                                                                    const AggregateWrite& write) {
  if (write.only_read) return CheckAggregate(kind, key, write);
  if (!write.value.has_value()) return RemoveAggregate(kind, key, write);
  if (write.expected_version == 0) return InsertAggregate(kind, key, write);
  const int64_t expected = ToInteger(write.expected_version);
  const absl::StatusOr<int64_t> changed = writer_.statements.update_aggregate.BindInteger(1, kind)
                                              .BindBytes(2, key)
                                              .BindInteger(3, expected)
                                              .BindBytes(4, *write.value)
                                              .Run();
  if (!changed.ok()) return changed.status();
  if (*changed == 0) return std::nullopt;
  return expected + 1;
}

absl::StatusOr<std::optional<int64_t>> SqliteCommit::CheckAggregate(int64_t kind, std::string_view key,
                                                                    const AggregateWrite& write) {
  Statement& load = writer_.statements.load_aggregate;
  const ScopedReset reset(load);
  const absl::StatusOr<bool> row = load.BindInteger(1, kind).BindBytes(2, key).Step();
  if (!row.ok()) return row.status();
  const int64_t version = *row ? load.Integer(0) : 0;
  if (version != ToInteger(write.expected_version)) return std::nullopt;
  return version;
}

absl::StatusOr<std::optional<int64_t>> SqliteCommit::InsertAggregate(int64_t kind, std::string_view key,
                                                                     const AggregateWrite& write) {
  const absl::StatusOr<RemovedVersion*> removed = RemovedVersionOf(kind);
  if (!removed.ok()) return removed.status();
  const int64_t version = (*removed)->version + 1;
  Statement& insert = writer_.statements.insert_aggregate;
  insert.BindInteger(1, kind).BindBytes(2, key).BindInteger(3, version).BindBytes(4, *write.value);
  BindLongKey(insert, 5, write.key);
  const absl::StatusOr<int64_t> changed = insert.Run();
  if (!changed.ok()) return changed.status();
  if (*changed == 0) return std::nullopt;
  return version;
}

absl::StatusOr<std::optional<int64_t>> SqliteCommit::RemoveAggregate(int64_t kind, std::string_view key,
                                                                     const AggregateWrite& write) {
  if (write.expected_version == 0) {
    Statement& load = writer_.statements.load_aggregate;
    const ScopedReset reset(load);
    const absl::StatusOr<bool> row = load.BindInteger(1, kind).BindBytes(2, key).Step();
    if (!row.ok()) return row.status();
    if (*row) return std::nullopt;
    return 0;
  }
  const int64_t expected = ToInteger(write.expected_version);
  const absl::StatusOr<int64_t> changed =
      writer_.statements.remove_aggregate.BindInteger(1, kind).BindBytes(2, key).BindInteger(3, expected).Run();
  if (!changed.ok()) return changed.status();
  if (*changed == 0) return std::nullopt;
  const absl::StatusOr<RemovedVersion*> removed = RemovedVersionOf(kind);
  if (!removed.ok()) return removed.status();
  if (expected > (*removed)->version) {
    (*removed)->version = expected;
    (*removed)->changed = true;
  }
  return 0;
}

absl::Status SqliteCommit::WriteIndexEntries(int64_t kind, const AggregateWrite& write) {
  const std::pair<Statement*, const std::vector<IndexEntry>*> steps[] = {
      {&writer_.statements.remove_index_entry, &write.index_removed},
      {&writer_.statements.insert_index_entry, &write.index_added},
  };
  std::string key;
  std::string value;
  for (const auto& [statement, entries] : steps) {
    for (const IndexEntry& entry : *entries) {
      const absl::StatusOr<std::optional<int64_t>> index =
          writer_.names.Index(kind, entry.index, SqliteNames::IfMissing::kAdd);
      if (!index.ok()) return index.status();
      const absl::StatusOr<int64_t> changed = statement->BindInteger(1, index->value())
                                                  .BindBytes(2, ShortKey(entry.value, value))
                                                  .BindInteger(3, entry.order)
                                                  .BindBytes(4, ShortKey(write.key, key))
                                                  .Run();
      if (!changed.ok()) return changed.status();
    }
  }
  return absl::OkStatus();
}

absl::Status SqliteCommit::WriteRequests() {
  const int64_t now_ms = absl::ToUnixMillis(batch_.now);
  std::string with_method;
  std::string request_id;
  std::string caller;
  for (size_t i = 0; i < batch_.requests.size(); ++i) {
    const RequestWrite& write = batch_.requests[i];
    const auto method = writer_.names.Method(write.key.method, SqliteNames::IfMissing::kAdd);
    if (!method.ok()) return method.status();
    std::string_view id = write.key.request_id;
    if (method->value().is_shared) id = with_method = IdWithMethod(write.key.method, id);
    const absl::StatusOr<std::optional<int64_t>> group = writer_.names.Group(write.group, SqliteNames::IfMissing::kAdd);
    if (!group.ok()) return group.status();
    const absl::StatusOr<int64_t> changed = writer_.statements.insert_request.BindBytes(1, ShortKey(id, request_id))
                                                .BindBytes(2, ShortKey(write.key.caller, caller))
                                                .BindInteger(3, method->value().id)
                                                .BindBytes(4, write.hash)
                                                .BindBytes(5, write.reply)
                                                .BindInteger(6, now_ms)
                                                .BindInteger(7, group->value())
                                                .BindInteger(8, write.partition)
                                                .Run();
    if (!changed.ok()) return changed.status();
    if (*changed == 0) result_.conflicting_requests.push_back(i);
  }
  return absl::OkStatus();
}

absl::Status SqliteCommit::WriteRemovedVersions() {
  for (const RemovedVersion& removed : removed_versions_) {
    if (!removed.changed) continue;
    const absl::StatusOr<int64_t> changed =
        writer_.statements.update_removed_version.BindInteger(1, removed.kind).BindInteger(2, removed.version).Run();
    if (!changed.ok()) return changed.status();
  }
  return absl::OkStatus();
}

absl::Status SqliteCommit::WriteOutbox() {
  for (const TaskCommit& task : batch_.tasks) {
    // Acknowledged rows go first: the pages they leave are the new row's.
    if (task.outbox_acknowledged > 0) {
      const uint64_t acknowledged = std::min(task.outbox_acknowledged, kMaxInteger);
      const absl::StatusOr<int64_t> changed = writer_.statements.remove_outbox.BindText(1, task.task.group)
                                                  .BindInteger(2, task.task.partition)
                                                  .BindInteger(3, ToInteger(acknowledged))
                                                  .Run();
      if (!changed.ok()) return changed.status();
    }
    if (task.outbox.empty()) continue;
    const absl::StatusOr<int64_t> changed = writer_.statements.insert_outbox.BindText(1, task.task.group)
                                                .BindInteger(2, task.task.partition)
                                                .BindInteger(3, ToInteger(task.new_emit_sequence))
                                                .BindInteger(4, ToInteger(task.expected_epoch))
                                                .BindBytes(5, task.outbox)
                                                .Run();
    if (!changed.ok()) return changed.status();
  }
  return absl::OkStatus();
}

absl::Status SqliteCommit::WriteKept() {
  for (const int64_t id : batch_.kept_removed) {
    const absl::StatusOr<int64_t> changed = writer_.statements.remove_kept.BindInteger(1, id).Run();
    if (!changed.ok()) return changed.status();
  }
  std::string buffer;
  Statement& insert = writer_.statements.insert_kept;
  for (const KeptRecord& kept : batch_.kept) {
    insert.BindText(1, kept.task.group)
        .BindInteger(2, kept.task.partition)
        .BindInteger(3, static_cast<int64_t>(kept.state))
        .BindBytes(4, ShortKey(kept.key, buffer))
        .BindText(5, kept.source)
        .BindText(6, kept.type)
        .BindText(7, kept.reason)
        .BindBytes(8, kept.record)
        .BindInteger(9, kept.queued ? 1 : 0)
        .BindInteger(10, kept.attempts)
        .BindInteger(11, absl::ToUnixMillis(kept.due));
    BindLongKey(insert, 12, kept.key);
    insert.BindInteger(13, kept.ahead ? -1 : 0);
    const ScopedReset reset(insert);
    const absl::StatusOr<bool> row = insert.Step();
    if (!row.ok()) return row.status();
    result_.kept_ids.push_back(insert.Integer(0));
    // The row is only there when the statement has ended.
    if (const absl::StatusOr<bool> end = insert.Step(); !end.ok()) return end.status();
  }
  for (const KeptUpdate& update : batch_.kept_updated) {
    const absl::StatusOr<int64_t> changed = writer_.statements.update_kept.BindInteger(1, update.id)
                                                .BindInteger(2, static_cast<int64_t>(update.state))
                                                .BindText(3, update.reason)
                                                .BindInteger(4, update.attempts)
                                                .BindInteger(5, absl::ToUnixMillis(update.due))
                                                .BindInteger(6, static_cast<int64_t>(update.carried_out))
                                                .Run();
    if (!changed.ok()) return changed.status();
  }
  return absl::OkStatus();
}

absl::Status SqliteCommit::WriteTimers() {
  std::string buffer;
  for (const TimerKey& timer : batch_.timers_removed) {
    const absl::StatusOr<int64_t> changed = writer_.statements.remove_timer.BindText(1, timer.task.group)
                                                .BindInteger(2, timer.task.partition)
                                                .BindBytes(3, ShortKey(timer.key, buffer))
                                                .BindText(4, timer.name)
                                                .Run();
    if (!changed.ok()) return changed.status();
  }
  Statement& set = writer_.statements.set_timer;
  for (const Timer& timer : batch_.timers_set) {
    set.BindText(1, timer.task.group)
        .BindInteger(2, timer.task.partition)
        .BindBytes(3, ShortKey(timer.key, buffer))
        .BindText(4, timer.name)
        .BindInteger(5, absl::ToUnixMillis(timer.due))
        .BindBytes(6, timer.record);
    BindLongKey(set, 7, timer.key);
    const absl::StatusOr<int64_t> changed = set.Run();
    if (!changed.ok()) return changed.status();
  }
  return absl::OkStatus();
}

absl::StatusOr<int64_t> SqliteCommit::Kind(std::string_view name) {
  if (last_kind_id_ != 0 && name == last_kind_) return last_kind_id_;
  const absl::StatusOr<std::optional<int64_t>> kind = writer_.names.Kind(name, SqliteNames::IfMissing::kAdd);
  if (!kind.ok()) return kind.status();
  last_kind_ = name;
  last_kind_id_ = kind->value();
  return last_kind_id_;
}

absl::StatusOr<SqliteCommit::RemovedVersion*> SqliteCommit::RemovedVersionOf(int64_t kind) {
  for (RemovedVersion& removed : removed_versions_) {
    if (removed.kind == kind) return &removed;
  }
  Statement& load = writer_.statements.load_removed_version;
  const ScopedReset reset(load);
  const absl::StatusOr<bool> row = load.BindInteger(1, kind).Step();
  if (!row.ok()) return row.status();
  removed_versions_.push_back({kind, *row ? load.Integer(0) : 0, false});
  return &removed_versions_.back();
}

}  // namespace tradewind::store
