// A log in memory behind the seams that the runtime has to Kafka: topics with partitions, sources whose ownership a
// test hands out and takes away, sinks that stall and fail on purpose.
//
// For unit tests of the runtime. It refuses what Kafka and its client refuse: topics and partitions that do not exist
// or are not owned, offsets outside the log, records that are too big. It is kinder than a broker otherwise (no
// rebalance takes time, nothing is reordered), so it shows what the runtime does, never that Kafka keeps its promises:
// the integration tests are for that.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "tradewind/bus/event_sink.h"
#include "tradewind/bus/event_source.h"
#include "tradewind/bus/record.h"

namespace tradewind::testing {

// The most that librdkafka takes of one record (message.max.bytes) unless it is told otherwise.
inline constexpr size_t kMaxMessageBytes = 1'000'000;

// What librdkafka compares with message.max.bytes before it takes a record: key, value and headers, each header with
// its lengths, and the most that a record of format 2 needs beside them.
size_t WireSize(const bus::RecordContent& record);

class InMemorySource;
class InMemorySink;

// Thread-safe. Outlives the sources and sinks it made.
class InMemoryKafka {
 public:
  void CreateTopic(const std::string& name, int32_t partitions);
  // Drops the topic's records: what a topic made anew looks like.
  void RecreateTopic(const std::string& name);
  void DeleteTopic(const std::string& name);
  // Drops the records below `offset`, as retention does.
  void DeleteBefore(const std::string& topic, int32_t partition, int64_t offset);

  // Offset of the record.
  int64_t Append(bus::RecordContent content);
  // Leaves `count` offsets without a record that a consumer sees: what the control records of transactions, aborted
  // transactions and compaction leave.
  void AppendGap(const std::string& topic, int32_t partition, int64_t count);
  // The topic takes no record above that many bytes (max.message.bytes), although the client would send it: its
  // delivery fails.
  void LimitRecords(const std::string& topic, size_t max_bytes);
  std::vector<bus::RecordContent> Read(const std::string& topic, int32_t partition) const;
  // Of all partitions of the topic, one partition after the other.
  std::vector<bus::RecordContent> ReadAll(const std::string& topic) const;
  // Waits until all partitions of the topic hold `count` records together; false after ten seconds.
  bool WaitForRecords(const std::string& topic, size_t count) const;
  // Waits until the partition holds a record that `is_wanted`; false after `timeout`.
  bool WaitForRecord(const std::string& topic, int32_t partition,
                     absl::FunctionRef<bool(const bus::RecordContent&)> is_wanted, absl::Duration timeout) const;

  std::map<std::string, int32_t> partition_counts() const;

  // `input_topics` are full names. The source owns nothing until InMemorySource::Assign. Who reads the same topics for
  // another purpose needs a group of its own, whose committed offsets are apart.
  std::unique_ptr<InMemorySource> MakeSource(std::vector<std::string> input_topics, bus::AssignmentListener& listener,
                                             const std::string& group = "");
  std::unique_ptr<InMemorySink> MakeSink();

  void SetCommitted(bus::CommittedOffset offset, const std::string& group = "");
  bus::CommittedOffset Committed(const std::string& topic, int32_t partition, const std::string& group = "") const;

 private:
  friend class InMemorySource;
  friend class InMemorySink;
  struct Partition {
    int64_t low = 0;
    int64_t high = 0;
    // By offset; there may be none at some of them.
    std::vector<bus::RecordContent> records;
    // The first record at `offset` or behind it.
    std::vector<bus::RecordContent>::const_iterator From(int64_t offset) const;
  };
  struct Topic {
    std::vector<Partition> partitions;
    size_t max_record_bytes = kMaxMessageBytes;
  };

  // Null where there is no such partition. The mutex is held.
  Partition* Find(const std::string& topic, int32_t partition);
  // NotFound where it does not exist. The mutex is held.
  absl::Status Check(const std::string& topic, int32_t partition);
  int64_t AppendLocked(bus::RecordContent content);
  // What a broker answers to a record.
  absl::StatusOr<int64_t> Take(bus::RecordContent content);

  // One log for all threads of a test; nothing is fast here.
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::map<std::string, Topic> topics_;
  // By group, topic and partition.
  std::map<std::tuple<std::string, std::string, int32_t>, bus::CommittedOffset> committed_;
};

// Assign, Revoke and Lose may be called by any thread and take effect in the owner's next Poll, which returns no
// record: fetching begins when the assignment was answered. The rest belongs to the thread that polls.
class InMemorySource final : public bus::EventSource {
 public:
  void Assign(std::vector<int32_t> partitions);
  void Revoke(std::vector<int32_t> partitions);
  void Lose(std::vector<int32_t> partitions);
  // Any thread: the next `times` that reading is to go on, it does not.
  void FailResume(int times);
  // Any thread: so many commits of offsets fail from now on.
  void FailCommits(int times);
  // Any thread: how many of the records that Poll has given are still there.
  int records_alive() const { return *alive_; }
  // Any thread. Paused: owned and not read.
  bool owns(int32_t partition) const;
  bool paused(int32_t partition) const;

