#include "tradewind/store/postgres_schema.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <optional>
#include <vector>

#include "tradewind/faults/crash_point.h"
#include "tradewind/store/postgres_commit_sql.h"

namespace tradewind::store {
namespace {

// Step i takes a schema from version i to i + 1. Released steps never change; add one. Instances of the version before
// may be running meanwhile, so a step leaves standing what they use. The function that commits a batch is made behind
// the last step, under a name that says for which version of the schema; those of earlier versions stay.
//
// Everything that names something is bytea: a text may not hold a zero byte or what is not UTF-8, and some of these
// come from outside. `value` of an aggregate is null only within the commit that removes it.
//
// Updates of `aggregate` and `task` leave the indexed columns alone, and the pages have room: so they stay on their
// page and touch no index (HOT). What comes and goes is vacuumed by count, not by the share of a table that is small.
constexpr const char* kTables = R"sql(
CREATE TABLE meta (name text PRIMARY KEY, value text NOT NULL);
INSERT INTO meta VALUES ('id', replace(gen_random_uuid()::text, '-', ''));

CREATE TABLE name (
  id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  parent integer NOT NULL,
  name bytea NOT NULL,
  UNIQUE (parent, name)
);
CREATE SEQUENCE version;

CREATE TABLE aggregate (
  version bigint NOT NULL,
  kind integer NOT NULL,
  key bytea NOT NULL,
  value bytea,
  PRIMARY KEY (kind, key)
) WITH (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.05);

CREATE TABLE aggregate_index (
  "order" bigint NOT NULL,
  index_name integer NOT NULL,
  value bytea NOT NULL,
  key bytea NOT NULL,
  PRIMARY KEY (index_name, value, "order", key)
) WITH (autovacuum_vacuum_scale_factor = 0.05);

CREATE TABLE task (
  epoch bigint NOT NULL,
  emit_sequence bigint NOT NULL,
  takes bigint NOT NULL,
  partition integer NOT NULL,
  "group" bytea NOT NULL,
  progress bytea NOT NULL,
  PRIMARY KEY ("group", partition)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);

CREATE TABLE outbox (
  sequence bigint NOT NULL,
  epoch bigint NOT NULL,
  partition integer NOT NULL,
  "group" bytea NOT NULL,
  batch bytea NOT NULL,
  PRIMARY KEY ("group", partition, sequence)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0,
        toast.autovacuum_vacuum_scale_factor = 0, toast.autovacuum_vacuum_threshold = 5000,
        toast.autovacuum_vacuum_cost_delay = 0);
ALTER TABLE outbox ALTER batch SET STORAGE EXTERNAL;

CREATE TABLE request (
  created_ms bigint NOT NULL,
  method integer NOT NULL,
  caller bytea NOT NULL,
  request_id bytea NOT NULL,
  hash bytea NOT NULL,
  reply bytea NOT NULL,
  PRIMARY KEY (request_id, caller, method)
) WITH (autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX request_by_age ON request (created_ms);

CREATE TABLE kept (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  due_ms bigint NOT NULL,
  partition integer NOT NULL,
  state integer NOT NULL,
  attempts integer NOT NULL,
  requested integer NOT NULL DEFAULT 0,
  queued boolean NOT NULL,
  "group" bytea NOT NULL,
  key bytea NOT NULL,
  source bytea NOT NULL,
  type bytea NOT NULL,
  reason bytea NOT NULL,
  record bytea NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX kept_by_task ON kept ("group", partition, state, id);
CREATE INDEX kept_by_state ON kept ("group", state, id);
CREATE INDEX kept_by_queue ON kept ("group", partition, key, id) WHERE queued;
CREATE INDEX kept_by_request ON kept ("group", id) WHERE requested <> 0;

CREATE TABLE timer (
  due_ms bigint NOT NULL,
  partition integer NOT NULL,
  "group" bytea NOT NULL,
  key bytea NOT NULL,
  name bytea NOT NULL,
  record bytea NOT NULL,
  PRIMARY KEY ("group", partition, key, name)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
CREATE INDEX timer_by_due ON timer ("group", partition, due_ms, key, name);
)sql";

// Keys are stored in their short form (short_key.h) wherever something is found by them; `long_key` is the whole key
// where that differs from it. Longer keys than that are here only where they compress.
constexpr const char* kShortKeys = R"sql(
ALTER TABLE aggregate ADD COLUMN long_key bytea;
ALTER TABLE kept ADD COLUMN long_key bytea;
ALTER TABLE timer ADD COLUMN long_key bytea;
CREATE FUNCTION short_key(key bytea) RETURNS bytea LANGUAGE sql AS
  'SELECT CASE WHEN octet_length(key) > 1024 THEN substr(key, 1, 1024) || sha256(key) ELSE key END';
UPDATE aggregate SET long_key = key, key = short_key(key) WHERE octet_length(key) > 1024;
UPDATE aggregate_index SET value = short_key(value), key = short_key(key)
  WHERE octet_length(value) > 1024 OR octet_length(key) > 1024;
UPDATE request SET request_id = short_key(request_id), caller = short_key(caller)
  WHERE octet_length(request_id) > 1024 OR octet_length(caller) > 1024;
UPDATE kept SET long_key = key, key = short_key(key) WHERE octet_length(key) > 1024;
UPDATE timer SET long_key = key, key = short_key(key) WHERE octet_length(key) > 1024;
UPDATE name SET name = short_key(name) WHERE octet_length(name) > 1024;
DROP FUNCTION short_key(bytea);
)sql";

// Records that stand before the others of their queue: `place` is -1 for them.
constexpr const char* kPlaces = R"sql(
ALTER TABLE kept ADD COLUMN place integer NOT NULL DEFAULT 0;
DROP INDEX kept_by_queue;
CREATE INDEX kept_by_queue ON kept ("group", partition, key, place, id) WHERE queued;
)sql";

// A store that was in use before this step is older than the header that names an event's mesh.
constexpr const char* kMeshNames = R"sql(
INSERT INTO meta SELECT 'predates_mesh_names', '1' WHERE EXISTS (SELECT 1 FROM task);
)sql";

// Answers to requests name the task that gave them. Number 0 stands for no group: rows of before have none, and neither
// have those of instances that still run an older version.
constexpr const char* kTasksOfRequests = R"sql(
ALTER TABLE request ADD COLUMN task_group integer NOT NULL DEFAULT 0;
ALTER TABLE request ADD COLUMN task_partition integer NOT NULL DEFAULT 0;
DROP INDEX request_by_age;
CREATE INDEX request_by_age ON request (created_ms, task_group, task_partition);
)sql";

