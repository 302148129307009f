#include "services/cli/status.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>

namespace tradewind::cli {
namespace {

using ::testing::HasSubstr;

MeshStatus Sample() {
  MeshStatus mesh;
  mesh.cluster_id = "c-1";
  mesh.services.push_back({.name = "order", .address = "h:1", .health = absl::OkStatus()});
  mesh.groups.push_back(
      {.name = "order", .lag = 1200, .committed = true, .dead = 2, .parked = 3, .held = 0, .outbox_full = true});
  // A service that does not tell.
  mesh.groups.push_back({.name = "user", .status = absl::UnavailableError("Kafka does not answer")});
  return mesh;
}

std::string Print(const MeshStatus& mesh, bool json, bool color = false) {
  CliConfig config;
  config.kafka.brokers = "b:9092";
  std::ostringstream out;
  std::ostringstream err;
  const std::atomic<bool> interrupted = false;
  PrintStatus(mesh, json, {.config = config, .out = out, .err = err, .color = color, .interrupted = interrupted});
  return out.str();
}

TEST(PrintStatus, ShowsWhatEachGroupHasSetAside) {
  EXPECT_EQ(Print(Sample(), false),
            "SERVICE  ADDRESS  HEALTH\n"
            "order    h:1      serving\n"
            "kafka    b:9092   reachable, cluster c-1\n"
            "\n"
            "GROUP      LAG  DEAD  PARKED  HELD  NOTE\n"
            "order    1,200     2       3     0  the outbox is full: waiting for Kafka\n"
            "user   unknown     -       -     -  Kafka does not answer\n");
}

TEST(PrintStatus, SaysEverythingThatIsToBeNoted) {
  MeshStatus mesh = Sample();
  mesh.groups[0].committed = false;
  EXPECT_THAT(Print(mesh, false), HasSubstr("nothing committed yet; the outbox is full: waiting for Kafka\n"));
  mesh.groups[0].outbox_full = false;
  EXPECT_THAT(Print(mesh, false), HasSubstr("0  nothing committed yet\n"));
}

TEST(PrintStatus, ColoursWhatAPersonMustSeeTo) {
  MeshStatus mesh = Sample();
  EXPECT_THAT(Print(mesh, false, true), HasSubstr("\x1b[31m2\x1b[0m"));
  mesh.groups[0].held = 7;
  EXPECT_THAT(Print(mesh, false, true), HasSubstr("\x1b[31m7\x1b[0m"));
}

TEST(PrintStatus, ShowsEachProblemWithWhatToDo) {
  MeshStatus mesh = Sample();
  EXPECT_FALSE(nlohmann::json::parse(Print(mesh, true)).contains("problems"));
  mesh.problems.push_back({"order", "the outbox has not moved for 12s", "see the log"});
  EXPECT_THAT(Print(mesh, false), HasSubstr("\n\norder: the outbox has not moved for 12s; see the log\n"));
  const auto json = nlohmann::json::parse(Print(mesh, true));
  EXPECT_EQ(json["well"], false);
  EXPECT_EQ(json["problems"], nlohmann::json::parse(R"([{"where": "order", "what": "the outbox has not moved for 12s",
                                                         "remedy": "see the log"}])"));
}

TEST(PrintStatus, WritesTheSameAsJson) {
  const auto json = nlohmann::json::parse(Print(Sample(), true));
  EXPECT_EQ(json["groups"][0],
            (nlohmann::json{
                {"name", "order"}, {"lag", 1200}, {"dead", 2}, {"parked", 3}, {"held", 0}, {"outbox_full", true}}));
  EXPECT_EQ(json["groups"][1], (nlohmann::json{{"name", "user"}, {"problem", "Kafka does not answer"}}));
}

}  // namespace
}  // namespace tradewind::cli
