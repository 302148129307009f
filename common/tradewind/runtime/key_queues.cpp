#include "tradewind/runtime/key_queues.h"

namespace tradewind::runtime {

void KeyQueues::Put(std::string_view key, absl::Time due) {
  const auto [entry, added] = due_.try_emplace(std::string(key), due);
  if (!added) {
    by_due_.erase({entry->second, entry->first});
    entry->second = due;
  }
  by_due_.emplace(due, entry->first);
}

void KeyQueues::Remove(std::string_view key) {
  const auto entry = due_.find(std::string(key));
  if (entry == due_.end()) return;
  by_due_.erase({entry->second, entry->first});
  due_.erase(entry);
}

std::optional<absl::Time> KeyQueues::DueOf(const std::string& key) const {
  const auto entry = due_.find(key);
  return entry == due_.end() ? std::nullopt : std::optional(entry->second);
}

std::vector<std::string> KeyQueues::Due(absl::Time now, size_t limit) const {
  std::vector<std::string> keys;
  for (const auto& [due, key] : by_due_) {
    if (due > now || keys.size() == limit) break;
    keys.emplace_back(key);
  }
  return keys;
}

}  // namespace tradewind::runtime
