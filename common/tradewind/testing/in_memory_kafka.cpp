#include "tradewind/testing/in_memory_kafka.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

#include "absl/time/clock.h"

namespace tradewind::testing {
namespace {

// RD_KAFKAP_MESSAGE_V2_MAX_OVERHEAD of librdkafka's rdkafka_proto.h: lengths, attributes and deltas at their longest.
constexpr size_t kMaxRecordOverhead = 5 + 1 + 10 + 5 + 5 + 5 + 5;

// Bytes of a length in the protocol's zigzag variable-length form.
size_t LengthSize(size_t length) {
  size_t bytes = 1;
  for (uint64_t rest = uint64_t{length} * 2; rest >= 0x80; rest >>= 7) ++bytes;
  return bytes;
}

}  // namespace

size_t WireSize(const bus::RecordContent& record) {
  size_t size = kMaxRecordOverhead + record.key.size() + record.value.size();
  for (const auto& [name, value] : record.headers) {
    size += LengthSize(name.size()) + name.size() + LengthSize(value.size()) + value.size();
  }
  return size;
}

std::vector<bus::RecordContent>::const_iterator InMemoryKafka::Partition::From(int64_t offset) const {
  return std::lower_bound(records.begin(), records.end(), offset,
                          [](const bus::RecordContent& record, int64_t wanted) { return record.offset < wanted; });
}

void InMemoryKafka::CreateTopic(const std::string& name, int32_t partitions) {
  const std::lock_guard lock(mutex_);
  topics_[name].partitions.resize(static_cast<size_t>(partitions));
}

void InMemoryKafka::RecreateTopic(const std::string& name) {
  const std::lock_guard lock(mutex_);
  for (Partition& partition : topics_.at(name).partitions) partition = {};
  // A broker takes longer than a millisecond. Without this wait, equal records of both logs could have equal
  // timestamps.
  const int64_t deleted_ms = absl::ToUnixMillis(absl::Now());
  while (absl::ToUnixMillis(absl::Now()) <= deleted_ms) std::this_thread::yield();
}

void InMemoryKafka::DeleteTopic(const std::string& name) {
  const std::lock_guard lock(mutex_);
  topics_.erase(name);
}

void InMemoryKafka::DeleteBefore(const std::string& topic, int32_t partition, int64_t offset) {
  const std::lock_guard lock(mutex_);
  Partition& log = topics_.at(topic).partitions.at(static_cast<size_t>(partition));
  log.records.erase(log.records.begin(), log.From(offset));
  log.low = offset;
  log.high = std::max(log.high, offset);
}

InMemoryKafka::Partition* InMemoryKafka::Find(const std::string& topic, int32_t partition) {
  const auto found = topics_.find(topic);
  if (found == topics_.end() || partition < 0) return nullptr;
  auto& partitions = found->second.partitions;
  return static_cast<size_t>(partition) < partitions.size() ? &partitions[static_cast<size_t>(partition)] : nullptr;
}

absl::Status InMemoryKafka::Check(const std::string& topic, int32_t partition) {
  if (Find(topic, partition) != nullptr) return absl::OkStatus();
  return absl::NotFoundError(fmt::format("there is no partition {}-{}", topic, partition));
}

int64_t InMemoryKafka::AppendLocked(bus::RecordContent content) {
  Partition& log = topics_.at(content.topic).partitions.at(static_cast<size_t>(content.partition));
  content.offset = log.high++;
  if (content.timestamp_ms == 0) content.timestamp_ms = absl::ToUnixMillis(absl::Now());
  log.records.push_back(std::move(content));
  changed_.notify_all();
  return log.high - 1;
}

int64_t InMemoryKafka::Append(bus::RecordContent content) {
  const std::lock_guard lock(mutex_);
  return AppendLocked(std::move(content));
}

absl::StatusOr<int64_t> InMemoryKafka::Take(bus::RecordContent content) {
  const std::lock_guard lock(mutex_);
  if (absl::Status found = Check(content.topic, content.partition); !found.ok()) return found;
  const size_t size = WireSize(content);
  const size_t limit = topics_.at(content.topic).max_record_bytes;
  if (size > limit) {
    return absl::InvalidArgumentError(fmt::format("{} takes no record of {} bytes", content.topic, size));
  }
  return AppendLocked(std::move(content));
}

void InMemoryKafka::AppendGap(const std::string& topic, int32_t partition, int64_t count) {
  const std::lock_guard lock(mutex_);
  topics_.at(topic).partitions.at(static_cast<size_t>(partition)).high += count;
}

void InMemoryKafka::LimitRecords(const std::string& topic, size_t max_bytes) {
  const std::lock_guard lock(mutex_);
  topics_.at(topic).max_record_bytes = max_bytes;
}

std::vector<bus::RecordContent> InMemoryKafka::Read(const std::string& topic, int32_t partition) const {
  const std::lock_guard lock(mutex_);
  return topics_.at(topic).partitions.at(static_cast<size_t>(partition)).records;
}

std::vector<bus::RecordContent> InMemoryKafka::ReadAll(const std::string& topic) const {
  const std::lock_guard lock(mutex_);
  std::vector<bus::RecordContent> all;
  for (const Partition& partition : topics_.at(topic).partitions) {
    all.insert(all.end(), partition.records.begin(), partition.records.end());
  }
  return all;
}

bool InMemoryKafka::WaitForRecords(const std::string& topic, size_t count) const {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, std::chrono::seconds(10), [&] {
    size_t records = 0;
    for (const Partition& partition : topics_.at(topic).partitions) records += partition.records.size();
    return records >= count;
  });
}

