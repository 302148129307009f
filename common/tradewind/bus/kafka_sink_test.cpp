#include "tradewind/bus/kafka_sink.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "tradewind/bus/internal/kafka_fixture.h"
#include "tradewind/bus/partition_reader.h"

namespace tradewind::bus {
namespace {

using ::testing::HasSubstr;

std::unique_ptr<PartitionReader> ReaderOf(const std::string& topic, int32_t partition, int64_t offset) {
  auto reader = PartitionReader::Create(TestKafka(), "test", {{topic, partition, offset}});
  EXPECT_TRUE(reader.ok()) << reader.status();
  return *std::move(reader);
}

// Polls until `count` deliveries have come.
std::vector<Delivery> Deliveries(KafkaSink& sink, size_t count) {
  std::vector<Delivery> deliveries;
  WaitFor([&] { return deliveries.size() >= count; },
          [&] { sink.Poll(absl::Milliseconds(100), [&](const Delivery& one) { deliveries.push_back(one); }); });
  return deliveries;
}

TEST(KafkaSink, DeliversKeyValueAndHeadersAsTheyWere) {
  const std::string topic = MakeTopic(TestKafka(), "sink", 2);
  auto sink = KafkaSink::Create(TestKafka(), {.client_id = "test"});
  ASSERT_TRUE(sink.ok()) << sink.status();
  const std::string value("\0binary\xff", 8);
  // Views of longer texts: nothing behind a view may travel along.
  const std::string names = "ce_idX";
  const HeaderView headers[] = {{std::string_view(names).substr(0, 5), "id-1"}, {"empty", ""}, {"ce_id", "again"}};
  ASSERT_TRUE(
      (*sink)->Produce({.topic = topic, .partition = 1, .key = "key", .value = value, .headers = headers}, 77).ok());
  const std::vector<Delivery> deliveries = Deliveries(**sink, 1);
  ASSERT_EQ(deliveries.size(), 1U);
  EXPECT_TRUE(deliveries[0].status.ok()) << deliveries[0].status;
  EXPECT_EQ(deliveries[0].token, 77U);
  EXPECT_EQ(deliveries[0].partition, 1);
  EXPECT_EQ(deliveries[0].offset, 0);

  const auto reader = ReaderOf(topic, 1, kFromBeginning);
  const auto record = reader->Poll(kPatience);
  ASSERT_TRUE(record.ok() && record->has_value());
  EXPECT_EQ((*record)->topic(), topic);
  EXPECT_EQ((*record)->key(), "key");
  EXPECT_EQ((*record)->value(), value);
  EXPECT_GT((*record)->timestamp_ms(), 1'600'000'000'000);
  ASSERT_EQ((*record)->headers().size(), 3U);
  EXPECT_EQ((*record)->headers()[0].name, "ce_id");
  EXPECT_EQ((*record)->headers()[0].value, "id-1");
  EXPECT_EQ((*record)->headers()[1].name, "empty");
  EXPECT_EQ((*record)->header("ce_id"), "again");
}

TEST(KafkaSink, KeepsTheOrderOfWhatOneThreadProduces) {
  const std::string topic = MakeTopic(TestKafka(), "order", 1);
  auto sink = KafkaSink::Create(TestKafka(), {.client_id = "test", .gapless = true});
  ASSERT_TRUE(sink.ok()) << sink.status();
  constexpr int kCount = 20'000;
  for (int i = 0; i < kCount; ++i) {
    const std::string value = std::to_string(i);
    ASSERT_TRUE((*sink)->Produce({.topic = topic, .partition = 0, .key = "k", .value = value}, i).ok());
  }
  const std::vector<Delivery> deliveries = Deliveries(**sink, kCount);
  ASSERT_EQ(deliveries.size(), static_cast<size_t>(kCount));
  for (int i = 0; i < kCount; ++i) {
    ASSERT_TRUE(deliveries[i].status.ok()) << deliveries[i].status;
    ASSERT_EQ(deliveries[i].token, static_cast<uint64_t>(i));
    ASSERT_EQ(deliveries[i].offset, i);
  }
}

TEST(KafkaSink, ProducesFromManyThreads) {
  const std::string topic = MakeTopic(TestKafka(), "threads", 4);
  auto sink = KafkaSink::Create(TestKafka(), {.client_id = "test"});
  ASSERT_TRUE(sink.ok()) << sink.status();
  constexpr int kEach = 500;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) {
        EXPECT_TRUE((*sink)->Produce({.topic = topic, .partition = t, .key = "k", .value = "v"}, t * kEach + i).ok());
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  std::set<uint64_t> tokens;
  for (const Delivery& delivery : Deliveries(**sink, 4 * kEach)) {
    EXPECT_TRUE(delivery.status.ok()) << delivery.status;
    tokens.insert(delivery.token);
  }
  EXPECT_EQ(tokens.size(), 4U * kEach);
}

TEST(KafkaSink, SaysThatTheQueueIsFullAndTakesNothing) {
  // Nothing listens there, so that nothing leaves the queue.
  auto sink = KafkaSink::Create({.brokers = "127.0.0.1:1"}, {.client_id = "test", .queue_limit = 3});
  ASSERT_TRUE(sink.ok()) << sink.status();
  const OutgoingRecord record{.topic = "t", .partition = 0, .key = "k", .value = "v"};
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE((*sink)->Produce(record, i).ok());
  }
  EXPECT_EQ((*sink)->Produce(record, 3).code(), absl::StatusCode::kResourceExhausted);
}

TEST(KafkaSink, RefusesARecordThatIsTooLarge) {
  const std::string topic = MakeTopic(TestKafka(), "large", 1);
  auto sink = KafkaSink::Create(TestKafka(), {.client_id = "test"});
  const std::string value(2'000'000, 'x');
  const absl::Status status = (*sink)->Produce({.topic = topic, .partition = 0, .key = "k", .value = value}, 1);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr(topic));
}

