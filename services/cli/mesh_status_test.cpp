#include "services/cli/mesh_status.h"

#include <gtest/gtest.h>

namespace tradewind::cli {
namespace {

TEST(SumLag, AddsWhatIsNotTakenYet) {
  const std::vector<bus::GroupLag> lags = {{"t", 0, 5, 8}, {"t", 1, 8, 8}, {"u", 0, 0, 2}};
  const GroupStatus status = SumLag("g", lags, {});
  EXPECT_TRUE(status.committed);
  EXPECT_EQ(status.lag, 5);
}

TEST(SumLag, LeavesTopicsOutThatTheGroupHasNoOffsetFor) {
  const GroupStatus status = SumLag("g", std::vector<bus::GroupLag>{{"t", 0, 5, 8}, {"foreign", 0, -1, 100}}, {});
  EXPECT_EQ(status.lag, 3);
}

TEST(SumLag, CountsAnUntouchedPartitionOfItsTopicsFromWhereItBegins) {
  const std::vector<bus::GroupLag> lags = {{"t", 0, 8, 8}, {"t", 1, -1, 10}};
  EXPECT_EQ(SumLag("g", lags, {{{"t", 1}, 4}}).lag, 6);
  EXPECT_EQ(SumLag("g", lags, {}).lag, 10);
}

TEST(SumLag, KnowsAGroupThatNeverCommitted) {
  const GroupStatus status = SumLag("g", std::vector<bus::GroupLag>{{"t", 0, -1, 8}}, {});
  EXPECT_FALSE(status.committed);
  EXPECT_EQ(status.lag, 0);
}

TEST(SumLag, IsNeverNegative) {
  // The end is read before the offset: the group may have moved on between the two.
  EXPECT_EQ(SumLag("g", std::vector<bus::GroupLag>{{"t", 0, 9, 8}}, {}).lag, 0);
}

TEST(ReadMetrics, TakesWhatThePageTells) {
  GroupStatus group{.name = "g"};
  ReadMetrics(
      "tradewind_dead_records{group=\"g\"} 1\ntradewind_dead_records{group=\"g.effects\"} 8\n"
      "tradewind_parked_records{group=\"g\"} 2\n"
      "tradewind_held_records{group=\"g\"} 3\ntradewind_outbox_full{group=\"g\"} 1\n",
      group);
  EXPECT_EQ(group.dead, 1);
  EXPECT_EQ(group.parked, 2);
  EXPECT_EQ(group.held, 3);
  EXPECT_EQ(group.outbox_full, true);
}

TEST(ReadMetrics, LeavesOpenWhatThePageDoesNotTell) {
  GroupStatus group{.name = "g"};
  ReadMetrics("tradewind_dead_records{group=\"g\"} 0\ntradewind_parked_records{group=\"other\"} 1\n", group);
  EXPECT_EQ(group.dead, 0);
  EXPECT_EQ(group.parked, std::nullopt);
  EXPECT_EQ(group.held, std::nullopt);
  EXPECT_EQ(group.outbox_full, std::nullopt);
}

TEST(MeshStatus, IsWellOnlyWhenEverythingIs) {
  MeshStatus status;
  status.services.push_back({.name = "order", .health = absl::OkStatus()});
  status.groups.push_back({.name = "order", .dead = 3});
  EXPECT_TRUE(status.well());
  status.services[0].health = absl::UnavailableError("away");
  EXPECT_FALSE(status.well());
  status.services[0].health = absl::OkStatus();
  status.kafka = absl::UnavailableError("away");
  EXPECT_FALSE(status.well());
  status.kafka = absl::OkStatus();
  status.groups[0].status = absl::UnavailableError("away");
  EXPECT_FALSE(status.well());
}

}  // namespace
}  // namespace tradewind::cli