bool InMemoryKafka::WaitForRecord(const std::string& topic, int32_t partition,
                                  absl::FunctionRef<bool(const bus::RecordContent&)> is_wanted,
                                  absl::Duration timeout) const {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, absl::ToChronoNanoseconds(timeout), [&] {
    const auto& records = topics_.at(topic).partitions.at(static_cast<size_t>(partition)).records;
    return std::any_of(records.begin(), records.end(), is_wanted);
  });
}

std::map<std::string, int32_t> InMemoryKafka::partition_counts() const {
  const std::lock_guard lock(mutex_);
  std::map<std::string, int32_t> counts;
  for (const auto& [name, topic] : topics_) counts[name] = static_cast<int32_t>(topic.partitions.size());
  return counts;
}

std::unique_ptr<InMemorySource> InMemoryKafka::MakeSource(std::vector<std::string> input_topics,
                                                          bus::AssignmentListener& listener, const std::string& group) {
  return std::unique_ptr<InMemorySource>(new InMemorySource(*this, std::move(input_topics), listener, group));
}

std::unique_ptr<InMemorySink> InMemoryKafka::MakeSink() {
  return std::unique_ptr<InMemorySink>(new InMemorySink(*this));
}

void InMemoryKafka::SetCommitted(bus::CommittedOffset offset, const std::string& group) {
  const std::lock_guard lock(mutex_);
  committed_[{group, offset.topic, offset.partition}] = std::move(offset);
}

bus::CommittedOffset InMemoryKafka::Committed(const std::string& topic, int32_t partition,
                                              const std::string& group) const {
  const std::lock_guard lock(mutex_);
  const auto found = committed_.find({group, topic, partition});
  if (found != committed_.end()) return found->second;
  return {.topic = topic, .partition = partition};
}

void InMemorySource::Assign(std::vector<int32_t> partitions) {
  Enqueue({Change::Kind::kAssign, std::move(partitions)});
}
void InMemorySource::Revoke(std::vector<int32_t> partitions) {
  Enqueue({Change::Kind::kRevoke, std::move(partitions)});
}
void InMemorySource::Lose(std::vector<int32_t> partitions) { Enqueue({Change::Kind::kLose, std::move(partitions)}); }

bool InMemorySource::owns(int32_t partition) const {
  const std::lock_guard lock(kafka_.mutex_);
  return std::find(owned_.begin(), owned_.end(), partition) != owned_.end();
}

