#include "tradewind/testing/fake_reader.h"

#include <algorithm>
#include <tuple>

namespace tradewind::testing {

void FakeReader::Put(std::string_view kind, std::string_view key, std::string value,
                     std::vector<store::IndexEntry> entries) {
  const std::lock_guard lock(mutex_);
  Stored& stored = stored_[{std::string(kind), std::string(key)}];
  ++stored.aggregate.version;
  stored.aggregate.value = std::move(value);
  stored.entries = std::move(entries);
}

void FakeReader::FailWith(absl::Status status) {
  const std::lock_guard lock(mutex_);
  failure_ = std::move(status);
}

void FakeReader::Hold() {
  const std::lock_guard lock(mutex_);
  holding_ = true;
}

void FakeReader::Release() {
  const std::lock_guard lock(mutex_);
  holding_ = false;
  released_.notify_all();
}

int FakeReader::held() const {
  const std::lock_guard lock(mutex_);
  return held_;
}

void FakeReader::WaitWhileHeld() {
  std::unique_lock lock(mutex_);
  ++held_;
  released_.wait(lock, [this] { return !holding_; });
  --held_;
}

absl::StatusOr<std::optional<store::Aggregate>> FakeReader::Get(std::string_view kind, std::string_view key) {
  WaitWhileHeld();
  const std::lock_guard lock(mutex_);
  if (!failure_.ok()) return failure_;
  const auto found = stored_.find({std::string(kind), std::string(key)});
  if (found == stored_.end()) return std::optional<store::Aggregate>();
  return std::optional(found->second.aggregate);
}

absl::StatusOr<std::vector<store::ListedAggregate>> FakeReader::List(const store::ListQuery& query) {
  WaitWhileHeld();
  const std::lock_guard lock(mutex_);
  if (!failure_.ok()) return failure_;
  if (query.limit <= 0) return absl::InvalidArgumentError("the limit of a list must be greater than 0");
  std::vector<store::ListedAggregate> listed;
  for (const auto& [id, stored] : stored_) {
    if (id.first != query.kind) continue;
    for (const store::IndexEntry& entry : stored.entries) {
      if (entry.index != query.index || entry.value != query.value) continue;
      listed.push_back({.key = id.second, .value = stored.aggregate.value, .order = entry.order});
    }
  }
  const auto before = [&](const auto& left, const auto& right) {
    return query.descending ? std::tie(left.order, left.key) > std::tie(right.order, right.key)
                            : std::tie(left.order, left.key) < std::tie(right.order, right.key);
  };
  std::sort(listed.begin(), listed.end(), before);
  if (query.after.has_value()) {
    std::erase_if(listed, [&](const store::ListedAggregate& item) { return !before(*query.after, item); });
  }
  if (listed.size() > static_cast<size_t>(query.limit)) listed.resize(static_cast<size_t>(query.limit));
  return listed;
}

absl::StatusOr<std::vector<store::KeptRecord>> FakeReader::ListKept(const store::KeptFilter&, int64_t, int64_t,
                                                                    int64_t) {
  return std::vector<store::KeptRecord>();
}

absl::StatusOr<int64_t> FakeReader::CountKept(std::string_view, store::KeptState) { return 0; }

absl::StatusOr<std::string> FakeReader::ProgressOf(const store::TaskId&) { return ""; }

}  // namespace tradewind::testing
