#include "tradewind/runtime/aggregate_cache.h"

#include <algorithm>
#include <iterator>

#include "google/protobuf/message.h"

namespace tradewind::runtime {

AggregateCache::Entry& AggregateCache::Add(std::string_view kind, std::string_view key,
                                           const google::protobuf::Message& prototype) {
  Entry& entry = entries_.emplace_back();
  entry.kind = kind;
  entry.key = key;
  entry.state.reset(prototype.New());
  by_id_.emplace(Id{entry.kind, entry.key}, &entry);
  return entry;
}

void AggregateCache::Want(std::string_view kind, std::string_view key, const google::protobuf::Message& prototype) {
  if (!by_id_.contains(Id{kind, key})) wanted_.push_back(&Add(kind, key, prototype));
}

absl::Status AggregateCache::Load() {
  if (wanted_.empty()) return absl::OkStatus();
  std::vector<store::AggregateKey> keys;
  keys.reserve(wanted_.size());
  for (const Entry* entry : wanted_) keys.push_back({entry->kind, entry->key});
  auto loaded = session_.LoadAggregates(keys);
  if (!loaded.ok()) return loaded.status();
  for (size_t i = 0; i < wanted_.size(); ++i) Fill(*wanted_[i], std::move((*loaded)[i]));
  wanted_.clear();
  return absl::OkStatus();
}

void AggregateCache::Fill(Entry& entry, store::Aggregate aggregate) {
  entry.version_ = aggregate.version;
  entry.stored_exists_ = entry.current_exists_ = aggregate.version != 0;
  entry.stored_ = std::move(aggregate.value);
  entry.current_ = entry.stored_;
  entry.exists = entry.current_exists_;
  entry.damaged = !entry.state->ParseFromString(entry.stored_);
  if (entry.damaged) return;
  if (const Indexer* indexer = group_.FindIndexer(entry.kind); indexer != nullptr && entry.stored_exists_) {
    entry.stored_index_ = (*indexer)(*entry.state);
    std::sort(entry.stored_index_.begin(), entry.stored_index_.end());
  }
}

absl::StatusOr<AggregateCache::Entry*> AggregateCache::Touch(const google::protobuf::Message& prototype,
                                                             std::string_view key) {
  const std::string& kind = prototype.GetDescriptor()->full_name();
  const auto found = by_id_.find(Id{kind, key});
  Entry* entry = found == by_id_.end() ? nullptr : found->second;
  if (entry == nullptr) {
    Want(kind, key, prototype);
    entry = wanted_.back();
    if (absl::Status loaded = Load(); !loaded.ok()) {
      // So that a later attempt asks the store again.
      by_id_.erase(Id{kind, key});
      wanted_.clear();
      return loaded;
    }
  }
  if (!entry->damaged && !entry->touched_) {
    entry->touched_ = true;
    touched_.push_back(entry);
  }
  return entry;
}

void AggregateCache::Keep() {
  for (Entry* entry : touched_) {
    entry->touched_ = false;
    entry->used_ = true;
    if (entry->removed) {
      entry->removed = false;
      entry->state->Clear();
      entry->current_.clear();
      entry->current_exists_ = entry->exists = false;
      continue;
    }
    entry->state->SerializeToString(&scratch_);
    entry->current_.swap(scratch_);
    entry->current_exists_ = entry->exists = entry->current_exists_ || !entry->current_.empty();
  }
  touched_.clear();
}

void AggregateCache::TakeBack() {
  for (Entry* entry : touched_) {
    entry->touched_ = entry->removed = false;
    entry->used_ = true;
    entry->state->ParseFromString(entry->current_);
    entry->exists = entry->current_exists_;
  }
  touched_.clear();
}

std::vector<store::AggregateWrite> AggregateCache::Writes() const {
  std::vector<store::AggregateWrite> writes;
  writes.reserve(entries_.size());
  for (const Entry& entry : entries_) {
    if (entry.current_exists_ == entry.stored_exists_ && entry.current_ == entry.stored_) {
      // Another task may change what follows from it: a batch that has gone by it is decided again then.
      if (entry.used_) {
        writes.push_back({.kind = entry.kind, .key = entry.key, .expected_version = entry.version_, .only_read = true});
      }
      continue;
    }
    store::AggregateWrite& write = writes.emplace_back(
        store::AggregateWrite{.kind = entry.kind, .key = entry.key, .expected_version = entry.version_});
    if (entry.current_exists_) write.value = entry.current_;
    const Indexer* indexer = group_.FindIndexer(entry.kind);
    if (indexer == nullptr) continue;
    std::vector<store::IndexEntry> index;
    if (entry.current_exists_) index = (*indexer)(*entry.state);
    std::sort(index.begin(), index.end());
    std::set_difference(entry.stored_index_.begin(), entry.stored_index_.end(), index.begin(), index.end(),
                        std::back_inserter(write.index_removed));
    std::set_difference(index.begin(), index.end(), entry.stored_index_.begin(), entry.stored_index_.end(),
                        std::back_inserter(write.index_added));
  }
  return writes;
}

}  // namespace tradewind::runtime