bool InMemorySource::paused(int32_t partition) const {
  if (!owns(partition)) return false;
  const std::lock_guard lock(kafka_.mutex_);
  return std::none_of(reading_.begin(), reading_.end(),
                      [&](const auto& place) { return place.first.first == partition; });
}

void InMemorySource::Enqueue(Change change) {
  const std::lock_guard lock(kafka_.mutex_);
  changes_.push_back(std::move(change));
  kafka_.changed_.notify_all();
}

void InMemorySource::Apply(const Change& change) {
  switch (change.kind) {
    case Change::Kind::kAssign: {
      const std::vector<bus::Position> positions = listener_.OnAssigned(change.partitions);
      const std::lock_guard lock(kafka_.mutex_);
      owned_.insert(owned_.end(), change.partitions.begin(), change.partitions.end());
      for (const bus::Position& position : positions) {
        if (absl::Status known = CheckPosition(position, change.partitions); !known.ok()) {
          fatal_ = std::move(known);
          return;
        }
      }
      for (const bus::Position& position : positions) reading_[{position.partition, position.topic}] = position.offset;
      break;
    }
    case Change::Kind::kRevoke:
      listener_.OnRevoked(change.partitions);
      Drop(change.partitions);
      break;
    case Change::Kind::kLose:
      listener_.OnLost(change.partitions);
      Drop(change.partitions);
      break;
  }
}

void InMemorySource::Drop(const std::vector<int32_t>& partitions) {
  const auto gone = [&](int32_t partition) {
    return std::find(partitions.begin(), partitions.end(), partition) != partitions.end();
  };
  const std::lock_guard lock(kafka_.mutex_);
  std::erase_if(owned_, gone);
  std::erase_if(reading_, [&](const auto& place) { return gone(place.first.first); });
}

absl::Status InMemorySource::CheckPosition(const bus::Position& position, absl::Span<const int32_t> owned) const {
  const auto holds = [](const auto& list, const auto& wanted) {
    return std::find(list.begin(), list.end(), wanted) != list.end();
  };
  const bool known = holds(input_topics_, position.topic) && holds(owned, position.partition) && position.offset >= 0;
  if (known) return absl::OkStatus();
  return absl::InvalidArgumentError(fmt::format("cannot read {}-{} at {}: not an owned partition of an input topic",
                                                position.topic, position.partition, position.offset));
}

std::optional<bus::Record> InMemorySource::Next() {
  for (auto& [place, offset] : reading_) {
    const InMemoryKafka::Partition* log = kafka_.Find(place.second, place.first);
    // A topic that was deleted gives nothing: the real client goes on asking for it.
    if (log == nullptr) continue;
    if (offset < log->low || offset > log->high) {
      unreadable_.emplace_back(
          place, absl::OutOfRangeError(fmt::format("{}-{} is to be read from offset {}, but the log holds [{}, {})",
                                                   place.second, place.first, offset, log->low, log->high)));
      continue;
    }
    told_[place] = log->high;
    const auto record = log->From(offset);
    if (record == log->records.end()) continue;
    offset = record->offset + 1;
    return Counted(bus::Record::FromContent(*record));
  }
  return std::nullopt;
}

bus::Record InMemorySource::Counted(bus::Record record) const {
  struct Given {
    bus::Record record;
    std::shared_ptr<std::atomic<int>> alive;
  };
  auto* const given = new Given{std::move(record), alive_};
  ++*alive_;
  bus::Record::Owner owner(given, [](void* memory) {
    auto* const gone = static_cast<Given*>(memory);
    --*gone->alive;
    delete gone;
  });
  const bus::Record& inside = given->record;
  return bus::Record(std::move(owner), inside.topic(), inside.partition(), inside.offset(), inside.timestamp_ms(),
                     inside.key(), inside.value(),
                     bus::Record::Headers(inside.headers().begin(), inside.headers().end()), inside.damage());
}

