// The tables of PostgresStore, the function that commits a batch, and the steps that bring an older schema up to date.
// README.md shows the tables.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

#include "tradewind/store/postgres_connection.h"

namespace tradewind::store {

// What this program writes and understands; kept in the table meta.
int PostgresSchemaVersion();

struct PostgresIdentity {
  // Of the store.
  std::string id;
  // As Store::predates_mesh_names.
  bool predates_mesh_names = false;
};

// Creates the schema with its tables, or migrates one of an older version, all in one transaction and under a lock, so
// that any number of instances may start at once. FailedPrecondition when a newer version
// wrote it or it is some other program's; PermissionDenied when the user may not create it.
absl::StatusOr<PostgresIdentity> UpdatePostgresSchema(PostgresConnection& connection, std::string_view schema);

}  // namespace tradewind::store
