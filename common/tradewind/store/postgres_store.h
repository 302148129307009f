// Store in a PostgreSQL database, one schema a service: for any number of instances of the service at once, on any
// number of machines.
//
// Durability is the server's: a commit that was answered is as safe as its synchronous_commit and fsync make it.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "tradewind/config/config.h"
#include "tradewind/store/store.h"

namespace tradewind::store {

struct PostgresConfig {
  // postgresql://user:password@host:port/database, with whatever else libpq knows, such as ?sslmode=verify-full or
  // several hosts. Masked wherever settings are shown.
  config::Secret url{"postgresql://tradewind@127.0.0.1:5432/tradewind"};
  // For each host of the url; also the longest that a connection lasts whose network swallows what is sent.
  absl::Duration connect_timeout = absl::Seconds(5);
  // The server ends a call after it. Two seconds later the call gives up by itself.
  absl::Duration statement_timeout = absl::Seconds(10);
  // Connections for queries; the worker has one more.
  int32_t max_readers = 4;
};

// Binds the fields under "store.postgres".
void Describe(config::Schema& schema, PostgresConfig& config);

// Connects, and creates or updates the schema `name`. Unavailable when the server is away; PermissionDenied when it
// refuses the user or lets them create nothing; FailedPrecondition when there is no such database, or the schema is a
// newer version's or another program's; InvalidArgument for settings that cannot be. All name the setting and what to
// do, and none shows the url. Blocks.
//
// An idle connection whose peer vanished is found by keepalives after some 11 seconds. Calls made while the server is
// away answer Unavailable; the first after it is back makes a new connection.
absl::StatusOr<std::unique_ptr<Store>> OpenPostgresStore(const PostgresConfig& config, std::string_view name);

}  // namespace tradewind::store