absl::StatusOr<std::optional<bus::Record>> InMemorySource::Poll(absl::Duration timeout) {
  std::unique_lock lock(kafka_.mutex_);
  const auto deadline = std::chrono::steady_clock::now() + absl::ToChronoNanoseconds(timeout);
  while (true) {
    const bool changed = !changes_.empty();
    while (!changes_.empty()) {
      const Change change = std::move(changes_.front());
      changes_.pop_front();
      lock.unlock();
      Apply(change);
      lock.lock();
    }
    if (!fatal_.ok()) return fatal_;
    if (changed) return std::nullopt;
    auto record = Next();
    for (const auto& [place, why] : std::exchange(unreadable_, {})) {
      reading_.erase(place);
      lock.unlock();
      listener_.OnUnreadable(place.first, why);
      lock.lock();
    }
    if (record.has_value()) return record;
    if (kafka_.changed_.wait_until(lock, deadline) == std::cv_status::timeout) return std::nullopt;
  }
}

absl::Status InMemorySource::Pause(absl::Span<const int32_t> partitions) {
  const std::lock_guard lock(kafka_.mutex_);
  for (const int32_t partition : partitions) {
    std::erase_if(reading_, [&](const auto& place) { return place.first.first == partition; });
  }
  return absl::OkStatus();
}

void InMemorySource::FailResume(int times) {
  const std::lock_guard lock(kafka_.mutex_);
  failing_resumes_ = times;
}

absl::Status InMemorySource::Resume(absl::Span<const bus::Position> positions) {
  const std::lock_guard lock(kafka_.mutex_);
  if (failing_resumes_ > 0) {
    --failing_resumes_;
    return absl::UnavailableError("told to fail");
  }
  for (const bus::Position& position : positions) {
    if (absl::Status known = CheckPosition(position, owned_); !known.ok()) return known;
  }
  for (const bus::Position& position : positions) reading_[{position.partition, position.topic}] = position.offset;
  return absl::OkStatus();
}

absl::StatusOr<std::vector<bus::CommittedOffset>> InMemorySource::Committed(
    absl::Span<const bus::Position> partitions) {
  ++questions_;
  std::vector<bus::CommittedOffset> committed;
  for (const bus::Position& position : partitions) {
    committed.push_back(kafka_.Committed(position.topic, position.partition, group_));
  }
  return committed;
}

absl::StatusOr<bus::OffsetRange> InMemorySource::Range(const std::string& topic, int32_t partition) {
  ++questions_;
  return RangeOf(topic, partition);
}

std::vector<absl::StatusOr<bus::OffsetRange>> InMemorySource::Ranges(absl::Span<const bus::Position> partitions) {
  ++questions_;
  std::vector<absl::StatusOr<bus::OffsetRange>> ranges;
  for (const bus::Position& position : partitions) ranges.push_back(RangeOf(position.topic, position.partition));
  return ranges;
}

absl::StatusOr<bus::OffsetRange> InMemorySource::RangeOf(const std::string& topic, int32_t partition) {
  const std::lock_guard lock(kafka_.mutex_);
  if (absl::Status found = kafka_.Check(topic, partition); !found.ok()) return found;
  const InMemoryKafka::Partition& log = *kafka_.Find(topic, partition);
  return bus::OffsetRange{.low = log.low, .high = log.high};
}

void InMemorySource::FailCommits(int times) {
  const std::lock_guard lock(kafka_.mutex_);
  failing_commits_ = times;
}

bool InMemorySource::CaughtUp(const std::string& topic, int32_t partition, int64_t end) {
  const std::lock_guard lock(kafka_.mutex_);
  const auto place = reading_.find({partition, topic});
  const auto told = told_.find({partition, topic});
  return place != reading_.end() && told != told_.end() && place->second >= std::max(told->second, end);
}

bool InMemorySource::TakeFailedCommits() {
  const std::lock_guard lock(kafka_.mutex_);
  return std::exchange(failed_commits_, false);
}

