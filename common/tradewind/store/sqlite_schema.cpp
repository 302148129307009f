#include "tradewind/store/sqlite_schema.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include <array>
#include <string>
#include <string_view>

#include "tradewind/faults/crash_point.h"
#include "tradewind/store/short_key.h"

namespace tradewind::store {
namespace {

// "TWND": tells `file` and ourselves whose database this is.
constexpr int64_t kApplicationId = 0x54574e44;

// Step i takes a file from version i to i + 1. Released steps never change; add one.
//
// `aggregate`, `request` and `kept` have rowids on purpose: new rows go to the end of the table, where they fill whole
// pages, and only their small index entries land in random places; an update of equal size overwrites in place.
// kind.removed_version is the greatest version that a removed aggregate of the kind had: new ones start above it, so
// that no version ever stands for two different values of one key.
constexpr std::array kSteps = {
    R"sql(
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
INSERT INTO meta VALUES ('id', lower(hex(randomblob(16))));

CREATE TABLE kind (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  removed_version INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE aggregate (
  id INTEGER PRIMARY KEY,
  kind INTEGER NOT NULL,
  key BLOB NOT NULL,
  version INTEGER NOT NULL,
  value BLOB NOT NULL
);
CREATE UNIQUE INDEX aggregate_by_key ON aggregate (kind, key);

CREATE TABLE index_name (
  id INTEGER PRIMARY KEY,
  kind INTEGER NOT NULL,
  name TEXT NOT NULL,
  UNIQUE (kind, name)
);
CREATE TABLE aggregate_index (
  index_name INTEGER NOT NULL,
  value BLOB NOT NULL,
  "order" INTEGER NOT NULL,
  key BLOB NOT NULL,
  PRIMARY KEY (index_name, value, "order", key)
) WITHOUT ROWID;

CREATE TABLE task (
  "group" TEXT NOT NULL,
  partition INTEGER NOT NULL,
  epoch INTEGER NOT NULL,
  emit_sequence INTEGER NOT NULL,
  progress BLOB NOT NULL,
  PRIMARY KEY ("group", partition)
) WITHOUT ROWID;
CREATE TABLE outbox (
  "group" TEXT NOT NULL,
  partition INTEGER NOT NULL,
  sequence INTEGER NOT NULL,
  epoch INTEGER NOT NULL,
  batch BLOB NOT NULL,
  PRIMARY KEY ("group", partition, sequence)
) WITHOUT ROWID;

CREATE TABLE method (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE request (
  id INTEGER PRIMARY KEY,
  caller BLOB NOT NULL,
  method INTEGER NOT NULL,
  request_id BLOB NOT NULL,
  hash BLOB NOT NULL,
  reply BLOB NOT NULL,
  created_ms INTEGER NOT NULL
);
CREATE UNIQUE INDEX request_by_key ON request (request_id, caller, method);
CREATE INDEX request_by_age ON request (created_ms);

CREATE TABLE kept (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  "group" TEXT NOT NULL,
  partition INTEGER NOT NULL,
  state INTEGER NOT NULL,
  key BLOB NOT NULL,
  source TEXT NOT NULL,
  type TEXT NOT NULL,
  reason TEXT NOT NULL,
  record BLOB NOT NULL
);
CREATE INDEX kept_by_task ON kept ("group", partition, state);
CREATE INDEX kept_by_state ON kept (state);
)sql",
    // Queues of keys, and timers. The indexes hold only the rows that they are asked for.
    R"sql(
ALTER TABLE kept ADD COLUMN queued INTEGER NOT NULL DEFAULT 0;
ALTER TABLE kept ADD COLUMN attempts INTEGER NOT NULL DEFAULT 0;
ALTER TABLE kept ADD COLUMN due_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE kept ADD COLUMN requested INTEGER NOT NULL DEFAULT 0;
ALTER TABLE task ADD COLUMN takes INTEGER NOT NULL DEFAULT 0;
DROP INDEX kept_by_state;
CREATE INDEX kept_by_state ON kept ("group", state);
CREATE INDEX kept_by_queue ON kept ("group", partition, key, id) WHERE queued = 1;
CREATE INDEX kept_by_request ON kept ("group", id) WHERE requested <> 0;

CREATE TABLE timer (
  "group" TEXT NOT NULL,
  partition INTEGER NOT NULL,
  key BLOB NOT NULL,
  name TEXT NOT NULL,
  due_ms INTEGER NOT NULL,
  record BLOB NOT NULL,
  PRIMARY KEY ("group", partition, key, name)
) WITHOUT ROWID;
CREATE INDEX timer_by_due ON timer ("group", partition, due_ms, key, name);
)sql",
    // Keys are stored in their short form (short_key.h) wherever something is found by them; `long_key` is the whole
    // key where that differs from it.
    R"sql(
ALTER TABLE aggregate ADD COLUMN long_key BLOB;
ALTER TABLE kept ADD COLUMN long_key BLOB;
ALTER TABLE timer ADD COLUMN long_key BLOB;
UPDATE aggregate SET long_key = key, key = short_key(key) WHERE length(key) > 1024;
UPDATE aggregate_index SET value = short_key(value), key = short_key(key) WHERE length(value) > 1024 OR length(key) > 1024;
UPDATE request SET request_id = short_key(request_id), caller = short_key(caller)
  WHERE length(request_id) > 1024 OR length(caller) > 1024;
UPDATE kept SET long_key = key, key = short_key(key) WHERE length(key) > 1024;
UPDATE timer SET long_key = key, key = short_key(key) WHERE length(key) > 1024;
UPDATE method SET name = CAST(short_key(name) AS TEXT) WHERE length(CAST(name AS BLOB)) > 1024;
)sql",
    // Records that stand before the others of their queue: `place` is -1 for them.
    R"sql(
ALTER TABLE kept ADD COLUMN place INTEGER NOT NULL DEFAULT 0;
DROP INDEX kept_by_queue;
CREATE INDEX kept_by_queue ON kept ("group", partition, key, place, id) WHERE queued = 1;
)sql",
    // A store that was in use before this step is older than the header that names an event's mesh.
    R"sql(
INSERT INTO meta SELECT 'predates_mesh_names', '1' WHERE EXISTS (SELECT 1 FROM task);
)sql",
    // Answers to requests name the task that gave them. Number 0 stands for no group: rows of before have none.
    R"sql(
