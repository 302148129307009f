#include "tradewind/bus/partition_reader.h"

#include <gtest/gtest.h>

#include "tradewind/bus/internal/kafka_fixture.h"
#include "tradewind/bus/internal/transactional_producer.h"

namespace tradewind::bus {
namespace {

// What a reader that begins at the beginning has seen once it came to the end of partition 0.
struct Seen {
  std::vector<int64_t> offsets;
  int64_t end = -1;
};

Seen ReadToTheEnd(const KafkaConfig& config, const std::string& topic) {
  const Position position{topic, 0, kFromBeginning};
  auto reader = PartitionReader::Create(config, "test", {&position, 1}, Isolation::kCommitted, Ends::kTold);
  EXPECT_TRUE(reader.ok()) << reader.status();
  Seen seen;
  EXPECT_TRUE(WaitFor([&] { return seen.end >= 0; },
                      [&] {
                        const auto record = (*reader)->Poll(absl::Milliseconds(50));
                        ASSERT_TRUE(record.ok()) << record.status();
                        if (record->has_value()) seen.offsets.push_back((*record)->offset());
                        for (const Position& end : (*reader)->TakeReachedEnds()) seen.end = end.offset;
                      }));
  EXPECT_TRUE((*reader)->TakeReachedEnds().empty());
  return seen;
}

TEST(PartitionReader, ReachesTheEndOfAnEmptyPartition) {
  const KafkaConfig config = TestKafka();
  const Seen seen = ReadToTheEnd(config, MakeTopic(config, "empty", 1));
  EXPECT_EQ(seen.end, 0);
  EXPECT_TRUE(seen.offsets.empty());
}

TEST(PartitionReader, ReachesTheEndBehindTransactionsThatWereAborted) {
  const KafkaConfig config = TestKafka();
  const std::string topic = MakeTopic(config, "aborted", 1);
  TransactionalProducer producer(config, UniqueName("transactions"));
  producer.Begin();
  producer.Produce(topic, 0, "committed", 2);
  producer.Commit();
  producer.Begin();
  producer.Produce(topic, 0, "aborted", 3);
  producer.Abort();
  const Seen seen = ReadToTheEnd(config, topic);
  EXPECT_EQ(seen.offsets, (std::vector<int64_t>{0, 1}));
  // Two records, the end of a transaction, and perhaps the second transaction.
  EXPECT_GE(seen.end, 3);
}

// One partition has a record since the reader came, the other has its first while there is no reader.
TEST(PartitionReader, LeavesNothingOutWhereAnotherTakesItsPlace) {
  const KafkaConfig config = TestKafka();
  const std::string topic = MakeTopic(config, "replaced", 2);
  Fill(config, topic, 0, 0, 2);
  Fill(config, topic, 1, 0, 2);
  const Position ends[] = {{topic, 0, kFromEnd}, {topic, 1, kFromEnd}};
  auto first = PartitionReader::Create(config, "test", ends);
  ASSERT_TRUE(first.ok()) << first.status();
  Fill(config, topic, 0, 2, 1);
  std::optional<Record> seen;
  const auto poll = [&](PartitionReader& reader) {
    auto record = reader.Poll(absl::Milliseconds(50));
    ASSERT_TRUE(record.ok()) << record.status();
    seen = *std::move(record);
  };
  ASSERT_TRUE(WaitFor([&] { return seen.has_value(); }, [&] { poll(**first); }));
  EXPECT_EQ(seen->offset(), 2);
  seen.reset();
  const std::vector<Position> next = (*first)->Next();
  first->reset();

  Fill(config, topic, 1, 2, 1);
  auto second = PartitionReader::Create(config, "test", next);
  ASSERT_TRUE(second.ok()) << second.status();
  ASSERT_TRUE(WaitFor([&] { return seen.has_value(); }, [&] { poll(**second); }));
  EXPECT_EQ(seen->partition(), 1);
  EXPECT_EQ(seen->offset(), 2);
  seen.reset();
}

TEST(PartitionReader, ReachesTheEndBeforeAnOpenTransaction) {
  const KafkaConfig config = TestKafka();
  const std::string topic = MakeTopic(config, "open", 1);
  Fill(config, topic, 0, 0, 2);
  TransactionalProducer producer(config, UniqueName("transactions"));
  producer.Begin();
  producer.Produce(topic, 0, "open", 3);
  const Seen seen = ReadToTheEnd(config, topic);
  EXPECT_EQ(seen.offsets, (std::vector<int64_t>{0, 1}));
  EXPECT_EQ(seen.end, 2);
  producer.Abort();
}

}  // namespace
}  // namespace tradewind::bus
