#include "tradewind/testing/in_memory_kafka.h"

#include <algorithm>
#include <chrono>

#include "absl/time/clock.h"

namespace tradewind::testing {

void InMemoryKafka::CreateTopic(const std::string& name, int32_t partitions) {
  const std::lock_guard lock(mutex_);
  topics_[name].resize(static_cast<size_t>(partitions));
}

void InMemoryKafka::RecreateTopic(const std::string& name) {
  const std::lock_guard lock(mutex_);
  for (Partition& partition : topics_.at(name)) partition = {};
}

void InMemoryKafka::DeleteBefore(const std::string& topic, int32_t partition, int64_t offset) {
  const std::lock_guard lock(mutex_);
  Partition& log = topics_.at(topic).at(static_cast<size_t>(partition));
  log.records.erase(log.records.begin(), log.records.begin() + (offset - log.low));
  log.low = offset;
}

int64_t InMemoryKafka::Append(bus::RecordContent content) {
  const std::lock_guard lock(mutex_);
  Partition& log = topics_.at(content.topic).at(static_cast<size_t>(content.partition));
  content.offset = log.high();
  if (content.timestamp_ms == 0) content.timestamp_ms = absl::ToUnixMillis(absl::Now());
  log.records.push_back(std::move(content));
  changed_.notify_all();
  return log.high() - 1;
}

std::vector<bus::RecordContent> InMemoryKafka::Read(const std::string& topic, int32_t partition) const {
  const std::lock_guard lock(mutex_);
  return topics_.at(topic).at(static_cast<size_t>(partition)).records;
}

std::vector<bus::RecordContent> InMemoryKafka::ReadAll(const std::string& topic) const {
  const std::lock_guard lock(mutex_);
  std::vector<bus::RecordContent> all;
  for (const Partition& partition : topics_.at(topic)) {
    all.insert(all.end(), partition.records.begin(), partition.records.end());
  }
  return all;
}

bool InMemoryKafka::WaitForRecords(const std::string& topic, size_t count) const {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, std::chrono::seconds(10), [&] {
    size_t records = 0;
    for (const Partition& partition : topics_.at(topic)) records += partition.records.size();
    return records >= count;
  });
}

std::map<std::string, int32_t> InMemoryKafka::partition_counts() const {
  const std::lock_guard lock(mutex_);
  std::map<std::string, int32_t> counts;
  for (const auto& [name, partitions] : topics_) counts[name] = static_cast<int32_t>(partitions.size());
  return counts;
}

std::unique_ptr<InMemorySource> InMemoryKafka::MakeSource(std::vector<std::string> input_topics,
                                                          bus::AssignmentListener& listener) {
  return std::unique_ptr<InMemorySource>(new InMemorySource(*this, std::move(input_topics), listener));
}

std::unique_ptr<InMemorySink> InMemoryKafka::MakeSink() {
  return std::unique_ptr<InMemorySink>(new InMemorySink(*this));
}

void InMemoryKafka::SetCommitted(bus::CommittedOffset offset) {
  const std::lock_guard lock(mutex_);
  committed_[{offset.topic, offset.partition}] = std::move(offset);
}

bus::CommittedOffset InMemoryKafka::Committed(const std::string& topic, int32_t partition) const {
  const std::lock_guard lock(mutex_);
  const auto found = committed_.find({topic, partition});
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

std::optional<bus::Record> InMemorySource::Next() {
  for (auto& [place, offset] : reading_) {
    const auto& log = kafka_.topics_.at(place.second).at(static_cast<size_t>(place.first));
    if (offset >= log.high()) continue;
    offset = std::max(offset, log.low);
    return bus::Record::FromContent(log.records.at(static_cast<size_t>(offset++ - log.low)));
  }
  return std::nullopt;
}

absl::StatusOr<std::optional<bus::Record>> InMemorySource::Poll(absl::Duration timeout) {
  std::unique_lock lock(kafka_.mutex_);
  const auto deadline = std::chrono::steady_clock::now() + absl::ToChronoNanoseconds(timeout);
  while (true) {
    while (!changes_.empty()) {
      const Change change = std::move(changes_.front());
      changes_.pop_front();
      lock.unlock();
      Apply(change);
      lock.lock();
    }
    if (auto record = Next()) return record;
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
  for (const bus::Position& position : positions) reading_[{position.partition, position.topic}] = position.offset;
  return absl::OkStatus();
}

absl::StatusOr<std::vector<bus::CommittedOffset>> InMemorySource::Committed(
    absl::Span<const bus::Position> partitions) {
  std::vector<bus::CommittedOffset> committed;
  for (const bus::Position& position : partitions) {
    committed.push_back(kafka_.Committed(position.topic, position.partition));
  }
  return committed;
}

absl::StatusOr<bus::OffsetRange> InMemorySource::Range(const std::string& topic, int32_t partition) {
  const std::lock_guard lock(kafka_.mutex_);
  const auto& log = kafka_.topics_.at(topic).at(static_cast<size_t>(partition));
  return bus::OffsetRange{.low = log.low, .high = log.high()};
}

absl::Status InMemorySource::CommitOffsets(absl::Span<const bus::CommittedOffset> offsets, bool /*wait*/) {
  for (const bus::CommittedOffset& offset : offsets) kafka_.SetCommitted(offset);
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

absl::Status InMemorySink::Produce(const bus::OutgoingRecord& record, uint64_t token) {
  const std::lock_guard lock(mutex_);
  bus::RecordContent content{.topic = std::string(record.topic),
                             .partition = record.partition,
                             .key = std::string(record.key),
                             .value = std::string(record.value)};
  for (const bus::HeaderView& header : record.headers) content.headers.emplace_back(header.name, header.value);
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
  if (!failing_ || append_failed_) delivery.offset = kafka_.Append(std::move(content));
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
