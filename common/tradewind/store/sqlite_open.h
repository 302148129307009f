// Opens the database file of a store for writing, with the settings that a store needs.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"

#include "tradewind/store/sqlite_connection.h"
#include "tradewind/store/sqlite_store.h"

namespace tradewind::store {

// Creates the file where it is missing; does not touch tables. PermissionDenied where it can only be read,
// FailedPrecondition where its file system has no write-ahead log.
absl::StatusOr<std::unique_ptr<Connection>> OpenForWriting(const std::string& file, const SqliteConfig& config);

}  // namespace tradewind::store
