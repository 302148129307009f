// What the operator's command makes of transactions on the mesh's topics, against a real broker.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <sstream>
#include <string>

#include "absl/time/clock.h"

#include "services/cli/history.h"
#include "services/cli/mesh_status.h"
#include "services/cli/session.h"
#include "services/cli/tail.h"
#include "tradewind/bus/internal/kafka_fixture.h"
#include "tradewind/bus/internal/transactional_producer.h"

namespace tradewind::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr char kEvents[] = "order.events.v1";

class TransactionsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    config_.descriptors = TRADEWIND_DESCRIPTORS;
    config_.kafka = bus::TestKafka();
    config_.kafka.partitions = 1;
    // Topics and groups of its own for each test of each run.
    config_.kafka.topic_prefix = bus::UniqueName("cli") + ".";
    config_.services.clear();
    config_.groups = {{"order", "127.0.0.1:1"}};
    topic_ = bus::FullTopic(config_.kafka, kEvents);
    auto admin = bus::KafkaAdmin::Create(config_.kafka, "cli-test");
    ASSERT_TRUE(admin.ok()) << admin.status();
    ASSERT_TRUE((*admin)->EnsureTopics({topic_}).ok());
    producer_ = std::make_unique<bus::TransactionalProducer>(config_.kafka, bus::UniqueName("transactions"));
  }

  // Three records that count and three that do not: the log ends in offsets that hold nothing to be read.
  void CommitThreeAndAbortThree() {
    producer_->Begin();
    producer_->Produce(topic_, 0, "o-1", 3);
    producer_->Commit();
    producer_->Begin();
    producer_->Produce(topic_, 0, "aborted", 3);
    producer_->Abort();
    // The end of a transaction is written after it was acknowledged.
    auto admin = bus::KafkaAdmin::Create(config_.kafka, "cli-test");
    ASSERT_TRUE(admin.ok()) << admin.status();
    const auto is_open = [&] {
      const auto ends = (*admin)->LogEnds({topic_});
      return !ends.ok() || ends->at(0).HasOpenTransaction();
    };
    ASSERT_TRUE(bus::WaitFor([&] { return !is_open(); }, [] {}));
  }

  // As the group "order".
  void CommitOffset(int64_t offset) {
    bus::Member member(config_.kafka, bus::FullTopic(config_.kafka, "order"), {topic_});
    ASSERT_TRUE(bus::WaitFor([&] { return !member.listener.owned.empty(); }, [&] { member.Step(); }));
    ASSERT_TRUE(member.source->CommitOffsets({{topic_, 0, offset, ""}}, true).ok());
    ASSERT_TRUE(member.source->Close(absl::Seconds(10)).ok());
  }

  template <typename Options>
  int Run(int (*verb)(const Options&, const Session&), const Options& options) {
    out_.str("");
    err_.str("");
    return verb(options, {.config = config_, .out = out_, .err = err_, .interrupted = interrupted_});
  }

  size_t Lines() const {
    const std::string text = out_.str();
    return static_cast<size_t>(std::count(text.begin(), text.end(), '\n'));
  }

  // Problems of partitions: that no service runs is no matter here.
  std::vector<Problem> PartitionProblems() {
    MeshStatus mesh = GatherStatus(config_, absl::Seconds(2));
    EXPECT_TRUE(mesh.kafka.ok()) << mesh.kafka;
    std::erase_if(mesh.problems, [&](const Problem& problem) { return problem.where != topic_ + "-0"; });
    return mesh.problems;
  }

  CliConfig config_;
  std::string topic_;
  std::unique_ptr<bus::TransactionalProducer> producer_;
  std::ostringstream out_;
  std::ostringstream err_;
  std::atomic<bool> interrupted_ = false;
};

TEST_F(TransactionsTest, TailAndTimelineEndBehindOneThatWasAborted) {
  CommitThreeAndAbortThree();
  EXPECT_EQ(Run(RunTail, {.reading = {.until_end = true}}), kExitOk) << err_.str();
  EXPECT_EQ(Lines(), 3U) << out_.str();
  EXPECT_EQ(err_.str(), "");
  EXPECT_EQ(Run(RunHistory, {.key = "o-1"}), kExitOk) << err_.str();
  EXPECT_EQ(Lines(), 4U) << out_.str();
}

TEST_F(TransactionsTest, LagCountsRecordsAlone) {
  CommitThreeAndAbortThree();
  CommitOffset(3);
  EXPECT_EQ(GatherStatus(config_, absl::Seconds(2)).groups[0].lag, 0);
  CommitOffset(1);
  EXPECT_EQ(GatherStatus(config_, absl::Seconds(2)).groups[0].lag, 2);
}

TEST_F(TransactionsTest, AnOpenOneIsAProblemUntilItHasEnded) {
  producer_->Begin();
  producer_->Produce(topic_, 0, "o-1", 2);
  producer_->Commit();
  producer_->Begin();
  producer_->Produce(topic_, 0, "o-1", 3);

  EXPECT_EQ(Run(RunTail, {.reading = {.until_end = true}}), kExitOk) << err_.str();
  EXPECT_EQ(Lines(), 2U) << out_.str();
  EXPECT_THAT(err_.str(), HasSubstr("an open transaction holds " + topic_ + "-0 at offset 3"));
  const auto problems = PartitionProblems();
  ASSERT_THAT(problems, SizeIs(1));
  EXPECT_THAT(problems[0].what, HasSubstr("an open transaction holds " + topic_ + "-0 at offset 3"));

  producer_->Commit();
  EXPECT_THAT(PartitionProblems(), IsEmpty());
  EXPECT_EQ(Run(RunTail, {.reading = {.until_end = true}}), kExitOk) << err_.str();
  EXPECT_EQ(Lines(), 5U) << out_.str();
}

}  // namespace
}  // namespace tradewind::cli
