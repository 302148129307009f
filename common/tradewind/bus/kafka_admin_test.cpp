#include "tradewind/bus/kafka_admin.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tradewind/bus/internal/kafka_fixture.h"
#include "tradewind/bus/internal/transactional_producer.h"

namespace tradewind::bus {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

std::unique_ptr<KafkaAdmin> Admin(const KafkaConfig& config) {
  auto admin = KafkaAdmin::Create(config, "test");
  EXPECT_TRUE(admin.ok()) << admin.status();
  return *std::move(admin);
}

TEST(KafkaAdmin, CreatesWhatIsMissingAndKeepsTheCountOfWhatIsThere) {
  KafkaConfig config = TestKafka();
  config.partitions = 3;
  const std::string first = UniqueName("admin");
  const std::string second = UniqueName("admin");
  const auto created = Admin(config)->EnsureTopics({first});
  ASSERT_TRUE(created.ok()) << created.status();
  EXPECT_EQ(created->at(first), 3);

  config.partitions = 5;
  const auto both = Admin(config)->EnsureTopics({first, second});
  ASSERT_TRUE(both.ok()) << both.status();
  EXPECT_EQ(both->at(first), 3);
  EXPECT_EQ(both->at(second), 5);
  EXPECT_EQ(both->size(), 2U);
}

TEST(KafkaAdmin, ANewTopicCanBeWrittenAtOnce) {
  const std::string topic = MakeTopic(TestKafka(), "fresh", 12);
  for (int32_t partition = 0; partition < 12; ++partition) {
    const auto range = Admin(TestKafka())->Range(topic, partition);
    ASSERT_TRUE(range.ok()) << range.status();
    EXPECT_EQ(range->high, 0);
  }
}

TEST(KafkaAdmin, RefusesAnExistingTopicThatAsksForFewerReplicasInSync) {
  const std::string topic = MakeTopic(TestKafka(), "weak", 1);
  KafkaConfig stricter = TestKafka();
  stricter.replication_factor = 2;
  stricter.min_insync_replicas = 2;
  const auto counts = Admin(stricter)->EnsureTopics({topic});
  EXPECT_EQ(counts.status().code(), absl::StatusCode::kFailedPrecondition) << counts.status();
  EXPECT_THAT(std::string(counts.status().message()), AllOf(HasSubstr(topic), HasSubstr("min.insync.replicas")));
}

TEST(KafkaAdmin, SaysWhichTopicItCouldNotCreate) {
  KafkaConfig config = TestKafka();
  config.replication_factor = 3;  // Of one broker.
  const std::string topic = UniqueName("impossible");
  const auto counts = Admin(config)->EnsureTopics({topic});
  EXPECT_EQ(counts.status().code(), absl::StatusCode::kInvalidArgument) << counts.status();
  EXPECT_THAT(std::string(counts.status().message()), HasSubstr(topic));
}

TEST(KafkaAdmin, RefusesMoreReplicasInSyncThanThereAre) {
  KafkaConfig config = TestKafka();
  config.min_insync_replicas = 2;
  const auto admin = KafkaAdmin::Create(config, "test");
  EXPECT_EQ(admin.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(admin.status().message()), HasSubstr("kafka.min_insync_replicas"));
}

TEST(KafkaAdmin, TellsClusterAndTopics) {
  const std::string topic = MakeTopic(TestKafka(), "listed", 2);
  const auto admin = Admin(TestKafka());
  const auto id = admin->ClusterId();
  ASSERT_TRUE(id.ok()) << id.status();
  EXPECT_FALSE(id->empty());
  const auto topics = admin->ListTopics();
  ASSERT_TRUE(topics.ok()) << topics.status();
  EXPECT_THAT(*topics, ::testing::Contains(AllOf(::testing::Field(&TopicInfo::name, topic),
                                                 ::testing::Field(&TopicInfo::partitions, 2),
                                                 ::testing::Field(&TopicInfo::replication_factor, 1))));
}

TEST(KafkaAdmin, TellsTheBrokersOfTheCluster) {
  const auto brokers = Admin(TestKafka())->Brokers();
  ASSERT_TRUE(brokers.ok()) << brokers.status();
  EXPECT_THAT(brokers->addresses, ::testing::ElementsAre(TestKafka().brokers));
  EXPECT_THAT(brokers->missing, ::testing::IsEmpty());
}

TEST(KafkaAdmin, IsUnavailableWhileNoBrokerAnswers) {
  KafkaConfig config{.brokers = "127.0.0.1:1", .request_timeout = absl::Seconds(1)};
  const auto admin = Admin(config);
  EXPECT_EQ(admin->ClusterId().status().code(), absl::StatusCode::kUnavailable);
  const auto counts = admin->EnsureTopics({"t"});
  EXPECT_EQ(counts.status().code(), absl::StatusCode::kUnavailable) << counts.status();
  EXPECT_THAT(std::string(counts.status().message()), HasSubstr("127.0.0.1:1"));
}

TEST(KafkaAdmin, ComputesLagFromTheGroupsCommits) {
  const KafkaConfig config = TestKafka();
  const std::string topic = MakeTopic(config, "lag", 2);
  Fill(config, topic, 0, 0, 7);
  Fill(config, topic, 1, 0, 3);
  const std::string group = UniqueName("group");
  Member member(config, group, {topic});
  ASSERT_TRUE(WaitFor([&] { return member.listener.owned.size() == 2; }, [&] { member.Step(); }));
  ASSERT_TRUE(member.source->CommitOffsets({{topic, 0, 4, "m"}}, true).ok());

  const auto lags = Admin(config)->Lag(group, {topic});
  ASSERT_TRUE(lags.ok()) << lags.status();
  ASSERT_EQ(lags->size(), 2U);
  EXPECT_EQ((*lags)[0].committed, 4);
  EXPECT_EQ((*lags)[0].end, 7);
  EXPECT_EQ((*lags)[1].committed, -1);
  EXPECT_EQ((*lags)[1].end, 3);
  EXPECT_TRUE(member.source->Close(absl::Seconds(10)).ok());
}

TEST(KafkaAdmin, TellsWhereATransactionIsOpen) {
  const KafkaConfig config = TestKafka();
  const std::string topic = MakeTopic(config, "ends", 2);
  Fill(config, topic, 0, 0, 2);
  const auto admin = Admin(config);
  TransactionalProducer producer(config, UniqueName("transactions"));
  producer.Begin();
  producer.Produce(topic, 0, "k", 3);
  auto ends = admin->LogEnds({topic});
  ASSERT_TRUE(ends.ok()) << ends.status();
  ASSERT_EQ(ends->size(), 2U);
  EXPECT_TRUE((*ends)[0].HasOpenTransaction());
  EXPECT_EQ((*ends)[0].stable, 2);
  EXPECT_EQ((*ends)[0].high, 5);
  EXPECT_FALSE((*ends)[1].HasOpenTransaction());

  producer.Commit();
  // The end of a transaction is written after Commit has returned.
  ASSERT_TRUE(
      WaitFor([&] { return ends.ok() && !(*ends)[0].HasOpenTransaction(); }, [&] { ends = admin->LogEnds({topic}); }));
  EXPECT_EQ((*ends)[0].high, 6);
  const auto none = admin->LogEnds({UniqueName("none")});
  ASSERT_TRUE(none.ok()) << none.status();
  EXPECT_TRUE(none->empty());
}

TEST(KafkaAdmin, TellsTheEndsOfPartitionsThatAreAdded) {
  const KafkaConfig config = TestKafka();
  const std::string topic = MakeTopic(config, "grown", 2);
  const auto admin = Admin(config);
  auto ends = admin->LogEnds({topic});
  ASSERT_TRUE(ends.ok()) << ends.status();
  ASSERT_EQ(ends->size(), 2U);
  AddPartitions(config, topic, 4);
  EXPECT_TRUE(WaitFor([&] { return ends.ok() && ends->size() == 4; }, [&] { ends = admin->LogEnds({topic}); }))
      << ends.status();
}

}  // namespace
}  // namespace tradewind::bus
