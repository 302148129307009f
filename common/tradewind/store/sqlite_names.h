// The numbers that rows hold in place of names that repeat: kinds of aggregates, their indexes, methods, groups. Each
// connection has its own memory of them, so that a name is looked up in the file once.
//
// A name once written is never changed or removed. Belongs to its connection's thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"

#include "tradewind/store/sqlite_connection.h"

namespace tradewind::store {

class SqliteNames {
 public:
  enum class IfMissing {
    kNothing,
    // Write it, in whatever transaction is open; then the caller says Forget should that be rolled back.
    kAdd,
  };

  static absl::StatusOr<SqliteNames> Prepare(Connection& connection);

  // Nothing where the name is not in the file.
  absl::StatusOr<std::optional<int64_t>> Kind(std::string_view name, IfMissing if_missing);
  absl::StatusOr<std::optional<int64_t>> Index(int64_t kind, std::string_view name, IfMissing if_missing);
  struct MethodNumber {
    int64_t id;
    // It is that of kOtherMethods, for a method that is not among the first kMaxMethods.
    bool is_shared;
  };
  absl::StatusOr<std::optional<MethodNumber>> Method(std::string_view name, IfMissing if_missing);
  absl::StatusOr<std::optional<int64_t>> Group(std::string_view name, IfMissing if_missing);

  // Drops the names added since the last call of Keep.
  void Forget();
  void Keep() { added_ = false; }

 private:
  static constexpr size_t kMaxRememberedNames = 10'000;
  // Looked up by string_view without making a string.
  using Ids = std::map<std::string, int64_t, std::less<>>;
  struct Table {
    Statement find;
    Statement add;
  };

  absl::StatusOr<std::optional<int64_t>> Find(Table& table, Ids& ids, std::string_view name,
                                              std::optional<int64_t> parent, IfMissing if_missing);
  absl::StatusOr<bool> HasAllMethods();

  Statement last_method_;
  Table kinds_;
  Table indexes_;
  Table methods_;
  Table groups_;
  Ids kind_ids_;
  std::map<int64_t, Ids> index_ids_;
  Ids method_ids_;
  Ids group_ids_;
  bool added_ = false;
};

}  // namespace tradewind::store
