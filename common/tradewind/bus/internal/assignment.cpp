#include "tradewind/bus/internal/assignment.h"

namespace tradewind::bus::internal {

size_t Assignment::IndexOf(std::string_view topic) const {
  size_t i = 0;
  while (i < topics_.size() && topics_[i] != topic) {
    ++i;
  }
  return i;
}

void Assignment::Own(absl::Span<const int32_t> partitions) {
  for (const int32_t partition : partitions) {
    lanes_[partition].assign(topics_.size(), Lane{});
  }
}

void Assignment::Disown(absl::Span<const int32_t> partitions) {
  for (const int32_t partition : partitions) {
    lanes_.erase(partition);
  }
}

std::vector<int32_t> Assignment::Owned() const {
  std::vector<int32_t> owned;
  owned.reserve(lanes_.size());
  for (const auto& [partition, lanes] : lanes_) {
    owned.push_back(partition);
  }
  return owned;
}

std::vector<int32_t> Assignment::Owned(absl::Span<const int32_t> partitions) const {
  std::vector<int32_t> owned;
  for (const int32_t partition : partitions) {
    if (Owns(partition)) {
      owned.push_back(partition);
    }
  }
  return owned;
}

Assignment::Lane* Assignment::Find(std::string_view topic, int32_t partition) {
  const auto found = lanes_.find(partition);
  const size_t index = IndexOf(topic);
  return found == lanes_.end() || index == topics_.size() ? nullptr : &found->second[index];
}

std::vector<Assignment::Place> Assignment::LanesOf(absl::Span<const int32_t> partitions) {
  std::vector<Place> places;
  for (const int32_t partition : partitions) {
    const auto found = lanes_.find(partition);
    if (found == lanes_.end()) {
      continue;
    }
    for (size_t i = 0; i < topics_.size(); ++i) {
      places.push_back({&topics_[i], partition, &found->second[i]});
    }
  }
  return places;
}

bool Assignment::Take(std::string_view topic, int32_t partition, int64_t offset) {
  Lane* lane = Find(topic, partition);
  if (lane == nullptr || lane->reading != Reading::kOn || offset < lane->from) {
    return false;
  }
  lane->reached = offset + 1;
  return true;
}

}  // namespace tradewind::bus::internal
