// One connection of a store that comes back: made when it is first needed, set up for the store's schema, dropped when
// it breaks and made again by the next call. Sessions have one each, the reader a few.
//
// Belongs to one thread at a time. Calls block, as PostgresConnection's do.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

#include "tradewind/store/postgres_connection.h"
#include "tradewind/store/postgres_names.h"

namespace tradewind::store {

// What every connection of one store has in common.
struct PostgresPlace {
  PostgresTarget target;
  // Of the store, as SQL has it: in quotes.
  std::string quoted_schema;
  std::string id;
  // As Store::predates_mesh_names.
  bool predates_mesh_names = false;
};

class PostgresLink {
 public:
  // Both outlive the link; the statements are prepared on each connection, beside those of PostgresNames.
  PostgresLink(const PostgresPlace& place, absl::Span<const PostgresStatement> statements)
      : place_(place), statements_(statements) {}

  // Connects where there is no connection. Unavailable while the server is away; FailedPrecondition when what is there
  // now is another store. Called before names are looked up: numbers belong to the connection they came from.
  absl::Status Ready();
  // Runs the calls on the connection that Ready made, as PostgresConnection::Run does, and again where they met a
  // deadlock or a serialization failure: neither leaves anything behind.
  absl::StatusOr<std::vector<PostgresResult>> Run(absl::Span<const PostgresCall> calls);
  // The same for one statement.
  absl::StatusOr<PostgresResult> Run(const PostgresCall& call);

  // Tells connections apart: rises with each that Ready makes.
  uint64_t generation() const { return generation_; }
  PostgresConnection& connection() { return *connection_; }
  PostgresNames& names() { return names_; }

 private:
  absl::Status SetUp(PostgresConnection& connection) const;
  void DropIfBroken(const absl::Status& why);

  const PostgresPlace& place_;
  const absl::Span<const PostgresStatement> statements_;
  std::unique_ptr<PostgresConnection> connection_;
  PostgresNames names_;
  uint64_t generation_ = 0;
  bool was_lost_ = false;
};

}  // namespace tradewind::store