  absl::StatusOr<std::optional<bus::Record>> Poll(absl::Duration timeout) override;
  absl::Status Pause(absl::Span<const int32_t> partitions) override;
  absl::Status Resume(absl::Span<const bus::Position> positions) override;
  absl::StatusOr<std::vector<bus::CommittedOffset>> Committed(absl::Span<const bus::Position> partitions) override;
  absl::StatusOr<bus::OffsetRange> Range(const std::string& topic, int32_t partition) override;
  std::vector<absl::StatusOr<bus::OffsetRange>> Ranges(absl::Span<const bus::Position> partitions) override;
  // Any thread: how often Kafka was asked for offsets, committed ones or those of logs.
  int questions() const { return questions_; }
  bool CaughtUp(const std::string& topic, int32_t partition, int64_t end) override;
  bool TakeFailedCommits() override;
  absl::Status CommitOffsets(absl::Span<const bus::CommittedOffset> offsets, bool wait) override;
  absl::Status Close(absl::Duration deadline) override;

 private:
  friend class InMemoryKafka;
  using Place = std::pair<int32_t, std::string>;
  struct Change {
    enum class Kind { kAssign, kRevoke, kLose } kind;
    std::vector<int32_t> partitions;
  };

  InMemorySource(InMemoryKafka& kafka, std::vector<std::string> input_topics, bus::AssignmentListener& listener,
                 std::string group)
      : kafka_(kafka), input_topics_(std::move(input_topics)), listener_(listener), group_(std::move(group)) {}
  void Enqueue(Change change);
  void Apply(const Change& change);
  void Drop(const std::vector<int32_t>& partitions);
  // InvalidArgument unless it is a partition of an input topic, among `owned`, and an offset. The kafka's mutex is
  // held.
  absl::Status CheckPosition(const bus::Position& position, absl::Span<const int32_t> owned) const;
  absl::StatusOr<bus::OffsetRange> RangeOf(const std::string& topic, int32_t partition);
  // Nothing when no record waits. Notes in unreadable_ what is to be read outside of its log. The kafka's mutex is
  // held.
  std::optional<bus::Record> Next();
  // The record, counted as long as somebody has it.
  bus::Record Counted(bus::Record record) const;

  InMemoryKafka& kafka_;
  const std::vector<std::string> input_topics_;
  bus::AssignmentListener& listener_;
  const std::string group_;
  // Guarded by the kafka's mutex, as all that follows: tests put changes in and look from other threads.
  std::deque<Change> changes_;
  // Next offset of what is being read.
  std::map<Place, int64_t> reading_;
  // Where each log ended when it was last fetched from: the real client knows no more.
  std::map<Place, int64_t> told_;
  std::vector<int32_t> owned_;
  std::atomic<int> questions_ = 0;
  // Shared with the records, which may outlive the source.
  const std::shared_ptr<std::atomic<int>> alive_ = std::make_shared<std::atomic<int>>(0);
  int failing_resumes_ = 0;
  int failing_commits_ = 0;
  bool failed_commits_ = false;
  // What the listener has yet to be told of.
  std::vector<std::pair<Place, absl::Status>> unreadable_;
  // Why nothing can be read any more.
  absl::Status fatal_;
};

// Thread-safe.
class InMemorySink final : public bus::EventSink {
 public:
  // While corked, nothing reaches the log and nothing is reported.
  void Cork();
  void Uncork();
  // Of the records produced from now on, the one after `records` more fails; everything behind it fails too until
  // Reset.
  void FailAfter(int records);
  // The failing record, and those behind it, reach the log although their delivery is reported as failed.
  void FailAfterAppending(int records);
  // Of the producer: Produce refuses what is bigger.
  void LimitRecords(size_t max_bytes);

  absl::Status Produce(const bus::OutgoingRecord& record, uint64_t token) override;
  int Poll(absl::Duration timeout, absl::FunctionRef<void(const bus::Delivery&)> on_delivery) override;
  absl::Status Reset() override;

 private:
  friend class InMemoryKafka;
  explicit InMemorySink(InMemoryKafka& kafka) : kafka_(kafka) {}
  void Deliver(bus::RecordContent content, uint64_t token);

  InMemoryKafka& kafka_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool corked_ = false;
  bool failing_ = false;
  bool append_failed_ = false;
  int fail_after_ = -1;
  size_t max_record_bytes_ = kMaxMessageBytes;
  std::deque<std::pair<bus::RecordContent, uint64_t>> waiting_;
  std::deque<bus::Delivery> delivered_;
};

}  // namespace tradewind::testing
