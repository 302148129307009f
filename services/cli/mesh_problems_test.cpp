#include "services/cli/mesh_problems.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

namespace tradewind::cli {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

std::string Line(std::string_view metric, std::string_view labels, double value) {
  return fmt::format("{}{{{}}} {}\n", metric, labels, value);
}

TEST(JudgeMetrics, FindsEachProblemAboveItsBoundAndNoneAtIt) {
  for (const GaugeCheck& check : GaugeChecks()) {
    SCOPED_TRACE(fmt::format("{} {}", check.metric, check.why));
    const auto judge = check.of_process ? JudgeProcess : JudgeMetrics;
    const auto labels = [&](std::string_view group) {
      return check.of_process ? "" : fmt::format(R"(group="{}",why="{}")", group, check.why);
    };
    EXPECT_THAT(judge("order", Line(check.metric, labels("order"), check.bound)), IsEmpty());
    const auto problems = judge("order", Line(check.metric, labels("order"), check.bound + 1));
    ASSERT_THAT(problems, SizeIs(1));
    EXPECT_EQ(problems[0].where, "order");
    EXPECT_NE(problems[0].remedy, "");
    EXPECT_THAT((check.of_process ? JudgeMetrics : JudgeProcess)("order", Line(check.metric, labels("order"), 1e9)),
                IsEmpty());
    if (check.of_process) continue;
    EXPECT_THAT(JudgeMetrics("order", Line(check.metric, labels("order.effects"), check.bound + 1)), IsEmpty());
  }
}

TEST(JudgeMetrics, IsQuietAboutAPageThatTellsNothing) {
  EXPECT_THAT(JudgeMetrics("order", ""), IsEmpty());
  EXPECT_THAT(JudgeMetrics("order", "tradewind_store_away_seconds{group=\"order\"} NaN\n"), IsEmpty());
}

TEST(JudgeMetrics, SaysWhatAndForHowLong) {
  EXPECT_THAT(JudgeMetrics("order", Line("tradewind_outbox_oldest_seconds", "group=\"order\"", 93.4))[0].what,
              HasSubstr("has not moved for 1m34s"));
  EXPECT_THAT(JudgeMetrics("order", Line("tradewind_no_handler_records", "group=\"order\"", 1234))[0].what,
              HasSubstr("1,234 records"));
  // The greatest of those that mean the same.
  const auto away = JudgeMetrics("order", Line("tradewind_store_away_seconds", R"(call="read",group="order")", 6) +
                                              Line("tradewind_store_away_seconds", R"(call="write",group="order")", 7));
  ASSERT_THAT(away, SizeIs(1));
  EXPECT_THAT(away[0].what, HasSubstr("answered no write for 7s"));
  EXPECT_THAT(JudgeMetrics("order", Line("tradewind_store_away_seconds", "group=\"order\"", 1e300)), SizeIs(1));
}

TEST(JudgeMetrics, NamesEachSourceWhoseEventsAreDropped) {
  const auto labels = [](int partition) {
    return fmt::format(R"(group="order",topic="t",partition="{}",source="/order/4")", partition);
  };
  const auto problems = JudgeMetrics("order", Line("tradewind_repeats_seconds", labels(1), 9) +
                                                  Line("tradewind_repeats_seconds", labels(2), 0) +
                                                  Line("tradewind_repeats_seconds", labels(3), 20));
  ASSERT_THAT(problems, SizeIs(2));
  EXPECT_THAT(problems[0].what, HasSubstr("new events of /order/4 in t-3 have been dropped as repeats for 20s"));
  EXPECT_THAT(problems[1].remedy, HasSubstr("`tradewind partition forget-source t/1 /order/4`"));
}

TEST(JudgeMetrics, NamesTheRemedyThatFitsWhyATaskStopped) {
  const auto problems = [](std::string_view why) {
    return JudgeMetrics("order", Line("tradewind_tasks_stopped", fmt::format(R"(group="order",why="{}")", why), 1));
  };
  EXPECT_THAT(problems("lost")[0].remedy, HasSubstr("accept-loss"));
  EXPECT_THAT(problems("damaged")[0].remedy, AllOf(HasSubstr("a copy"), Not(HasSubstr("accept-loss"))));
  EXPECT_THAT(problems("other")[0].remedy, AllOf(HasSubstr("the service's log"), Not(HasSubstr("accept-loss"))));
}

TEST(JudgeBrokers, NamesThoseThatTheClusterMisses) {
  const std::vector<BrokerAnswer> brokers = {{"a:1", absl::OkStatus()},
                                             {"b:1", absl::UnavailableError("b:1: Connection refused")}};
  const auto problems = JudgeBrokers(brokers, absl::OkStatus(), {2, 3});
  ASSERT_THAT(problems, SizeIs(2));
  EXPECT_THAT(problems[1].what, HasSubstr("misses those with the node ids 2, 3"));
  // The one that the cluster misses is the one that does not answer.
  EXPECT_THAT(JudgeBrokers(brokers, absl::OkStatus(), {2}), SizeIs(1));
}

TEST(JudgeMetrics, NamesEachTopicWithPartitionsThatNobodyReads) {
  const auto line = [](std::string_view topic, double value) {
    return Line("tradewind_partitions_unread", fmt::format(R"(group="order",pinned="12",topic="{}")", topic), value);
  };
  const auto problems =
      JudgeMetrics("order", line("order.commands.v1", 12) + line("user.events.v1", 0) + line("stock.events.v1", 6));
  ASSERT_THAT(problems, SizeIs(2));
  EXPECT_EQ(problems[0].what,
            "12 partitions of order.commands.v1 are read by no task: its keys are spread over the first 12, as they "
            "were before partitions were added");
  EXPECT_THAT(problems[0].remedy, HasSubstr("set kafka.pinned_partitions to 12 in every process of the mesh"));
  EXPECT_THAT(problems[1].what, HasSubstr("6 partitions of stock.events.v1"));
}

TEST(JudgeSilentPage, NamesGroupsAndAddress) {
  const std::vector<std::string> groups = {"order", "order.effects"};
  const Problem problem = JudgeSilentPage(groups, "h:1", absl::UnavailableError("h:1: Connection refused"));
  EXPECT_EQ(problem.where, "order, order.effects");
  EXPECT_THAT(problem.what, HasSubstr("h:1: Connection refused"));
  EXPECT_THAT(problem.remedy, HasSubstr("metrics.address is h:1"));
}

TEST(JudgeBrokers, NamesTheDeadOne) {
  const std::vector<BrokerAnswer> brokers = {{"a:1", absl::OkStatus()},
                                             {"b:2", absl::UnavailableError("b:2: Connection refused")}};
  const auto problems = JudgeBrokers(brokers, absl::OkStatus(), {});
  ASSERT_THAT(problems, SizeIs(1));
  EXPECT_EQ(problems[0].where, "kafka");
  EXPECT_EQ(problems[0].what, "the broker is dead: b:2: Connection refused");
  EXPECT_THAT(problems[0].remedy, HasSubstr("deploy/up"));
}

TEST(JudgeBrokers, NamesTheStuckOne) {
  const std::vector<BrokerAnswer> brokers = {{"a:1", absl::OkStatus()}};
  EXPECT_THAT(JudgeBrokers(brokers, absl::OkStatus(), {}), IsEmpty());
  const auto problems = JudgeBrokers(brokers, absl::UnavailableError("no answer"), {});
  ASSERT_THAT(problems, SizeIs(1));
  EXPECT_EQ(problems[0].what, "the broker at a:1 does not answer");
  // Its queue of connections is full.
  const std::vector<BrokerAnswer> full = {{"a:1", absl::DeadlineExceededError("a:1: no answer in time")}};
  EXPECT_EQ(JudgeBrokers(full, absl::UnavailableError("no answer"), {}), problems);
}

TEST(JudgeOpenTransaction, SaysWhereAndHowToEndIt) {
  const Problem problem = JudgeOpenTransaction({"t", 3, 8, 12}, absl::Milliseconds(34'700), "b:9092");
  EXPECT_EQ(problem.where, "t-3");
  EXPECT_EQ(
      problem.what,
      "an open transaction holds t-3 at offset 8, for 34s or longer; 4 offsets behind it are read once it has ended");
  EXPECT_THAT(problem.remedy, HasSubstr("kafka-transactions.sh --bootstrap-server b:9092 abort --topic t --partition 3 "
                                        "--start-offset 8"));
}

TEST(OpenTransactionAge, IsThatOfItsPartition) {
  const std::string page = Line("tradewind_open_transaction_seconds", R"(topic="t",partition="3")", 12) +
                           Line("tradewind_open_transaction_seconds", R"(topic="t",partition="31")", 99);
  EXPECT_EQ(OpenTransactionAge({"t", 3, 8, 12}, page), absl::Seconds(12));
  EXPECT_EQ(OpenTransactionAge({"u", 3, 8, 12}, page), absl::ZeroDuration());
}

// Every bound stands in the README too.
TEST(GaugeChecks, AreListedInTheReadme) {
  std::ifstream file(TRADEWIND_CLI_README);
  std::stringstream readme;
  readme << file.rdbuf();
  for (const GaugeCheck& check : GaugeChecks()) {
    const std::string bound = fmt::format("{:g}", check.bound) + (check.is_time ? " s" : "");
    EXPECT_THAT(readme.str(), HasSubstr(fmt::format("| `{}` | {} |", check.metric, bound)));
  }
}

}  // namespace
}  // namespace tradewind::cli
