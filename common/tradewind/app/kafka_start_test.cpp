#include "tradewind/app/kafka_start.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "tradewind/store/sqlite_store.h"

namespace tradewind {
namespace {

using Counts = std::map<std::string, int32_t>;

class PinPartitionsTest : public ::testing::Test {
 protected:
  PinPartitionsTest() {
    std::string name = (std::filesystem::temp_directory_path() / "tradewind-start-XXXXXX").string();
    folder_ = mkdtemp(name.data());
    store_ = *store::OpenSqliteStore({.directory = folder_.string(), .cache_bytes = 1 << 20}, "order");
  }
  ~PinPartitionsTest() override {
    store_.reset();
    std::filesystem::remove_all(folder_);
  }

  Counts Pin(const Counts& there, int32_t setting = 0) {
    return PinPartitions({.pinned_partitions = setting}, *store_, there).value();
  }

  std::filesystem::path folder_;
  std::unique_ptr<store::Store> store_;
};

TEST_F(PinPartitionsTest, KeepsTheCountOfTheFirstStart) {
  EXPECT_EQ(Pin({{"commands", 12}, {"events", 12}}), (Counts{{"commands", 12}, {"events", 12}}));
  EXPECT_EQ(Pin({{"commands", 24}, {"events", 24}}), (Counts{{"commands", 12}, {"events", 12}}));
}

TEST_F(PinPartitionsTest, TakesTheOperatorsWord) {
  Pin({{"commands", 24}, {"events", 6}});
  EXPECT_EQ(Pin({{"commands", 24}, {"events", 6}}, 12), (Counts{{"commands", 12}, {"events", 6}}));
  // And keeps it.
  EXPECT_EQ(Pin({{"commands", 24}, {"events", 6}}), (Counts{{"commands", 12}, {"events", 6}}));
  EXPECT_EQ(Pin({{"commands", 24}, {"events", 24}}, 24), (Counts{{"commands", 24}, {"events", 24}}));
}

TEST_F(PinPartitionsTest, RefusesATopicWithFewer) {
  Pin({{"commands", 12}});
  const auto pinned = PinPartitions({}, *store_, {{"commands", 6}});
  EXPECT_TRUE(absl::IsFailedPrecondition(pinned.status())) << pinned.status();
  EXPECT_THAT(std::string(pinned.status().message()),
              ::testing::AllOf(::testing::HasSubstr("commands has 6 partitions"),
                               ::testing::HasSubstr("--alter --topic commands --partitions 12")));
}

TEST_F(PinPartitionsTest, RefusesADamagedCountUnlessTold) {
  for (const int32_t count : {0, -1}) {
    ASSERT_TRUE(store_->PinPartitions({{"commands", count}}, /*replace=*/true).ok());
    const auto pinned = PinPartitions({}, *store_, {{"commands", 12}});
    EXPECT_TRUE(absl::IsFailedPrecondition(pinned.status())) << pinned.status();
    EXPECT_THAT(std::string(pinned.status().message()), ::testing::HasSubstr("set kafka.pinned_partitions to"));
    EXPECT_EQ(Pin({{"commands", 12}}, 12), (Counts{{"commands", 12}}));
  }
}

}  // namespace
}  // namespace tradewind
