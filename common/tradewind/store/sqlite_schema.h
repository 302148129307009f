// The tables of SqliteStore and the steps that bring an older file up to date. README.md shows the tables.
#pragma once

#include "absl/status/status.h"

#include "tradewind/store/sqlite_connection.h"

namespace tradewind::store {

// What this program writes and understands; kept in PRAGMA user_version.
int SqliteSchemaVersion();

// Creates the tables in an empty file, or migrates those of an older version, one transaction a step.
// FailedPrecondition when a newer version wrote the file, or when it is not a store of ours.
absl::Status UpdateSqliteSchema(Connection& connection);

}  // namespace tradewind::store