constexpr std::array kSteps = {kTables, kShortKeys, kPlaces, kMeshNames, kTasksOfRequests};

// Migrations may take long, and so may waiting for another instance's.
constexpr const char* kBegin =
    "SET statement_timeout = 0; SET client_min_messages = error; SET default_transaction_isolation = 'read committed';"
    "BEGIN";

absl::StatusOr<PostgresResult> Query(PostgresConnection& connection, const char* sql, PostgresParameters parameters) {
  const PostgresCall call{sql, false, std::move(parameters)};
  absl::StatusOr<std::vector<PostgresResult>> results = connection.Run({&call, 1});
  if (!results.ok()) return results.status();
  return std::move(results->front());
}

// What is there under the schema's name.
struct Found {
  bool exists = false;
  int64_t objects = 0;
  bool has_meta = false;
};

absl::StatusOr<Found> Look(PostgresConnection& connection, std::string_view schema) {
  const absl::StatusOr<PostgresResult> row = Query(connection,
                                                   R"(SELECT count(n.oid), count(c.oid),
                                                        count(c.oid) FILTER (WHERE c.relname = 'meta')
                                                      FROM pg_namespace n LEFT JOIN pg_class c ON c.relnamespace = n.oid
                                                      WHERE n.nspname = convert_from($1, 'UTF8'))",
                                                   PostgresParameters().Bytes(schema));
  if (!row.ok()) return row.status();
  return Found{row->Bigint(0, 0) > 0, row->Bigint(0, 1), row->Bigint(0, 2) > 0};
}

// Nothing where the table is not ours.
absl::StatusOr<std::optional<int>> ReadVersion(PostgresConnection& connection) {
  const auto row = Query(connection, "SELECT value FROM meta WHERE name = 'schema_version'", {});
  if (!row.ok()) return row.status();
  if (row->rows() == 0) return std::nullopt;
  const std::string_view text = row->Bytes(0, 0);
  int version = 0;
  if (std::from_chars(text.data(), text.data() + text.size(), version).ec != std::errc()) return std::nullopt;
  return version;
}