CREATE TABLE group_name (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
ALTER TABLE request ADD COLUMN task_group INTEGER NOT NULL DEFAULT 0;
ALTER TABLE request ADD COLUMN task_partition INTEGER NOT NULL DEFAULT 0;
DROP INDEX request_by_age;
CREATE INDEX request_by_age ON request (created_ms, task_group, task_partition);
)sql",
};

void ShortKeyFunction(sqlite3_context* context, int, sqlite3_value** arguments) {
  const auto* const bytes = static_cast<const char*>(sqlite3_value_blob(arguments[0]));
  const auto size = static_cast<size_t>(sqlite3_value_bytes(arguments[0]));
  const std::string key = ShortKey(std::string_view(bytes == nullptr ? "" : bytes, size));
  sqlite3_result_blob64(context, key.data(), key.size(), SQLITE_TRANSIENT);
}

// Lets SQL of this connection call short_key(blob).
absl::Status AddShortKeyFunction(Connection& connection) {
  const int code = sqlite3_create_function_v2(connection.handle(), "short_key", 1, SQLITE_UTF8 | SQLITE_DETERMINISTIC,
                                              nullptr, ShortKeyFunction, nullptr, nullptr, nullptr);
  return SqliteStatus(code, connection.file(), "the function short_key could not be added");
}

absl::StatusOr<int64_t> QueryInteger(Connection& connection, std::string_view sql) {
  absl::StatusOr<Statement> statement = connection.Prepare(sql);
  if (!statement.ok()) return statement.status();
  const absl::StatusOr<bool> row = statement->Step();
  if (!row.ok()) return row.status();
  return *row ? statement->Integer(0) : 0;
}

// An empty file has neither an application id nor tables; anything else must carry ours, which is written together with
// the first version of the schema.
absl::Status CheckOwnership(Connection& connection, int64_t version) {
  const absl::StatusOr<int64_t> application = QueryInteger(connection, "PRAGMA application_id");
  if (!application.ok()) return application.status();
  if (*application == kApplicationId && version == 0) {
    return absl::FailedPreconditionError(fmt::format(
        "{} has schema version 0, which no version of this program writes: some other program has changed it; "
        "put back a copy of it or choose another store.directory",
        connection.file()));
  }
  if (*application == kApplicationId) return absl::OkStatus();
  const absl::StatusOr<int64_t> tables = QueryInteger(connection, "SELECT count(*) FROM sqlite_schema");
  if (!tables.ok()) return tables.status();
  if (*application == 0 && *tables == 0) return absl::OkStatus();
  return absl::FailedPreconditionError(
      fmt::format("{} is an SQLite database of some other program: move it away or choose another store.directory",
                  connection.file()));
}

}  // namespace

int SqliteSchemaVersion() { return static_cast<int>(kSteps.size()); }

absl::Status UpdateSqliteSchema(Connection& connection) {
  const absl::StatusOr<int64_t> version = QueryInteger(connection, "PRAGMA user_version");
  if (!version.ok()) return version.status();
  if (absl::Status owned = CheckOwnership(connection, *version); !owned.ok()) return owned;
  if (*version < 0 || *version > SqliteSchemaVersion()) {
    return absl::FailedPreconditionError(
        fmt::format("{} has schema version {} and this program understands up to {}: it was written by a newer "
                    "version, run that one or choose another store.directory",
                    connection.file(), *version, SqliteSchemaVersion()));
  }
  if (absl::Status added = AddShortKeyFunction(connection); !added.ok()) return added;
  absl::StatusOr<TransactionStatements> statements = TransactionStatements::Prepare(connection);
  if (!statements.ok()) return statements.status();
  for (int64_t step = *version; step < SqliteSchemaVersion(); ++step) {
    Transaction transaction(*statements);
    if (absl::Status begun = transaction.Begin(Transaction::Kind::kWrite); !begun.ok()) return begun;
    if (absl::Status done = connection.Execute(kSteps[static_cast<size_t>(step)]); !done.ok()) return done;
    const std::string mark =
        fmt::format("PRAGMA application_id = {}; PRAGMA user_version = {}", kApplicationId, step + 1);
    if (absl::Status marked = connection.Execute(mark.c_str()); !marked.ok()) return marked;
    TRADEWIND_CRASH_POINT("migration.step");
    if (absl::Status committed = transaction.Commit(); !committed.ok()) return committed;
  }
  return absl::OkStatus();
}

}  // namespace tradewind::store
