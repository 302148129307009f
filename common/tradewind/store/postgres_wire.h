// Values as PostgreSQL's binary format has them: what goes into a statement and what comes out of it. Bytes travel as
// they are, with no escaping and no text encoding that could refuse them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

struct pg_result;

namespace tradewind::store {

// An array parameter, for `unnest`.
class PostgresArray {
 public:
  // The object ids of the element types, which PostgreSQL never changes.
  enum class Element : uint32_t { kBytea = 17, kBigint = 20, kInteger = 23 };

  // `bytes` is about how long the elements will be altogether.
  PostgresArray(Element element, size_t count, size_t bytes = 0);

  // For kInteger and kBigint.
  PostgresArray& Add(int64_t number);
  // For kBytea.
  PostgresArray& Add(std::string_view bytes);
  PostgresArray& AddNull();

 private:
  friend class PostgresParameters;
  std::string Finish() &&;

  Element element_;
  uint32_t count_ = 0;
  bool has_null_ = false;
  std::string buffer_;
};

// The parameters of one statement, in their order.
class PostgresParameters {
 public:
  PostgresParameters& Integer(int32_t number);
  PostgresParameters& Bigint(int64_t number);
  PostgresParameters& Boolean(bool flag);
  // Not copied: the bytes must live until the statement has been sent.
  PostgresParameters& Bytes(std::string_view bytes);
  PostgresParameters& Array(PostgresArray array);
  PostgresParameters& Null();

  size_t count() const { return values_.size(); }
  size_t total_bytes() const;
  // Pointers and lengths as libpq takes them; valid as long as this is not changed.
  std::vector<const char*> Pointers() const;
  std::vector<int> Lengths() const;

 private:
  struct Value {
    std::string owned;
    std::string_view borrowed;
    bool is_owned = true;
    bool is_null = false;
    std::string_view view() const { return is_owned ? std::string_view(owned) : borrowed; }
  };
  std::vector<Value> values_;
};

// The rows that one statement gave, in binary. Rows and columns count from 0; a column must be of the type asked for.
class PostgresResult {
 public:
  explicit PostgresResult(pg_result* result) : result_(result) {}

  int rows() const;
  // How many rows the statement wrote or removed.
  int64_t changed() const;
  bool IsNull(int row, int column) const;
  bool Boolean(int row, int column) const;
  int32_t Integer(int row, int column) const;
  int64_t Bigint(int row, int column) const;
  // Of a bytea or a text; valid as long as the result.
  std::string_view Bytes(int row, int column) const;
  // Of a bigint[] without nulls.
  std::vector<int64_t> Bigints(int row, int column) const;

 private:
  struct Clearer {
    void operator()(pg_result* result) const;
  };
  std::unique_ptr<pg_result, Clearer> result_;
};

}  // namespace tradewind::store
