// The numbers that rows hold in place of names that repeat: kinds of aggregates, their indexes, methods, groups. Each
// connection has its own memory of them, so that a name is asked for once.
//
// A name once written is never changed or removed: what is added stays even if the batch that needed it comes to
// nothing. Belongs to its connection's thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

#include "tradewind/store/postgres_connection.h"

namespace tradewind::store {

class PostgresNames {
 public:
  // kAdd writes the name where it is missing, in a transaction of its own.
  enum class IfMissing { kNothing, kAdd };

  // What a connection must have prepared.
  static absl::Span<const PostgresStatement> Statements();

  // Nothing where the name is not in the database. One round trip for a name that is not remembered.
  absl::StatusOr<std::optional<int32_t>> Kind(PostgresConnection& connection, std::string_view name,
                                              IfMissing if_missing);
  absl::StatusOr<std::optional<int32_t>> Index(PostgresConnection& connection, int32_t kind, std::string_view name,
                                               IfMissing if_missing);
  struct MethodNumber {
    int32_t id;
    // It is that of kOtherMethods, for a method that is not among the first kMaxMethods, or as many more as instances
    // write at once.
    bool is_shared;
  };
  absl::StatusOr<std::optional<MethodNumber>> Method(PostgresConnection& connection, std::string_view name,
                                                     IfMissing if_missing);
  absl::StatusOr<std::optional<int32_t>> Group(PostgresConnection& connection, std::string_view name,
                                               IfMissing if_missing);

  // For a new connection, behind which may be a database restored from a backup.
  void Forget() {
    ids_.clear();
    has_all_methods_ = false;
  }

 private:
  static constexpr size_t kMaxRememberedNames = 10'000;
  // Looked up by string_view without making a string.
  using Ids = std::map<std::string, int32_t, std::less<>>;

  absl::StatusOr<std::optional<int32_t>> Find(PostgresConnection& connection, int32_t parent, std::string_view name,
                                              IfMissing if_missing);
  absl::StatusOr<bool> HasAllMethods(PostgresConnection& connection);

  // None is ever removed.
  bool has_all_methods_ = false;
  // By what the names belong to: a kind's number for its indexes, or one of those below.
  static constexpr int32_t kKinds = 0;
  static constexpr int32_t kMethods = -1;
  static constexpr int32_t kGroups = -2;
  std::map<int32_t, Ids> ids_;
};

}  // namespace tradewind::store
