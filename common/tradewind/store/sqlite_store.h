// Store in one SQLite file: for one instance of a service on one machine.
//
// Durability: `process` survives the death of the process (WAL, synchronous=NORMAL); a power loss may roll back the
// last moments. `power` syncs each commit.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"

#include "tradewind/store/store.h"

namespace tradewind::config {
class Schema;
}

namespace tradewind::store {

struct SqliteConfig {
  // Folder of the database file; made where it is missing.
  std::string directory = "var";
  // process or power.
  std::string durability = "process";
  // Pages kept in memory by the connection that writes.
  int64_t cache_bytes = 256 << 20;
};

// Binds the fields under "store".
void Describe(config::Schema& schema, SqliteConfig& config);

// Opens or creates `<directory>/<name>.db` and brings its schema up to date. FailedPrecondition when the file is locked
// by another process or was written by a newer version; PermissionDenied when it cannot be written; DataLoss when it is
// not a database. All name the file and what to do. Blocks; starts one thread, which moves what was committed from the
// write-ahead log to the database file.
absl::StatusOr<std::unique_ptr<Store>> OpenSqliteStore(const SqliteConfig& config, std::string_view name);

}  // namespace tradewind::store