absl::Status NotOurs(const PostgresConnection& connection, std::string_view schema) {
  return absl::FailedPreconditionError(
      fmt::format("{}: schema '{}' belongs to some other program; rename it, or set store.postgres.url to another "
                  "database",
                  connection.where(), schema));
}

// The version that is there, 0 for nothing at all.
absl::StatusOr<int> PrepareSchema(PostgresConnection& connection, std::string_view schema, const std::string& quoted) {
  const absl::StatusOr<Found> found = Look(connection, schema);
  if (!found.ok()) return found.status();
  if (!found->exists) {
    if (absl::Status made = connection.Execute("CREATE SCHEMA " + quoted); !made.ok()) return made;
  }
  if (absl::Status set = connection.Execute("SET search_path = " + quoted); !set.ok()) return set;
  if (found->objects == 0) return 0;
  if (!found->has_meta) return NotOurs(connection, schema);
  const absl::StatusOr<std::optional<int>> version = ReadVersion(connection);
  if (!version.ok()) return version.status();
  if (!version->has_value()) return NotOurs(connection, schema);
  if (**version > PostgresSchemaVersion() || **version < 1) {
    return absl::FailedPreconditionError(fmt::format(
        "{}: schema '{}' has version {} and this program understands up to {}: it was written by a newer version, run "
        "that one or set store.postgres.url to another database",
        connection.where(), schema, **version, PostgresSchemaVersion()));
  }
  return **version;
}

absl::StatusOr<PostgresIdentity> UpdateInTransaction(PostgresConnection& connection, std::string_view schema) {
  const auto locked = Query(connection, "SELECT pg_advisory_xact_lock(hashtextextended(convert_from($1, 'UTF8'), $2))",
                            PostgresParameters().Bytes(schema).Bigint(/*"TWND", for us alone:*/ 0x54574e44));
  if (!locked.ok()) return locked.status();
  const absl::StatusOr<int> version = PrepareSchema(connection, schema, connection.Quote(schema));
  if (!version.ok()) return version.status();
  for (int step = *version; step < PostgresSchemaVersion(); ++step) {
    if (absl::Status done = connection.Execute(kSteps[static_cast<size_t>(step)]); !done.ok()) return done;
    TRADEWIND_CRASH_POINT("migration.step");
  }
  if (*version < PostgresSchemaVersion()) {
    if (absl::Status made = connection.Execute(kCommitBatchSql); !made.ok()) return made;
    const std::string mark = fmt::format(
        "INSERT INTO meta VALUES ('schema_version', '{}') ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        PostgresSchemaVersion());
    if (absl::Status marked = connection.Execute(mark); !marked.ok()) return marked;
  }
  const auto id = Query(connection, "SELECT value FROM meta WHERE name = 'id'", {});
  if (!id.ok()) return id.status();
  if (id->rows() != 1) {
    return absl::DataLossError(fmt::format("{}: schema '{}': the store's id is missing", connection.where(), schema));
  }
  const auto predates = Query(connection, "SELECT value FROM meta WHERE name = 'predates_mesh_names'", {});
  if (!predates.ok()) return predates.status();
  return PostgresIdentity{.id = std::string(id->Bytes(0, 0)), .predates_mesh_names = predates->rows() > 0};
}

}  // namespace

int PostgresSchemaVersion() { return static_cast<int>(kSteps.size()); }

absl::StatusOr<PostgresIdentity> UpdatePostgresSchema(PostgresConnection& connection, std::string_view schema) {
  if (absl::Status begun = connection.Execute(kBegin); !begun.ok()) return begun;
  absl::StatusOr<PostgresIdentity> identity = UpdateInTransaction(connection, schema);
  if (!identity.ok()) {
    // Where this fails the connection is gone, and the transaction with it.
    if (connection.usable()) (void)connection.Execute("ROLLBACK");
    return identity.status();
  }
  if (absl::Status committed = connection.Execute("COMMIT"); !committed.ok()) return committed;
  return identity;
}

}  // namespace tradewind::store
