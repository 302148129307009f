#include "tradewind/store/sqlite_open.h"

#include <fmt/format.h>

#include <utility>

namespace tradewind::store {
namespace {

absl::Status Configure(Connection& connection, const SqliteConfig& config) {
  if (connection.read_only()) {
    return absl::PermissionDeniedError(
        fmt::format("cannot write {}: make the file writable or choose another store.directory", connection.file()));
  }
  // Debian's SQLite overwrites what is deleted with zeros, which would write each outbox row twice more.
  const std::string pragmas = fmt::format(
      "PRAGMA secure_delete = OFF; PRAGMA synchronous = {}; PRAGMA cache_size = -{}; PRAGMA temp_store = MEMORY",
      config.durability == "power" ? "FULL" : "NORMAL", config.cache_bytes / 1024);
  if (absl::Status set = connection.Execute(pragmas.c_str()); !set.ok()) return set;
  const absl::StatusOr<std::string> mode = connection.QueryText("PRAGMA journal_mode = WAL");
  if (!mode.ok()) return mode.status();
  if (*mode != "wal") {
    return absl::FailedPreconditionError(
        fmt::format("{}: no write-ahead log on this file system (journal mode is '{}'); store.directory must be on a "
                    "local disk",
                    connection.file(), *mode));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Connection>> OpenForWriting(const std::string& file, const SqliteConfig& config) {
  absl::StatusOr<std::unique_ptr<Connection>> connection = Connection::Open(file, Connection::Mode::kReadWrite);
  if (!connection.ok()) return connection;
  if (absl::Status configured = Configure(**connection, config); !configured.ok()) return configured;
  return connection;
}

}  // namespace tradewind::store