absl::Status InMemorySource::CommitOffsets(absl::Span<const bus::CommittedOffset> offsets, bool wait) {
  const std::lock_guard lock(kafka_.mutex_);
  absl::Status status;
  if (failing_commits_ > 0) {
    --failing_commits_;
    status = absl::UnavailableError("told to fail");
  }
  for (const bus::CommittedOffset& offset : offsets) {
    if (status.ok()) status = kafka_.Check(offset.topic, offset.partition);
  }
  if (!status.ok()) {
    // Who does not wait is told later.
    failed_commits_ = failed_commits_ || !wait;
    return wait ? status : absl::OkStatus();
  }
  for (const bus::CommittedOffset& offset : offsets)
    kafka_.committed_[{group_, offset.topic, offset.partition}] = offset;
  return absl::OkStatus();
}

absl::Status InMemorySource::Close(absl::Duration /*deadline*/) {
  if (!owned_.empty()) Apply({Change::Kind::kRevoke, std::vector<int32_t>(owned_)});
  return absl::OkStatus();
}

void InMemorySink::Cork() {
  const std::lock_guard lock(mutex_);
  corked_ = true;
}

void InMemorySink::Uncork() {
  const std::lock_guard lock(mutex_);
  corked_ = false;
  for (auto& [content, token] : waiting_) Deliver(std::move(content), token);
  waiting_.clear();
}

void InMemorySink::FailAfter(int records) {
  const std::lock_guard lock(mutex_);
  fail_after_ = records;
  append_failed_ = false;
}

void InMemorySink::FailAfterAppending(int records) {
  const std::lock_guard lock(mutex_);
  fail_after_ = records;
  append_failed_ = true;
}

void InMemorySink::LimitRecords(size_t max_bytes) {
  const std::lock_guard lock(mutex_);
  max_record_bytes_ = max_bytes;
}

absl::Status InMemorySink::Produce(const bus::OutgoingRecord& record, uint64_t token) {
  const std::lock_guard lock(mutex_);
  bus::RecordContent content{.topic = std::string(record.topic),
                             .partition = record.partition,
                             .key = std::string(record.key),
                             .value = std::string(record.value)};
  for (const bus::HeaderView& header : record.headers) content.headers.emplace_back(header.name, header.value);
  if (const size_t size = WireSize(content); size > max_record_bytes_) {
    return absl::InvalidArgumentError(
        fmt::format("record of {} bytes for {}-{}: message too large", size, content.topic, content.partition));
  }
  {
    const std::lock_guard kafka_lock(kafka_.mutex_);
    if (absl::Status found = kafka_.Check(content.topic, content.partition); !found.ok()) {
      return absl::InvalidArgumentError(found.message());
    }
  }
  if (corked_) {
    waiting_.emplace_back(std::move(content), token);
  } else {
    Deliver(std::move(content), token);
  }
  return absl::OkStatus();
}

void InMemorySink::Deliver(bus::RecordContent content, uint64_t token) {
  if (fail_after_ >= 0 && fail_after_-- == 0) failing_ = true;
  bus::Delivery delivery{.token = token, .partition = content.partition};
  if (failing_) {
    delivery.status = absl::UnavailableError("failed on purpose");
    delivery.certainly_absent = !append_failed_;
  }
  if (!failing_ || append_failed_) {
    const absl::StatusOr<int64_t> offset = kafka_.Take(std::move(content));
    if (offset.ok()) {
      delivery.offset = *offset;
    } else {
      // A producer without gaps fails everything behind it too.
      failing_ = true;
      append_failed_ = false;
      delivery.status = offset.status();
      delivery.certainly_absent = true;
    }
  }
  delivered_.push_back(std::move(delivery));
  changed_.notify_all();
}

int InMemorySink::Poll(absl::Duration timeout, absl::FunctionRef<void(const bus::Delivery&)> on_delivery) {
  std::deque<bus::Delivery> delivered;
  {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, absl::ToChronoNanoseconds(timeout), [this] { return !delivered_.empty(); });
    delivered.swap(delivered_);
  }
  for (const bus::Delivery& delivery : delivered) on_delivery(delivery);
  return static_cast<int>(delivered.size());
}

absl::Status InMemorySink::Reset() {
  const std::lock_guard lock(mutex_);
  waiting_.clear();
  delivered_.clear();
  failing_ = false;
  return absl::OkStatus();
}

}  // namespace tradewind::testing
