#include "tradewind/store/sqlite_writer.h"

#include <utility>

#include "tradewind/store/sqlite_rows.h"

namespace tradewind::store {
namespace {

absl::Status PrepareAll(Connection& connection, SqliteWriterStatements& all) {
  const std::pair<Statement*, const char*> statements[] = {
      {&all.take_task,
       R"(INSERT INTO task ("group", partition, epoch, emit_sequence, progress, takes) VALUES (?1, ?2, ?3, 0, x'', 1)
          ON CONFLICT ("group", partition) DO UPDATE SET epoch = max(epoch + 1, excluded.epoch),
            takes = takes + (epoch <> ?4)
          RETURNING epoch, emit_sequence, progress, takes)"},
      {&all.load_outbox,
       R"(SELECT sequence, epoch, batch FROM outbox WHERE "group" = ?1 AND partition = ?2 ORDER BY sequence)"},
      {&all.load_aggregate, "SELECT version, value FROM aggregate WHERE kind = ?1 AND key = ?2"},
      {&all.load_request, "SELECT hash, reply FROM request WHERE request_id = ?1 AND caller = ?2 AND method = ?3"},
      {&all.load_kept, "SELECT " TRADEWIND_KEPT_COLUMNS
                       R"( FROM kept WHERE "group" = ?1 AND partition = ?2 AND state = ?3 AND id > ?4
                          ORDER BY id LIMIT ?5)"},
      {&all.load_kept_by_id,
       "SELECT " TRADEWIND_KEPT_COLUMNS " FROM kept WHERE id IN (SELECT value FROM json_each(?1)) ORDER BY id"},
      {&all.count_kept, R"(SELECT state, count(*) FROM kept WHERE "group" = ?1 GROUP BY state)"},
      // SQLite takes the other columns from the row that has the least place and id. Ids are below 2^62.
      {&all.load_queue_heads,
       R"(SELECT key, id, state, due_ms, min(place * 4611686018427387904 + id) FROM kept
          WHERE "group" = ?1 AND partition = ?2 AND queued = 1 GROUP BY key)"},
      {&all.load_queue, "SELECT " TRADEWIND_KEPT_COLUMNS
                        R"( FROM kept WHERE "group" = ?1 AND partition = ?2 AND key = ?3 AND queued = 1
                           ORDER BY place, id LIMIT ?4)"},
      {&all.load_requested,
       "SELECT " TRADEWIND_KEPT_COLUMNS
       R"( FROM kept WHERE "group" = ?1 AND requested <> 0 AND partition IN (SELECT value FROM json_each(?2))
          ORDER BY id LIMIT ?3)"},
      {&all.load_timers,
       R"(SELECT coalesce(long_key, key), name, due_ms, record FROM timer WHERE "group" = ?1 AND partition = ?2
          ORDER BY due_ms, key, name LIMIT ?3)"},
      {&all.prune_requests,
       R"(DELETE FROM request WHERE id IN
          (SELECT id FROM request WHERE created_ms < ?1 AND task_group = ?3
             AND task_partition IN (SELECT value FROM json_each(?4)) ORDER BY created_ms LIMIT ?2))"},

      {&all.update_task,
       R"(UPDATE task SET emit_sequence = ?5, progress = ?6, takes = CASE WHEN ?7 THEN 0 ELSE takes END
          WHERE "group" = ?1 AND partition = ?2 AND epoch = ?3 AND emit_sequence = ?4)"},
      {&all.remove_outbox, R"(DELETE FROM outbox WHERE "group" = ?1 AND partition = ?2 AND sequence <= ?3)"},
      {&all.insert_outbox,
       R"(INSERT INTO outbox ("group", partition, sequence, epoch, batch) VALUES (?1, ?2, ?3, ?4, ?5))"},
      {&all.update_aggregate,
       "UPDATE aggregate SET version = ?3 + 1, value = ?4 WHERE kind = ?1 AND key = ?2 AND version = ?3"},
      {&all.insert_aggregate,
       R"(INSERT INTO aggregate (kind, key, version, value, long_key) VALUES (?1, ?2, ?3, ?4, ?5)
          ON CONFLICT (kind, key) DO NOTHING)"},
      {&all.remove_aggregate, "DELETE FROM aggregate WHERE kind = ?1 AND key = ?2 AND version = ?3"},
      {&all.load_removed_version, "SELECT removed_version FROM kind WHERE id = ?1"},
      {&all.update_removed_version, "UPDATE kind SET removed_version = ?2 WHERE id = ?1"},
      {&all.remove_index_entry,
       R"(DELETE FROM aggregate_index WHERE index_name = ?1 AND value = ?2 AND "order" = ?3 AND key = ?4)"},
      {&all.insert_index_entry,
       R"(INSERT INTO aggregate_index (index_name, value, "order", key) VALUES (?1, ?2, ?3, ?4)
          ON CONFLICT (index_name, value, "order", key) DO NOTHING)"},
      {&all.insert_request,
       R"(INSERT INTO request (request_id, caller, method, hash, reply, created_ms, task_group, task_partition)
          VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
          ON CONFLICT (request_id, caller, method) DO NOTHING)"},
      {&all.insert_kept,
       R"(INSERT INTO kept ("group", partition, state, key, source, type, reason, record, queued, attempts, due_ms, long_key,
                            place)
          VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13) RETURNING id)"},
      {&all.update_kept,
       R"(UPDATE kept SET state = ?2, reason = ?3, attempts = ?4, due_ms = ?5,
          requested = CASE WHEN requested = ?6 THEN 0 ELSE requested END WHERE id = ?1)"},
      {&all.remove_kept, "DELETE FROM kept WHERE id = ?1"},
      {&all.request_kept, "UPDATE kept SET requested = ?6 WHERE " TRADEWIND_KEPT_FILTER},
      {&all.set_timer,
       R"(INSERT INTO timer ("group", partition, key, name, due_ms, record, long_key) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
          ON CONFLICT ("group", partition, key, name) DO UPDATE SET due_ms = excluded.due_ms, record = excluded.record)"},
      {&all.remove_timer, R"(DELETE FROM timer WHERE "group" = ?1 AND partition = ?2 AND key = ?3 AND name = ?4)"},
  };
  for (const auto& [statement, sql] : statements) {
    absl::StatusOr<Statement> prepared = connection.Prepare(sql);
    if (!prepared.ok()) return prepared.status();
    *statement = *std::move(prepared);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<SqliteWriter>> SqliteWriter::Make(std::unique_ptr<Connection> connection) {
  auto writer = std::make_unique<SqliteWriter>();
  writer->connection = std::move(connection);
  absl::StatusOr<TransactionStatements> transactions = TransactionStatements::Prepare(*writer->connection);
  if (!transactions.ok()) return transactions.status();
  writer->transactions = *std::move(transactions);
  absl::StatusOr<SqliteNames> names = SqliteNames::Prepare(*writer->connection);
  if (!names.ok()) return names.status();
  writer->names = *std::move(names);
  if (absl::Status prepared = PrepareAll(*writer->connection, writer->statements); !prepared.ok()) return prepared;
  return writer;
}

}  // namespace tradewind::store
