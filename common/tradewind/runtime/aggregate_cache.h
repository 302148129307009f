// The aggregates that one batch touches: loaded once, changed in memory message by message, written together.
//
// A message's changes can be taken back: what an aggregate held before the message is kept as bytes, which the final
// write needs anyway.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "google/protobuf/message.h"

#include "tradewind/runtime/group.h"
#include "tradewind/store/store.h"

namespace tradewind::runtime {

// Not thread-safe; lives for one attempt at a batch.
class AggregateCache {
 public:
  struct Entry {
    std::string kind;
    std::string key;
    std::unique_ptr<google::protobuf::Message> state;
    bool exists = false;
    // Set by a handler, taken into account when its message is kept.
    bool removed = false;
    // The stored bytes do not parse. Nobody may look at `state`, and nothing is written.
    bool damaged = false;

   private:
    friend class AggregateCache;
    // As the store has it.
    uint64_t version_ = 0;
    std::string stored_;
    bool stored_exists_ = false;
    std::vector<store::IndexEntry> stored_index_;
    // As the messages kept so far leave it.
    std::string current_;
    bool current_exists_ = false;
    bool touched_ = false;
    // A message that took effect, or was refused for what it saw, has looked at it.
    bool used_ = false;
  };

  AggregateCache(const Group& group, store::Session& session) : group_(group), session_(session) {}

  // Remembers that the aggregate will be needed; Load brings all of them in one query.
  void Want(std::string_view kind, std::string_view key, const google::protobuf::Message& prototype);
  absl::Status Load();

  // The entry, read from the store if it was not wanted before. Valid until the cache is destroyed; marked as touched
  // by the current message.
  absl::StatusOr<Entry*> Touch(const google::protobuf::Message& prototype, std::string_view key);

  // Ends the current message: its changes stay, or are taken back.
  void Keep();
  void TakeBack();

  // What has to be written, and what was read and has to be as it was. Views into the cache.
  std::vector<store::AggregateWrite> Writes() const;

 private:
  struct Id {
    std::string_view kind;
    std::string_view key;
    friend bool operator==(const Id&, const Id&) = default;
  };
  struct IdHash {
    size_t operator()(const Id& id) const {
      return std::hash<std::string_view>{}(id.key) * 31 + std::hash<std::string_view>{}(id.kind);
    }
  };

  Entry& Add(std::string_view kind, std::string_view key, const google::protobuf::Message& prototype);
  void Fill(Entry& entry, store::Aggregate aggregate);

  const Group& group_;
  store::Session& session_;
  std::deque<Entry> entries_;
  std::unordered_map<Id, Entry*, IdHash> by_id_;
  // Wanted and not loaded yet.
  std::vector<Entry*> wanted_;
  std::vector<Entry*> touched_;
  std::string scratch_;
};

}  // namespace tradewind::runtime
