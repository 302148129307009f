#include "services/cli/record_lag.h"

#include <gtest/gtest.h>

namespace tradewind::cli {
namespace {

TEST(RecordsFrom, CountsWhatWasRead) {
  const LogPiece whole{.from = 10, .to = 20, .offsets = {10, 11, 15}};
  EXPECT_EQ(RecordsFrom(10, 20, whole), 3);
  EXPECT_EQ(RecordsFrom(11, 20, whole), 2);
}

TEST(RecordsFrom, IsZeroWhereOnlyEndsOfTransactionsAreLeft) {
  EXPECT_EQ(RecordsFrom(16, 20, {.from = 10, .to = 20, .offsets = {10, 11, 15}}), 0);
  EXPECT_EQ(RecordsFrom(10, 20, {.from = 10, .to = 20, .offsets = {}}), 0);
}

TEST(RecordsFrom, CountsOffsetsWhereNothingWasRead) {
  EXPECT_EQ(RecordsFrom(10, 20, {.from = 10, .to = 10, .offsets = {}}), 10);
  // Three were read, of which one is before the group's place; the last four offsets were not.
  EXPECT_EQ(RecordsFrom(11, 20, {.from = 10, .to = 16, .offsets = {10, 11, 15}}), 6);
}

}  // namespace
}  // namespace tradewind::cli
