// Batches that the broker takes and that no client of ours can decompress: every record before and behind them comes
// all the same.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "absl/time/clock.h"

#include "tradewind/bus/internal/client.h"
#include "tradewind/bus/internal/kafka_fixture.h"
#include "tradewind/bus/internal/rdkafka_handle.h"
#include "tradewind/bus/internal/unreadable_batches.h"
#include "tradewind/bus/internal/unreadable_producer.h"
#include "tradewind/bus/kafka_admin.h"
#include "tradewind/bus/partition_reader.h"
#include "tradewind/telemetry/metrics.h"

namespace tradewind::bus {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsSupersetOf;

// What has been seen of a partition, from the first record on.
struct Trace {
  void Add(const Record& record) {
    const absl::Time now = absl::Now();
    longest_wait = std::max(longest_wait, now - last);
    last = now;
    (record.damage().empty() ? offsets : damaged).push_back(record.offset());
    damages.append(record.damage());
  }

  std::vector<int64_t> offsets;
  // Of the records that stand for a batch.
  std::vector<int64_t> damaged;
  std::string damages;
  absl::Time last = absl::InfiniteFuture();
  absl::Duration longest_wait = absl::ZeroDuration();
};

class UnreadableBatch : public ::testing::TestWithParam<int> {
 protected:
  int64_t End() const { return (*KafkaAdmin::Create(config_, "test"))->Range(topic_, 0)->high; }
  // Two records, the batch, two records.
  void FillAround(int count) {
    Fill(config_, topic_, 0, 0, 2);
    AppendUnreadableBatch(config_, topic_, 0, count);
    Fill(config_, topic_, 0, 2, 2);
    ASSERT_EQ(End(), 4 + count);
  }
  double Counted() const {
    return telemetry::NewCounter("tradewind_records_unreadable_total", "", {{"topic", topic_}}).value();
  }
  // Reads until the record before `end` has come.
  Trace ReadAllBy(const std::function<absl::StatusOr<std::optional<Record>>()>& poll, int64_t end) {
    Trace trace;
    const auto step = [&] {
      const auto record = poll();
      ASSERT_TRUE(record.ok()) << record.status();
      if (record->has_value()) trace.Add(**record);
    };
    const auto reached = [&](const std::vector<int64_t>& offsets) {
      return !offsets.empty() && offsets.back() + 1 == end;
    };
    EXPECT_TRUE(WaitFor([&] { return reached(trace.offsets) || reached(trace.damaged); }, step));
    return trace;
  }
  Trace ReadBySource(int64_t from, int64_t end) {
    Member member(config_, UniqueName("group"), {topic_});
    member.listener.start = {{{topic_, 0}, from}};
    Trace trace = ReadAllBy([&] { return member.source->Poll(absl::Milliseconds(50)); }, end);
    // Timers wait for this.
    EXPECT_TRUE(WaitFor([&] { return member.source->CaughtUp(topic_, 0, end); }, [&] { member.Step(); }));
    EXPECT_TRUE(member.seen.empty());
    return trace;
  }
  Trace ReadByReader(int64_t from, int64_t end) {
    const Position position{topic_, 0, from};
    auto reader = PartitionReader::Create(config_, "test", {&position, 1});
    EXPECT_TRUE(reader.ok()) << reader.status();
    Trace trace = ReadAllBy([&] { return (*reader)->Poll(absl::Milliseconds(50)); }, end);
    EXPECT_EQ((*reader)->Next().front().offset, end);
    return trace;
  }

  const KafkaConfig config_ = TestKafka();
  const std::string topic_ = MakeTopic(config_, "unreadable", 1);
};

TEST_P(UnreadableBatch, IsPassedOverByASource) {
  const int count = GetParam();
  FillAround(count);
  const Trace trace = ReadBySource(0, End());
  EXPECT_THAT(trace.offsets, ElementsAre(0, 1, 2 + count, 3 + count));
  // More than one where the machine was too busy to find the end of the batch in time.
  ASSERT_FALSE(trace.damaged.empty());
  EXPECT_EQ(trace.damaged.back(), 1 + count);
  EXPECT_THAT(trace.damages, HasSubstr("from offset 2 to "));
  EXPECT_EQ(Counted(), count);
  RecordProperty("longest_wait_ms", static_cast<int>(absl::ToInt64Milliseconds(trace.longest_wait)));
}

TEST_P(UnreadableBatch, IsPassedOverByAReader) {
  const int count = GetParam();
  FillAround(count);
  const Trace trace = ReadByReader(kFromBeginning, End());
  EXPECT_THAT(trace.offsets, ElementsAre(0, 1, 2 + count, 3 + count));
  ASSERT_FALSE(trace.damaged.empty());
  EXPECT_EQ(trace.damaged.back(), 1 + count);
  EXPECT_EQ(Counted(), count);
  RecordProperty("longest_wait_ms", static_cast<int>(absl::ToInt64Milliseconds(trace.longest_wait)));
}

INSTANTIATE_TEST_SUITE_P(Counts, UnreadableBatch, ::testing::Values(1, 2, 1000),
                         [](const auto& batch) { return "Of" + std::to_string(batch.param); });

using UnreadableBatches = UnreadableBatch;

TEST_F(UnreadableBatches, ArePassedOverFromWithinOneAtTheEndAndInARow) {
  FillAround(5);
  AppendUnreadableBatch(config_, topic_, 0, 7);
  AppendUnreadableBatch(config_, topic_, 0, 1);
  ASSERT_EQ(End(), 17);
  // A task that starts anew reads the last record again that it was done with.
  const Trace by_source = ReadBySource(6, End());
  EXPECT_THAT(by_source.offsets, ElementsAre(7, 8));
  EXPECT_THAT(by_source.damaged, IsSupersetOf({6, 15, 16}));
  EXPECT_EQ(Counted(), 9);
  const Trace by_reader = ReadByReader(4, End());
  EXPECT_THAT(by_reader.offsets, ElementsAre(7, 8));
  EXPECT_THAT(by_reader.damaged, IsSupersetOf({6, 15, 16}));
}

// What a network has damaged: the client has told of an error, and to others the record comes whole.
TEST_F(UnreadableBatches, AreNotSeenWhereRecordsCanBeRead) {
  Fill(config_, topic_, 0, 0, 3);
  auto client = internal::ClientSettings(config_, "test").Build(RD_KAFKA_CONSUMER, nullptr);
  ASSERT_TRUE(client.ok()) << client.status();
  const internal::TopicHandle topic(rd_kafka_topic_new(client->get(), topic_.c_str(), nullptr));
  rd_kafka_message_t error = {};
  error.err = RD_KAFKA_RESP_ERR__BAD_COMPRESSION;
  error.rkt = topic.get();
  error.offset = 1;
  ASSERT_TRUE(internal::UnreadableBatches::IsMeantBy(error));
  internal::UnreadableBatches batches(config_, "test");
  std::vector<int64_t> sought;
  for (int i = 0; i < 7; ++i) {
    const auto instead = batches.Take(error, 0, [&](int64_t offset) {
      sought.push_back(offset);
      return absl::OkStatus();
    });
    EXPECT_FALSE(instead.has_value());
  }
  EXPECT_THAT(sought, ElementsAre(1, 1));
  EXPECT_EQ(Counted(), 0);
}

}  // namespace
}  // namespace tradewind::bus
