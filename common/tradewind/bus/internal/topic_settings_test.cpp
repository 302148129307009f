#include "tradewind/bus/internal/topic_settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tradewind::bus::internal {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

std::map<std::string, std::string, std::less<>> Good(const KafkaConfig& config) {
  std::map<std::string, std::string, std::less<>> settings;
  for (const auto& [name, value] : TopicSettings(config, TopicKind::kEvents)) {
    settings.emplace(name, value);
  }
  return settings;
}

TEST(TopicSettings, AcceptsWhatItGives) {
  const KafkaConfig config{.replication_factor = 3, .min_insync_replicas = 2};
  EXPECT_TRUE(CheckTopicSettings(config, TopicKind::kEvents, "t", Good(config)).ok());
}

TEST(TopicSettings, NamesTopicAndSettingThatDoNotFit) {
  const KafkaConfig config{.replication_factor = 3, .min_insync_replicas = 2};
  const std::pair<const char*, const char*> faults[] = {{"cleanup.policy", "compact"},
                                                        {"cleanup.policy", "compact,delete"},
                                                        {"unclean.leader.election.enable", "true"},
                                                        {"min.insync.replicas", "1"}};
  for (const auto& [name, value] : faults) {
    auto settings = Good(config);
    settings[name] = value;
    const absl::Status status = CheckTopicSettings(config, TopicKind::kEvents, "order.events.v1", settings);
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << name;
    EXPECT_THAT(std::string(status.message()), AllOf(HasSubstr("order.events.v1"), HasSubstr(name), HasSubstr(value)));
  }
}

// A key that was removed is to be gone soon, however little is written.
TEST(TopicSettings, HasATopicCompactedWithinAnHour) {
  const auto settings = TopicSettings({}, TopicKind::kCompacted);
  for (const auto& wanted : {std::pair<std::string, std::string>("cleanup.policy", "compact"),
                             {"segment.ms", "3600000"},
                             {"max.compaction.lag.ms", "3600000"}}) {
    EXPECT_THAT(settings, ::testing::Contains(wanted));
  }
}

TEST(TopicSettings, HasRepliesDeletedWithinMinutes) {
  const auto settings = TopicSettings({}, TopicKind::kReplies);
  for (const auto& wanted : {std::pair<std::string, std::string>("cleanup.policy", "delete"),
                             {"retention.ms", "600000"},
                             {"segment.ms", "300000"},
                             {"segment.bytes", "67108864"}}) {
    EXPECT_THAT(settings, ::testing::Contains(wanted));
  }
}

TEST(TopicSettings, AdvisesWhereRepliesAreKeptForDays) {
  for (const char* retention : {"604800000", "-1", "3600001"}) {
    EXPECT_THAT(AdviseTopicSettings(TopicKind::kReplies, "mesh.replies.v1", {{"retention.ms", retention}}),
                AllOf(HasSubstr("mesh.replies.v1"), HasSubstr(retention),
                      HasSubstr("--add-config retention.ms=600000,segment.ms=300000,segment.bytes=67108864")));
  }
  EXPECT_EQ(AdviseTopicSettings(TopicKind::kReplies, "mesh.replies.v1", {{"retention.ms", "3600000"}}), "");
  EXPECT_EQ(AdviseTopicSettings(TopicKind::kEvents, "order.events.v1", {{"retention.ms", "604800000"}}), "");
}

TEST(TopicSettings, NeitherTakesTheOthersPolicy) {
  for (const auto& [asked, found] : {std::pair(TopicKind::kCompacted, "delete"), {TopicKind::kEvents, "compact"}}) {
    auto settings = Good({});
    settings["cleanup.policy"] = found;
    EXPECT_EQ(CheckTopicSettings({}, asked, "t", settings).code(), absl::StatusCode::kFailedPrecondition) << found;
  }
}

TEST(TopicSettings, AcceptsMoreReplicasInSyncThanAskedFor) {
  const KafkaConfig config{.replication_factor = 3, .min_insync_replicas = 2};
  auto settings = Good(config);
  settings["min.insync.replicas"] = "3";
  EXPECT_TRUE(CheckTopicSettings(config, TopicKind::kEvents, "t", settings).ok());
}

}  // namespace
}  // namespace tradewind::bus::internal
