#include "tradewind/store/sqlite_names.h"

#include "tradewind/store/short_key.h"
#include "tradewind/store/store.h"

namespace tradewind::store {

absl::StatusOr<SqliteNames> SqliteNames::Prepare(Connection& connection) {
  SqliteNames names;
  const std::pair<Statement*, const char*> statements[] = {
      {&names.kinds_.find, "SELECT id FROM kind WHERE name = ?1"},
      {&names.kinds_.add, "INSERT INTO kind (name) VALUES (?1) RETURNING id"},
      {&names.indexes_.find, "SELECT id FROM index_name WHERE name = ?1 AND kind = ?2"},
      {&names.indexes_.add, "INSERT INTO index_name (name, kind) VALUES (?1, ?2) RETURNING id"},
      {&names.methods_.find, "SELECT id FROM method WHERE name = ?1"},
      {&names.methods_.add, "INSERT INTO method (name) VALUES (?1) RETURNING id"},
      {&names.groups_.find, "SELECT id FROM group_name WHERE name = ?1"},
      {&names.groups_.add, "INSERT INTO group_name (name) VALUES (?1) RETURNING id"},
      // None is ever removed.
      {&names.last_method_, "SELECT coalesce(max(id), 0) FROM method"},
  };
  for (const auto& [statement, sql] : statements) {
    absl::StatusOr<Statement> prepared = connection.Prepare(sql);
    if (!prepared.ok()) return prepared.status();
    *statement = *std::move(prepared);
  }
  return names;
}

absl::StatusOr<std::optional<int64_t>> SqliteNames::Kind(std::string_view name, IfMissing if_missing) {
  return Find(kinds_, kind_ids_, name, std::nullopt, if_missing);
}

absl::StatusOr<std::optional<int64_t>> SqliteNames::Index(int64_t kind, std::string_view name, IfMissing if_missing) {
  return Find(indexes_, index_ids_[kind], name, kind, if_missing);
}

absl::StatusOr<std::optional<SqliteNames::MethodNumber>> SqliteNames::Method(std::string_view name,
                                                                             IfMissing if_missing) {
  absl::StatusOr<std::optional<int64_t>> id = Find(methods_, method_ids_, name, std::nullopt, IfMissing::kNothing);
  if (id.ok() && !id->has_value()) {
    const absl::StatusOr<bool> has_all = HasAllMethods();
    if (!has_all.ok()) return has_all.status();
    if (*has_all) name = kOtherMethods;
    if (*has_all || if_missing == IfMissing::kAdd) id = Find(methods_, method_ids_, name, std::nullopt, if_missing);
  }
  if (!id.ok()) return id.status();
  if (!id->has_value()) return std::nullopt;
  return MethodNumber{**id, name == kOtherMethods};
}

absl::StatusOr<bool> SqliteNames::HasAllMethods() {
  const ScopedReset reset(last_method_);
  const absl::StatusOr<bool> row = last_method_.Step();
  if (!row.ok()) return row.status();
  return last_method_.Integer(0) >= static_cast<int64_t>(kMaxMethods);
}

absl::StatusOr<std::optional<int64_t>> SqliteNames::Group(std::string_view name, IfMissing if_missing) {
  return Find(groups_, group_ids_, name, std::nullopt, if_missing);
}

absl::StatusOr<std::optional<int64_t>> SqliteNames::Find(Table& table, Ids& ids, std::string_view name,
                                                         std::optional<int64_t> parent, IfMissing if_missing) {
  std::string buffer;
  name = ShortKey(name, buffer);
  if (const auto known = ids.find(name); known != ids.end()) return known->second;
  for (Statement* statement : {&table.find, if_missing == IfMissing::kAdd ? &table.add : nullptr}) {
    if (statement == nullptr) break;
    const ScopedReset reset(*statement);
    statement->BindText(1, name);
    if (parent.has_value()) statement->BindInteger(2, *parent);
    const absl::StatusOr<bool> row = statement->Step();
    if (!row.ok()) return row.status();
    if (!*row) continue;
    const int64_t id = statement->Integer(0);
    // RETURNING: the insert is only done when the statement is.
    if (const absl::StatusOr<bool> end = statement->Step(); !end.ok()) return end.status();
    if (ids.size() >= kMaxRememberedNames) ids.clear();
    ids.emplace(name, id);
    added_ = added_ || statement == &table.add;
    return id;
  }
  return std::nullopt;
}

void SqliteNames::Forget() {
  if (!added_) return;
  kind_ids_.clear();
  index_ids_.clear();
  method_ids_.clear();
  group_ids_.clear();
  added_ = false;
}

}  // namespace tradewind::store
