#include "tradewind/store/postgres_names.h"

#include <array>
#include <vector>

#include "tradewind/store/short_key.h"
#include "tradewind/store/store.h"

namespace tradewind::store {
namespace {

constexpr std::array kStatements = {
    PostgresStatement{"find_name", "SELECT id FROM name WHERE parent = $1 AND name = $2"},
    PostgresStatement{"add_name", "INSERT INTO name (parent, name) VALUES ($1, $2) ON CONFLICT DO NOTHING"},
    PostgresStatement{"count_names", "SELECT count(*) FROM (SELECT FROM name WHERE parent = $1 LIMIT $2) AS first"},
};

}  // namespace

absl::Span<const PostgresStatement> PostgresNames::Statements() { return kStatements; }

absl::StatusOr<std::optional<int32_t>> PostgresNames::Kind(PostgresConnection& connection, std::string_view name,
                                                           IfMissing if_missing) {
  return Find(connection, kKinds, name, if_missing);
}

absl::StatusOr<std::optional<int32_t>> PostgresNames::Index(PostgresConnection& connection, int32_t kind,
                                                            std::string_view name, IfMissing if_missing) {
  return Find(connection, kind, name, if_missing);
}

absl::StatusOr<std::optional<PostgresNames::MethodNumber>> PostgresNames::Method(PostgresConnection& connection,
                                                                                 std::string_view name,
                                                                                 IfMissing if_missing) {
  absl::StatusOr<std::optional<int32_t>> id = Find(connection, kMethods, name, IfMissing::kNothing);
  if (id.ok() && !id->has_value()) {
    const absl::StatusOr<bool> has_all = HasAllMethods(connection);
    if (!has_all.ok()) return has_all.status();
    if (*has_all) name = kOtherMethods;
    if (*has_all || if_missing == IfMissing::kAdd) id = Find(connection, kMethods, name, if_missing);
  }
  if (!id.ok()) return id.status();
  if (!id->has_value()) return std::nullopt;
  return MethodNumber{**id, name == kOtherMethods};
}

absl::StatusOr<bool> PostgresNames::HasAllMethods(PostgresConnection& connection) {
  if (has_all_methods_) return true;
  const PostgresCall count{"count_names", true,
                           PostgresParameters().Integer(kMethods).Bigint(static_cast<int64_t>(kMaxMethods))};
  const absl::StatusOr<std::vector<PostgresResult>> results = connection.Run({&count, 1});
  if (!results.ok()) return results.status();
  has_all_methods_ = results->front().Bigint(0, 0) >= static_cast<int64_t>(kMaxMethods);
  return has_all_methods_;
}

absl::StatusOr<std::optional<int32_t>> PostgresNames::Group(PostgresConnection& connection, std::string_view name,
                                                            IfMissing if_missing) {
  return Find(connection, kGroups, name, if_missing);
}

absl::StatusOr<std::optional<int32_t>> PostgresNames::Find(PostgresConnection& connection, int32_t parent,
                                                           std::string_view name, IfMissing if_missing) {
  Ids& ids = ids_[parent];
  std::string buffer;
  name = ShortKey(name, buffer);
  if (const auto known = ids.find(name); known != ids.end()) return known->second;
  std::vector<PostgresCall> calls;
  // The insert waits for another one of the same name to be committed; the statement behind it then sees that.
  if (if_missing == IfMissing::kAdd) {
    calls.push_back({"add_name", true, PostgresParameters().Integer(parent).Bytes(name)});
  }
  calls.push_back({"find_name", true, PostgresParameters().Integer(parent).Bytes(name)});
  const absl::StatusOr<std::vector<PostgresResult>> results = connection.Run(calls);
  if (!results.ok()) return results.status();
  if (results->back().rows() == 0) return std::nullopt;
  const int32_t id = results->back().Integer(0, 0);
  if (ids.size() >= kMaxRememberedNames) ids.clear();
  ids.emplace(name, id);
  return id;
}

}  // namespace tradewind::store
