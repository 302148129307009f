#include "services/cli/mesh_status.h"

#include <gtest/gtest.h>

#include <map>
#include <vector>

namespace tradewind::cli {
namespace {

using Lags = std::vector<bus::GroupLag>;

// As if every offset were a record.
int64_t LagOf(const Lags& lags, const std::map<Place, int64_t>& lows = {}) {
  return SumLag(FindBehind(lags, lows), {});
}

TEST(SumLag, AddsWhatIsNotTakenYet) { EXPECT_EQ(LagOf({{"t", 0, 5, 8}, {"t", 1, 8, 8}, {"u", 0, 0, 2}}), 5); }

TEST(SumLag, LeavesTopicsOutThatTheGroupHasNoOffsetFor) {
  EXPECT_EQ(LagOf({{"t", 0, 5, 8}, {"foreign", 0, -1, 100}}), 3);
}

TEST(SumLag, CountsAnUntouchedPartitionOfItsTopicsFromWhereItBegins) {
  const Lags lags = {{"t", 0, 8, 8}, {"t", 1, -1, 10}};
  EXPECT_EQ(LagOf(lags, {{{"t", 1}, 4}}), 6);
  EXPECT_EQ(LagOf(lags), 10);
}

TEST(SumLag, IsZeroForAGroupThatNeverCommitted) { EXPECT_EQ(LagOf({{"t", 0, -1, 8}}), 0); }

TEST(SumLag, IsNeverNegative) {
  // The end is read before the offset: the group may have moved on between the two.
  EXPECT_EQ(LagOf({{"t", 0, 9, 8}}), 0);
}

TEST(SumLag, CountsRecordsAndNotTheOffsetsBetweenThem) {
  // Two groups share a piece: one has everything, the other three records more.
  const std::map<Place, LogPiece> pieces = {{{"t", 0}, {4, 20, {4, 5, 11}}}};
  EXPECT_EQ(SumLag(std::vector<Behind>{{{"t", 0}, 4, 20}}, pieces), 3);
  EXPECT_EQ(SumLag(std::vector<Behind>{{{"t", 0}, 12, 20}}, pieces), 0);
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
  status.groups[0].status = absl::OkStatus();
  status.problems.push_back({"order", "the outbox has not moved", "see the log"});
  EXPECT_FALSE(status.well());
}

}  // namespace
}  // namespace tradewind::cli