TEST(KafkaSink, NoRecordForAnUnknownPartitionIsEverDelivered) {
  const std::string topic = MakeTopic(TestKafka(), "known", 1);
  auto sink = KafkaSink::Create(TestKafka(), {.client_id = "test", .delivery_timeout = absl::Seconds(30)});
  const OutgoingRecord record{.topic = topic, .partition = 5, .key = "k", .value = "v"};
  // The first may be taken, while the partition count is not known yet.
  absl::Status status = (*sink)->Produce(record, 1);
  if (status.ok()) {
    const std::vector<Delivery> deliveries = Deliveries(**sink, 1);
    ASSERT_EQ(deliveries.size(), 1U);
    EXPECT_FALSE(deliveries[0].status.ok());
    EXPECT_TRUE(deliveries[0].certainly_absent);
    status = (*sink)->Produce(record, 2);
  }
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr(topic + "-5"));
}

TEST(KafkaSink, ResetForgetsWhatWasNotDeliveredAndGoesOn) {
  const std::string topic = MakeTopic(TestKafka(), "reset", 1);
  // A long linger keeps the first record in the queue.
  auto sink = KafkaSink::Create(TestKafka(), {.client_id = "test", .linger = absl::Seconds(1)});
  ASSERT_TRUE((*sink)->Produce({.topic = topic, .partition = 0, .key = "k", .value = "forgotten"}, 1).ok());
  ASSERT_TRUE((*sink)->Reset().ok());
  ASSERT_TRUE((*sink)->Produce({.topic = topic, .partition = 0, .key = "k", .value = "kept"}, 2).ok());
  const std::vector<Delivery> deliveries = Deliveries(**sink, 1);
  ASSERT_EQ(deliveries.size(), 1U);
  EXPECT_EQ(deliveries[0].token, 2U);
  EXPECT_EQ(deliveries[0].offset, 0);
  const auto reader = ReaderOf(topic, 0, kFromBeginning);
  const auto record = reader->Poll(kPatience);
  ASSERT_TRUE(record.ok() && record->has_value());
  EXPECT_EQ((*record)->value(), "kept");
}

TEST(PartitionReader, FromTheEndMissesNothingProducedAfterItsCreation) {
  const std::string topic = MakeTopic(TestKafka(), "reader", 1);
  Fill(TestKafka(), topic, 0, 0, 5);
  const auto reader = ReaderOf(topic, 0, kFromEnd);
  Fill(TestKafka(), topic, 0, 5, 3);
  for (int i = 5; i < 8; ++i) {
    const auto record = reader->Poll(kPatience);
    ASSERT_TRUE(record.ok() && record->has_value());
    EXPECT_EQ((*record)->value(), std::to_string(i));
    EXPECT_EQ((*record)->offset(), i);
  }
  EXPECT_FALSE(reader->Poll(absl::Milliseconds(10))->has_value());
}

TEST(PartitionReader, StartsAtAnOffset) {
  const std::string topic = MakeTopic(TestKafka(), "reader", 1);
  Fill(TestKafka(), topic, 0, 0, 5);
  const auto reader = ReaderOf(topic, 0, 3);
  const auto record = reader->Poll(kPatience);
  ASSERT_TRUE(record.ok() && record->has_value());
  EXPECT_EQ((*record)->value(), "3");
}

TEST(PartitionReader, NamesATopicThatDoesNotExist) {
  const auto reader = PartitionReader::Create(TestKafka(), "test", {{"no-such-topic", 0, kFromEnd}});
  EXPECT_EQ(reader.status().code(), absl::StatusCode::kNotFound) << reader.status();
  EXPECT_THAT(std::string(reader.status().message()), HasSubstr("no-such-topic"));
}

}  // namespace
}  // namespace tradewind::bus
