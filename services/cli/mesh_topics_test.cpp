#include "services/cli/mesh_topics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

namespace tradewind::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ChooseTopicsTest : public ::testing::Test {
 protected:
  absl::StatusOr<std::vector<std::string>> Choose(const std::vector<std::string>& names) {
    const auto schema = EventSchema::FromSet({});
    EXPECT_TRUE(schema.ok());
    const auto chosen = ChooseTopics(kafka_, **schema, existing_, names);
    if (!chosen.ok()) {
      return chosen.status();
    }
    std::vector<std::string> found;
    for (const bus::TopicInfo& topic : *chosen) {
      found.push_back(topic.name);
    }
    return found;
  }

  bus::KafkaConfig kafka_{.topic_prefix = "pre."};
  std::vector<bus::TopicInfo> existing_ = {
      {"other", 1, 1}, {"pre.mesh.dead.v1", 4, 1}, {"pre.mesh.replies.v1", 4, 1}, {"pre.orders", 4, 1}};
};

TEST_F(ChooseTopicsTest, TakesEveryTopicOfTheMeshThatExists) {
  EXPECT_THAT(*Choose({}), ElementsAre("pre.mesh.dead.v1", "pre.mesh.replies.v1"));
  existing_.erase(existing_.begin() + 1);
  EXPECT_THAT(*Choose({}), ElementsAre("pre.mesh.replies.v1"));
}

TEST_F(ChooseTopicsTest, TakesNamesWithAndWithoutThePrefixOnce) {
  EXPECT_THAT(*Choose({"orders", "other", "pre.orders"}), ElementsAre("pre.orders", "other"));
}

TEST_F(ChooseTopicsTest, NamesTheNearestForOneThatIsNotThere) {
  const auto chosen = Choose({"pre.order"});
  EXPECT_EQ(chosen.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(chosen.status().message()), HasSubstr("did you mean pre.orders"));
}

TEST_F(ChooseTopicsTest, SaysWhenThereIsNoMesh) {
  existing_.clear();
  const auto chosen = Choose({});
  EXPECT_EQ(chosen.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(chosen.status().message()), HasSubstr("kafka.topic_prefix"));
}

}  // namespace
}  // namespace tradewind::cli
