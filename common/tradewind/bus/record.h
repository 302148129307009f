// One record as it was read from a topic, with views into the memory that the reader owns.
//
// Used by the runtime, the gateway's reply reader and the command line tools. A Record never copies its payload: the
// views live as long as the Record (moving it keeps them valid). One that was read must be gone before the source or
// reader it came from.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/types/span.h"

namespace tradewind::bus {

struct HeaderView {
  std::string_view name;
  std::string_view value;
};

// What a Record is made of when it does not come from a broker: tests, and records kept in a store.
struct RecordContent {
  std::string topic;
  int32_t partition = 0;
  int64_t offset = 0;
  int64_t timestamp_ms = 0;
  std::string key;
  std::string value;
  std::vector<std::pair<std::string, std::string>> headers;
  // False for a tombstone: a record whose value is null, not empty.
  bool has_value = true;
  // As Record::damage.
  std::string damage = {};
};

// Move-only. Not thread-safe; may be moved to another thread.
class Record {
 public:
  using Headers = absl::InlinedVector<HeaderView, 16>;
  // Keeps alive what the views point into.
  using Owner = std::unique_ptr<void, void (*)(void*)>;

  Record() : owner_(nullptr, [](void*) {}) {}
  // A `value` without data is a null value.
  Record(Owner owner, std::string_view topic, int32_t partition, int64_t offset, int64_t timestamp_ms,
         std::string_view key, std::string_view value, Headers headers, std::string_view damage = {})
      : owner_(std::move(owner)),
        topic_(topic),
        partition_(partition),
        offset_(offset),
        timestamp_ms_(timestamp_ms),
        key_(key),
        value_(value),
        headers_(std::move(headers)),
        damage_(damage) {}
  Record(Record&&) = default;
  Record& operator=(Record&&) = default;

  // Takes over content that did not come from a broker.
  static Record FromContent(RecordContent content);
  // What is handed out in place of records that cannot be read: see damage. `offset` is the last of theirs.
  static Record Unreadable(std::string topic, int32_t partition, int64_t offset, std::string damage);

  std::string_view topic() const { return topic_; }
  int32_t partition() const { return partition_; }
  int64_t offset() const { return offset_; }
  int64_t timestamp_ms() const { return timestamp_ms_; }
  std::string_view key() const { return key_; }
  // Empty where the value is empty, and where there is none.
  std::string_view value() const { return value_; }
  // False for a tombstone: a record whose value is null.
  bool has_value() const { return value_.data() != nullptr; }
  absl::Span<const HeaderView> headers() const { return headers_; }
  // Why nothing can be read of the records in whose place this one stands, which has neither key, value nor headers.
  // Empty for every other record.
  std::string_view damage() const { return damage_; }
  // The last header of that name, or an empty view where there is none.
  std::string_view header(std::string_view name) const;

 private:
  Owner owner_;
  std::string_view topic_;
  int32_t partition_ = 0;
  int64_t offset_ = 0;
  int64_t timestamp_ms_ = 0;
  std::string_view key_;
  std::string_view value_;
  Headers headers_;
  std::string_view damage_;
};

// The bytes of key, value and headers: what a record costs whoever holds it.
int64_t SizeOf(const Record& record);

// FNV-1a 64 over timestamp, key and value: tells a record from the one that took its offset in a recreated topic.
uint64_t Fingerprint(const Record& record);

}  // namespace tradewind::bus
