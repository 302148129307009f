#include "tradewind/app/unread_partitions.h"

#include <gtest/gtest.h>

#include "tradewind/telemetry/metrics.h"

namespace tradewind {
namespace {

double Shown(const std::string& group, const std::string& topic) {
  return telemetry::NewGauge("tradewind_partitions_unread", "", {{"group", group}, {"topic", topic}, {"pinned", "2"}})
      .value();
}

// As many partitions of each, with `records` in the last one.
std::vector<bus::LogEnd> Ends(const std::map<std::string, int32_t>& counts, int64_t records = 0) {
  std::vector<bus::LogEnd> ends;
  for (const auto& [topic, count] : counts) {
    for (int32_t partition = 0; partition < count; ++partition) {
      const int64_t high = partition == count - 1 ? records : 0;
      ends.push_back({topic, partition, high, high});
    }
  }
  return ends;
}

absl::StatusOr<bus::OffsetRange> NotAsked(const std::string& topic, int32_t partition) {
  ADD_FAILURE() << "asked about " << topic << "-" << partition;
  return absl::UnavailableError("nobody was to ask");
}

TEST(UnreadPartitions, AreNoneWhereEveryTopicHasAsManyAsAreRead) {
  UnreadPartitions unread({{"equal", {"commands", "events"}, 2}}, /*is_decided=*/false, NotAsked);
  unread.Note(Ends({{"commands", 2}, {"events", 2}, {"other", 9}}));
  EXPECT_EQ(Shown("equal", "commands"), 0);
  EXPECT_EQ(Shown("equal", "events"), 0);
}

TEST(UnreadPartitions, AreCountedByGroupAndTopic) {
  UnreadPartitions unread({{"one", {"commands", "events"}, 2}, {"two", {"events"}, 2}}, /*is_decided=*/false, NotAsked);
  unread.Note(Ends({{"commands", 5}, {"events", 2}}));
  EXPECT_EQ(Shown("one", "commands"), 3);
  EXPECT_EQ(Shown("one", "events"), 0);
  unread.Note(Ends({{"commands", 5}, {"events", 3}}));
  EXPECT_EQ(Shown("one", "commands"), 3);
  EXPECT_EQ(Shown("one", "events"), 1);
  EXPECT_EQ(Shown("two", "events"), 1);
  // Made anew.
  unread.Note(Ends({{"commands", 2}, {"events", 2}}));
  EXPECT_EQ(Shown("one", "commands"), 0);
}

TEST(UnreadPartitions, CountOnlyWithRecordsOnceDecided) {
  absl::StatusOr<bus::OffsetRange> range = bus::OffsetRange{.low = 3, .high = 7};
  UnreadPartitions unread({{"decided", {"commands"}, 2}}, /*is_decided=*/true,
                          [&](const std::string&, int32_t) { return range; });
  unread.Note(Ends({{"commands", 5}}));
  EXPECT_EQ(Shown("decided", "commands"), 0);
  unread.Note(Ends({{"commands", 5}}, 7));
  EXPECT_EQ(Shown("decided", "commands"), 1);
  range = absl::UnavailableError("away");
  unread.Note(Ends({{"commands", 5}}, 7));
  EXPECT_EQ(Shown("decided", "commands"), 1);
  // They have expired.
  range = bus::OffsetRange{.low = 7, .high = 7};
  unread.Note(Ends({{"commands", 5}}, 7));
  EXPECT_EQ(Shown("decided", "commands"), 0);
}

}  // namespace
}  // namespace tradewind
