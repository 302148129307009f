// The keys of a task behind which records wait, and when the first record of each is handled again. The records
// themselves are in the store.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/time/time.h"

namespace tradewind::runtime {

// Not thread-safe. Some 150 bytes a key.
class KeyQueues {
 public:
  KeyQueues() = default;
  // Holds views into itself.
  KeyQueues(KeyQueues&&) = default;
  KeyQueues& operator=(KeyQueues&&) = default;

  // The key has a queue whose first record is due then; absl::InfiniteFuture() when it waits for a person.
  void Put(std::string_view key, absl::Time due);
  void Remove(std::string_view key);

  bool empty() const { return due_.empty(); }
  size_t size() const { return due_.size(); }
  // When the first record of the key's queue is due; nothing where the key has none.
  std::optional<absl::Time> DueOf(const std::string& key) const;
  // Of the key that is due first; absl::InfiniteFuture() where none ever is.
  absl::Time next_due() const { return by_due_.empty() ? absl::InfiniteFuture() : by_due_.begin()->first; }
  // The keys that are due at `now`, earliest first.
  std::vector<std::string> Due(absl::Time now, size_t limit) const;

 private:
  std::unordered_map<std::string, absl::Time> due_;
  // Views into the map's keys, which stay where they are.
  std::set<std::pair<absl::Time, std::string_view>> by_due_;
};

}  // namespace tradewind::runtime
