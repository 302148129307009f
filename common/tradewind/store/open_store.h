// Opens the store that the settings ask for, so that nobody else has to know which kinds there are.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

#include "tradewind/store/postgres_store.h"
#include "tradewind/store/sqlite_store.h"
#include "tradewind/store/store.h"

namespace tradewind::store {

struct StoreConfig {
  // sqlite or postgres.
  std::string kind = "sqlite";
  SqliteConfig sqlite;
  PostgresConfig postgres;
};

// Binds the fields under "store".
void Describe(config::Schema& schema, StoreConfig& config);

// Opens or creates the store of the service `name`. Blocks. Errors are those of OpenSqliteStore and OpenPostgresStore.
absl::StatusOr<std::unique_ptr<Store>> OpenStore(const StoreConfig& config, std::string_view name);

}  // namespace tradewind::store
