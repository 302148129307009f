#include "tradewind/store/postgres_wire.h"

#include <libpq-fe.h>

#include <charconv>
#include <cstring>
#include <utility>

namespace tradewind::store {
namespace {

// Dimensions, whether there are nulls, the element type, the count, the first subscript.
constexpr size_t kHeaderBytes = 20;
constexpr size_t kLengthBytes = 4;

template <typename Number>
void AppendBigEndian(std::string& out, Number number) {
  for (int shift = (static_cast<int>(sizeof(Number)) - 1) * 8; shift >= 0; shift -= 8) {
    out.push_back(static_cast<char>((number >> shift) & 0xff));
  }
}

template <typename Number>
Number ReadBigEndian(const char* data) {
  Number number = 0;
  for (size_t i = 0; i < sizeof(Number); ++i) number = (number << 8) | static_cast<unsigned char>(data[i]);
  return number;
}

}  // namespace

PostgresArray::PostgresArray(Element element, size_t count, size_t bytes) : element_(element) {
  const size_t width = element == Element::kBytea ? 0 : element == Element::kBigint ? 8 : 4;
  buffer_.reserve(kHeaderBytes + count * (kLengthBytes + width) + bytes);
  buffer_.resize(kHeaderBytes);
}

PostgresArray& PostgresArray::Add(int64_t number) {
  ++count_;
  if (element_ == Element::kBigint) {
    AppendBigEndian(buffer_, uint32_t{8});
    AppendBigEndian(buffer_, static_cast<uint64_t>(number));
  } else {
    AppendBigEndian(buffer_, uint32_t{4});
    AppendBigEndian(buffer_, static_cast<uint32_t>(number));
  }
  return *this;
}

PostgresArray& PostgresArray::Add(std::string_view bytes) {
  ++count_;
  AppendBigEndian(buffer_, static_cast<uint32_t>(bytes.size()));
  buffer_.append(bytes);
  return *this;
}

PostgresArray& PostgresArray::AddNull() {
  ++count_;
  has_null_ = true;
  AppendBigEndian(buffer_, ~uint32_t{0});
  return *this;
}

std::string PostgresArray::Finish() && {
  std::string header;
  header.reserve(kHeaderBytes);
  // An empty array has no dimension, and so neither count nor subscript.
  AppendBigEndian(header, uint32_t{count_ > 0 ? 1u : 0u});
  AppendBigEndian(header, uint32_t{has_null_ ? 1u : 0u});
  AppendBigEndian(header, static_cast<uint32_t>(element_));
  if (count_ == 0) return header;
  AppendBigEndian(header, count_);
  AppendBigEndian(header, uint32_t{1});
  std::memcpy(buffer_.data(), header.data(), kHeaderBytes);
  return std::move(buffer_);
}

PostgresParameters& PostgresParameters::Integer(int32_t number) {
  AppendBigEndian(values_.emplace_back().owned, static_cast<uint32_t>(number));
  return *this;
}

PostgresParameters& PostgresParameters::Bigint(int64_t number) {
  AppendBigEndian(values_.emplace_back().owned, static_cast<uint64_t>(number));
  return *this;
}

PostgresParameters& PostgresParameters::Boolean(bool flag) {
  values_.emplace_back().owned.push_back(flag ? '\1' : '\0');
  return *this;
}

PostgresParameters& PostgresParameters::Bytes(std::string_view bytes) {
  // A null pointer would be NULL, and an empty view may have one.
  values_.push_back({.borrowed = bytes.data() != nullptr ? bytes : std::string_view(""), .is_owned = false});
  return *this;
}

PostgresParameters& PostgresParameters::Array(PostgresArray array) {
  values_.emplace_back().owned = std::move(array).Finish();
  return *this;
}

PostgresParameters& PostgresParameters::Null() {
  values_.push_back({.is_null = true});
  return *this;
}

size_t PostgresParameters::total_bytes() const {
  size_t total = 0;
  for (const Value& value : values_) total += value.view().size() + kLengthBytes;
  return total;
}

std::vector<const char*> PostgresParameters::Pointers() const {
  std::vector<const char*> pointers;
  pointers.reserve(values_.size());
  for (const Value& value : values_) pointers.push_back(value.is_null ? nullptr : value.view().data());
  return pointers;
}

std::vector<int> PostgresParameters::Lengths() const {
  std::vector<int> lengths;
  lengths.reserve(values_.size());
  for (const Value& value : values_) lengths.push_back(static_cast<int>(value.view().size()));
  return lengths;
}

void PostgresResult::Clearer::operator()(pg_result* result) const { PQclear(result); }

int PostgresResult::rows() const { return PQntuples(result_.get()); }

int64_t PostgresResult::changed() const {
  const std::string_view text = PQcmdTuples(result_.get());
  int64_t changed = 0;
  std::from_chars(text.data(), text.data() + text.size(), changed);
  return changed;
}

bool PostgresResult::IsNull(int row, int column) const { return PQgetisnull(result_.get(), row, column) == 1; }

bool PostgresResult::Boolean(int row, int column) const { return *PQgetvalue(result_.get(), row, column) != '\0'; }

int32_t PostgresResult::Integer(int row, int column) const {
  return static_cast<int32_t>(ReadBigEndian<uint32_t>(PQgetvalue(result_.get(), row, column)));
}

int64_t PostgresResult::Bigint(int row, int column) const {
  return static_cast<int64_t>(ReadBigEndian<uint64_t>(PQgetvalue(result_.get(), row, column)));
}

std::string_view PostgresResult::Bytes(int row, int column) const {
  return {PQgetvalue(result_.get(), row, column), static_cast<size_t>(PQgetlength(result_.get(), row, column))};
}

std::vector<int64_t> PostgresResult::Bigints(int row, int column) const {
  constexpr size_t kCountAt = 12;
  std::vector<int64_t> numbers;
  const std::string_view array = Bytes(row, column);
  if (array.size() < kHeaderBytes) return numbers;
  const auto count = ReadBigEndian<uint32_t>(array.data() + kCountAt);
  constexpr size_t kElementBytes = kLengthBytes + sizeof(int64_t);
  for (size_t at = kHeaderBytes; numbers.size() < count && at + kElementBytes <= array.size(); at += kElementBytes) {
    numbers.push_back(static_cast<int64_t>(ReadBigEndian<uint64_t>(array.data() + at + kLengthBytes)));
  }
  return numbers;
}

}  // namespace tradewind::store
