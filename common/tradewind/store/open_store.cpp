#include "tradewind/store/open_store.h"

#include <fmt/format.h>

#include "tradewind/config/config.h"

namespace tradewind::store {

void Describe(config::Schema& schema, StoreConfig& config) {
  schema.Section("store", "Where the service keeps its state.")
      .Field("kind", &config.kind,
             "sqlite: a file, for one instance of the service; postgres: a database, for any number of them")
      .OneOf({"sqlite", "postgres"});
  Describe(schema, config.sqlite);
  Describe(schema, config.postgres);
}

absl::StatusOr<std::unique_ptr<Store>> OpenStore(const StoreConfig& config, std::string_view name) {
  if (config.kind == "sqlite") return OpenSqliteStore(config.sqlite, name);
  if (config.kind == "postgres") return OpenPostgresStore(config.postgres, name);
  return absl::InvalidArgumentError(fmt::format("store.kind is '{}': it may be sqlite or postgres", config.kind));
}

}  // namespace tradewind::store
