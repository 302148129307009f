#include "tradewind/store/postgres_commit.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <numeric>
#include <set>
#include <tuple>
#include <utility>

#include "absl/time/time.h"

#include "tradewind/store/postgres_commit_sql.h"
#include "tradewind/store/short_key.h"

namespace tradewind::store {
namespace {

using Element = PostgresArray::Element;

// PostgreSQL has signed integers only.
constexpr uint64_t kMaxInteger = std::numeric_limits<int64_t>::max();
// PostgreSQL takes messages of up to a gigabyte, and would break the connection over a longer one.
constexpr size_t kMaxBatchBytes = 1'000'000'000;

int64_t ToInteger(uint64_t number) { return static_cast<int64_t>(std::min(number, kMaxInteger)); }

// The places 0 to `count` sorted by `key_of`; those whose key was there before them move to `doubles`.
template <typename KeyOf>
std::vector<size_t> SortPlaces(size_t count, const KeyOf& key_of, std::vector<size_t>& doubles) {
  std::vector<size_t> places(count);
  std::iota(places.begin(), places.end(), size_t{0});
  std::stable_sort(places.begin(), places.end(), [&](size_t a, size_t b) { return key_of(a) < key_of(b); });
  const auto end = std::unique(places.begin(), places.end(), [&](size_t a, size_t b) {
    if (key_of(a) != key_of(b)) return false;
    doubles.push_back(b);
    return true;
  });
  places.erase(end, places.end());
  return places;
}

template <typename Range, typename Get>
PostgresArray Integers(Element element, const Range& range, const Get& get) {
  PostgresArray array(element, range.size());
  for (const auto& item : range) array.Add(static_cast<int64_t>(get(item)));
  return array;
}

template <typename Range, typename Get>
PostgresArray Bytes(const Range& range, const Get& get) {
  size_t total = 0;
  for (const auto& item : range) total += std::string_view(get(item)).size();
  PostgresArray array(Element::kBytea, range.size(), total);
  for (const auto& item : range) array.Add(std::string_view(get(item)));
  return array;
}

// The short forms of keys, and the keys whose short form is another; the latter empty where there are none.
template <typename Range, typename Get>
PostgresArray ShortKeys(const Range& range, const Get& get) {
  size_t total = 0;
  for (const auto& item : range) total += std::min(std::string_view(get(item)).size(), kMaxPlainKeyBytes);
  PostgresArray array(Element::kBytea, range.size(), total);
  std::string buffer;
  for (const auto& item : range) array.Add(ShortKey(get(item), buffer));
  return array;
}

template <typename Range, typename Get>
PostgresArray LongKeys(const Range& range, const Get& get) {
  const auto is_long = [&](const auto& item) { return std::string_view(get(item)).size() > kMaxPlainKeyBytes; };
  if (std::none_of(range.begin(), range.end(), is_long)) return {Element::kBytea, 0};
  PostgresArray array(Element::kBytea, range.size());
  for (const auto& item : range) is_long(item) ? array.Add(std::string_view(get(item))) : array.AddNull();
  return array;
}

// Maps what the server says of its arrays, counted from 1, to places in the batch.
std::vector<size_t> Places(const std::vector<int64_t>& said, const std::vector<size_t>& places,
                           const std::vector<size_t>& more = {}) {
  std::vector<size_t> found = more;
  for (const int64_t place : said) found.push_back(places.at(static_cast<size_t>(place) - 1));
  std::sort(found.begin(), found.end());
  return found;
}

}  // namespace

absl::StatusOr<CommitResult> PostgresCommit::Run() {
  if (absl::Status checked = CheckNumbers(); !checked.ok()) return checked;
  if (absl::Status checked = CheckSize(); !checked.ok()) return checked;
  if (absl::Status resolved = ResolveNames(); !resolved.ok()) return resolved;
  Sort();
  PostgresCall call{kCommitBatch, true, {}};
  AddTasks(call.parameters);
  AddAggregates(call.parameters);
  AddIndexEntries(call.parameters, /*removed=*/true);
  AddIndexEntries(call.parameters, /*removed=*/false);
  AddRequests(call.parameters);
  AddKept(call.parameters);
  AddTimers(call.parameters);
  call.parameters.Boolean(!double_aggregates_.empty() || !double_requests_.empty());
  AddLongKeys(call.parameters);
  AddMarks(call.parameters);
  const absl::StatusOr<PostgresResult> row = link_.Run(call);
  if (!row.ok()) return row.status();
  return Read(*row);
}

absl::Status PostgresCommit::CheckNumbers() const {
  for (const TaskCommit& task : batch_.tasks) {
    if (task.new_emit_sequence <= task.expected_emit_sequence || task.new_emit_sequence > kMaxInteger) {
      return absl::InvalidArgumentError(fmt::format("task {}/{}: emit sequence {} cannot follow {}", task.task.group,
                                                    task.task.partition, task.new_emit_sequence,
                                                    task.expected_emit_sequence));
    }
  }
  return absl::OkStatus();
}

absl::Status PostgresCommit::CheckSize() const {
  size_t bytes = 0;
  for (const TaskCommit& task : batch_.tasks) bytes += task.progress.size() + task.outbox.size();
  for (const AggregateWrite& write : batch_.aggregates) bytes += write.key.size() + write.value.value_or("").size();
  for (const RequestWrite& write : batch_.requests) bytes += write.hash.size() + write.reply.size();
  for (const KeptRecord& kept : batch_.kept) bytes += kept.key.size() + kept.record.size();
  for (const Timer& timer : batch_.timers_set) bytes += timer.key.size() + timer.record.size();
  if (bytes <= kMaxBatchBytes) return absl::OkStatus();
  return absl::InvalidArgumentError(
      fmt::format("a batch of {} bytes is more than PostgreSQL takes ({})", bytes, kMaxBatchBytes));
}

absl::Status PostgresCommit::ResolveNames() {
  PostgresNames& names = link_.names();
  for (const AggregateWrite& write : batch_.aggregates) {
    const absl::StatusOr<int32_t> kind = Kind(write.kind);
    if (!kind.ok()) return kind.status();
    kinds_.push_back(*kind);
    for (auto [entries, ids] :
         {std::pair(&write.index_removed, &removed_indexes_), std::pair(&write.index_added, &added_indexes_)}) {
      for (const IndexEntry& entry : *entries) {
        const auto index = names.Index(link_.connection(), *kind, entry.index, PostgresNames::IfMissing::kAdd);
        if (!index.ok()) return index.status();
        ids->push_back(index->value());
      }
    }
  }
  for (const RequestWrite& write : batch_.requests) {
    const auto method = names.Method(link_.connection(), write.key.method, PostgresNames::IfMissing::kAdd);
    if (!method.ok()) return method.status();
    methods_.push_back(method->value().id);
    std::string_view id = write.key.request_id;
    if (method->value().is_shared) id = ids_with_method_.emplace_back(IdWithMethod(write.key.method, id));
    request_ids_.push_back(id);
    const auto group = names.Group(link_.connection(), write.group, PostgresNames::IfMissing::kAdd);
    if (!group.ok()) return group.status();
    groups_.push_back(group->value());
  }
  return absl::OkStatus();
}

absl::StatusOr<int32_t> PostgresCommit::Kind(std::string_view name) {
  if (last_kind_id_ != 0 && name == last_kind_) return last_kind_id_;
  const auto kind = link_.names().Kind(link_.connection(), name, PostgresNames::IfMissing::kAdd);
  if (!kind.ok()) return kind.status();
  last_kind_ = name;
  last_kind_id_ = kind->value();
  return last_kind_id_;
}

void PostgresCommit::Sort() {
  tasks_.resize(batch_.tasks.size());
  std::iota(tasks_.begin(), tasks_.end(), size_t{0});
  std::stable_sort(tasks_.begin(), tasks_.end(), [this](size_t a, size_t b) {
    const TaskId& left = batch_.tasks[a].task;
    const TaskId& right = batch_.tasks[b].task;
    return std::tie(left.group, left.partition) < std::tie(right.group, right.partition);
  });
  aggregates_ = SortPlaces(
      batch_.aggregates.size(), [this](size_t i) { return std::pair(kinds_[i], batch_.aggregates[i].key); },
      double_aggregates_);
  requests_ = SortPlaces(
      batch_.requests.size(),
      [this](size_t i) { return std::tuple(request_ids_[i], batch_.requests[i].key.caller, methods_[i]); },
      double_requests_);
}

void PostgresCommit::AddTasks(PostgresParameters& parameters) const {
  const auto task = [this](size_t i) -> const TaskCommit& { return batch_.tasks[i]; };
  PostgresArray outbox(Element::kBytea, tasks_.size(), 0);
  for (const size_t i : tasks_) task(i).outbox.empty() ? outbox.AddNull() : outbox.Add(task(i).outbox);
  parameters.Array(Bytes(tasks_, [&](size_t i) { return std::string_view(task(i).task.group); }))
      .Array(Integers(Element::kInteger, tasks_, [&](size_t i) { return task(i).task.partition; }))
      .Array(Integers(Element::kBigint, tasks_, [&](size_t i) { return ToInteger(task(i).expected_epoch); }))
      .Array(Integers(Element::kBigint, tasks_, [&](size_t i) { return ToInteger(task(i).expected_emit_sequence); }))
      .Array(Integers(Element::kBigint, tasks_, [&](size_t i) { return ToInteger(task(i).new_emit_sequence); }))
      .Array(Bytes(tasks_, [&](size_t i) { return task(i).progress; }))
      .Array(std::move(outbox))
      .Array(Integers(Element::kBigint, tasks_, [&](size_t i) { return ToInteger(task(i).outbox_acknowledged); }));
}

void PostgresCommit::AddAggregates(PostgresParameters& parameters) const {
  const auto write = [this](size_t i) -> const AggregateWrite& { return batch_.aggregates[i]; };
  size_t bytes = 0;
  for (const size_t i : aggregates_) bytes += write(i).value.value_or("").size();
  PostgresArray values(Element::kBytea, aggregates_.size(), bytes);
  for (const size_t i : aggregates_) {
    write(i).value.has_value() && !write(i).only_read ? values.Add(*write(i).value) : values.AddNull();
  }
  parameters.Array(Integers(Element::kInteger, aggregates_, [&](size_t i) { return kinds_[i]; }))
      .Array(ShortKeys(aggregates_, [&](size_t i) { return write(i).key; }))
      .Array(Integers(Element::kBigint, aggregates_, [&](size_t i) { return ToInteger(write(i).expected_version); }))
      .Array(std::move(values));
}

void PostgresCommit::AddIndexEntries(PostgresParameters& parameters, bool removed) const {
  const std::vector<int32_t>& indexes = removed ? removed_indexes_ : added_indexes_;
  std::vector<std::pair<const IndexEntry*, std::string_view>> entries;
  entries.reserve(indexes.size());
  for (const AggregateWrite& write : batch_.aggregates) {
    for (const IndexEntry& entry : removed ? write.index_removed : write.index_added) {
      entries.emplace_back(&entry, write.key);
    }
  }
  parameters.Array(Integers(Element::kInteger, indexes, [](int32_t index) { return index; }))
      .Array(ShortKeys(entries, [](const auto& entry) { return std::string_view(entry.first->value); }))
      .Array(Integers(Element::kBigint, entries, [](const auto& entry) { return entry.first->order; }))
      .Array(ShortKeys(entries, [](const auto& entry) { return entry.second; }));
}

void PostgresCommit::AddRequests(PostgresParameters& parameters) const {
  const auto write = [this](size_t i) -> const RequestWrite& { return batch_.requests[i]; };
  parameters.Array(ShortKeys(requests_, [&](size_t i) { return request_ids_[i]; }))
      .Array(ShortKeys(requests_, [&](size_t i) { return write(i).key.caller; }))
      .Array(Integers(Element::kInteger, requests_, [&](size_t i) { return methods_[i]; }))
      .Array(Bytes(requests_, [&](size_t i) { return write(i).hash; }))
      .Array(Bytes(requests_, [&](size_t i) { return write(i).reply; }))
      .Bigint(absl::ToUnixMillis(batch_.now));
}

void PostgresCommit::AddKept(PostgresParameters& parameters) const {
  const std::vector<KeptRecord>& kept = batch_.kept;
  parameters.Array(Bytes(kept, [](const KeptRecord& record) { return std::string_view(record.task.group); }))
      .Array(Integers(Element::kInteger, kept, [](const KeptRecord& record) { return record.task.partition; }))
      .Array(Integers(Element::kInteger, kept, [](const KeptRecord& record) { return record.state; }))
      .Array(ShortKeys(kept, [](const KeptRecord& record) { return std::string_view(record.key); }))
      .Array(Bytes(kept, [](const KeptRecord& record) { return std::string_view(record.source); }))
      .Array(Bytes(kept, [](const KeptRecord& record) { return std::string_view(record.type); }))
      .Array(Bytes(kept, [](const KeptRecord& record) { return std::string_view(record.reason); }))
      .Array(Bytes(kept, [](const KeptRecord& record) { return std::string_view(record.record); }))
      .Array(Integers(Element::kInteger, kept, [](const KeptRecord& record) { return record.queued ? 1 : 0; }))
      .Array(Integers(Element::kInteger, kept, [](const KeptRecord& record) { return record.attempts; }))
      .Array(Integers(Element::kBigint, kept, [](const KeptRecord& record) { return absl::ToUnixMillis(record.due); }));
  const std::vector<KeptUpdate>& updated = batch_.kept_updated;
  parameters.Array(Integers(Element::kBigint, updated, [](const KeptUpdate& update) { return update.id; }))
      .Array(Integers(Element::kInteger, updated, [](const KeptUpdate& update) { return update.state; }))
      .Array(Bytes(updated, [](const KeptUpdate& update) { return std::string_view(update.reason); }))
      .Array(Integers(Element::kInteger, updated, [](const KeptUpdate& update) { return update.attempts; }))
      .Array(
          Integers(Element::kBigint, updated, [](const KeptUpdate& update) { return absl::ToUnixMillis(update.due); }))
      .Array(Integers(Element::kBigint, batch_.kept_removed, [](int64_t id) { return id; }));
}

std::vector<const Timer*> PostgresCommit::TimersSet() const {
  // A statement cannot write one row twice: the last of a name counts.
  std::vector<const Timer*> set;
  std::set<std::tuple<std::string_view, int32_t, std::string_view, std::string_view>> seen;
  for (auto timer = batch_.timers_set.rbegin(); timer != batch_.timers_set.rend(); ++timer) {
    if (seen.emplace(timer->task.group, timer->task.partition, timer->key, timer->name).second) set.push_back(&*timer);
  }
  return set;
}

void PostgresCommit::AddTimers(PostgresParameters& parameters) const {
  const std::vector<TimerKey>& removed = batch_.timers_removed;
  parameters.Array(Bytes(removed, [](const TimerKey& timer) { return std::string_view(timer.task.group); }))
      .Array(Integers(Element::kInteger, removed, [](const TimerKey& timer) { return timer.task.partition; }))
      .Array(ShortKeys(removed, [](const TimerKey& timer) { return std::string_view(timer.key); }))
      .Array(Bytes(removed, [](const TimerKey& timer) { return std::string_view(timer.name); }));
  const std::vector<const Timer*> set = TimersSet();
  parameters.Array(Bytes(set, [](const Timer* timer) { return std::string_view(timer->task.group); }))
      .Array(Integers(Element::kInteger, set, [](const Timer* timer) { return timer->task.partition; }))
      .Array(ShortKeys(set, [](const Timer* timer) { return std::string_view(timer->key); }))
      .Array(Bytes(set, [](const Timer* timer) { return std::string_view(timer->name); }))
      .Array(Integers(Element::kBigint, set, [](const Timer* timer) { return absl::ToUnixMillis(timer->due); }))
      .Array(Bytes(set, [](const Timer* timer) { return std::string_view(timer->record); }));
}

void PostgresCommit::AddLongKeys(PostgresParameters& parameters) const {
  parameters.Array(LongKeys(aggregates_, [this](size_t i) { return batch_.aggregates[i].key; }))
      .Array(LongKeys(batch_.kept, [](const KeptRecord& record) { return std::string_view(record.key); }))
      .Array(LongKeys(TimersSet(), [](const Timer* timer) { return std::string_view(timer->key); }));
}

void PostgresCommit::AddMarks(PostgresParameters& parameters) const {
  const auto only_read = [this](size_t i) {
    return batch_.aggregates[i].only_read && batch_.aggregates[i].expected_version != 0 ? 1 : 0;
  };
  parameters.Array(Integers(Element::kInteger, tasks_, [this](size_t i) { return batch_.tasks[i].ends_takes ? 1 : 0; }))
      .Array(Integers(Element::kInteger, aggregates_, only_read))
      .Array(Integers(Element::kInteger, batch_.kept, [](const KeptRecord& kept) { return kept.ahead ? -1 : 0; }))
      .Array(Integers(Element::kInteger, batch_.kept_updated,
                      [](const KeptUpdate& update) { return static_cast<int32_t>(update.carried_out); }))
      .Array(Integers(Element::kInteger, requests_, [this](size_t i) { return groups_[i]; }))
      .Array(Integers(Element::kInteger, requests_, [this](size_t i) { return batch_.requests[i].partition; }));
}

CommitResult PostgresCommit::Read(const PostgresResult& row) const {
  CommitResult result;
  result.fenced_tasks = Places(row.Bigints(0, 1), tasks_);
  if (!result.fenced_tasks.empty()) {
    result.kind = CommitResult::Kind::kFenced;
    return result;
  }
  result.conflicting_aggregates = Places(row.Bigints(0, 2), aggregates_, double_aggregates_);
  result.conflicting_requests = Places(row.Bigints(0, 3), requests_, double_requests_);
  if (!result.conflicting_aggregates.empty() || !result.conflicting_requests.empty()) {
    result.kind = CommitResult::Kind::kConflict;
    return result;
  }
  const auto version = static_cast<uint64_t>(row.Bigint(0, 0));
  for (const AggregateWrite& write : batch_.aggregates) {
    const uint64_t written = write.value.has_value() ? version : 0;
    result.versions.push_back(write.only_read ? write.expected_version : written);
  }
  result.kept_ids = row.Bigints(0, 4);
  return result;
}

}  // namespace tradewind::store
