#include "tradewind/app/open_transactions.h"

#include <gtest/gtest.h>

namespace tradewind {
namespace {

double Shown(const std::string& topic) {
  return telemetry::NewAge("tradewind_open_transaction_seconds", "", {{"topic", topic}, {"partition", "3"}}).value();
}

void Note(OpenTransactions& open, const std::string& topic, int64_t stable, int64_t high) {
  const bus::LogEnd end{topic, 3, stable, high};
  open.Note({&end, 1});
}

TEST(OpenTransactions, AreNoneWhereEverythingIsStable) {
  OpenTransactions open;
  Note(open, "stable", 8, 8);
  EXPECT_EQ(Shown("stable"), 0);
}

TEST(OpenTransactions, CountFromTheFirstLookUntilTheyEnd) {
  OpenTransactions open;
  Note(open, "held", 8, 9);
  const double first = Shown("held");
  EXPECT_GT(first, 0);
  Note(open, "held", 8, 12);
  EXPECT_GT(Shown("held"), first);
  Note(open, "held", 12, 12);
  EXPECT_EQ(Shown("held"), 0);
}

TEST(OpenTransactions, CountAnewOnceTheStableOffsetHasMoved) {
  OpenTransactions open;
  Note(open, "busy", 8, 9);
  telemetry::NewAge("tradewind_open_transaction_seconds", "", {{"topic", "busy"}, {"partition", "3"}})
      .Set(absl::Seconds(100));
  Note(open, "busy", 10, 11);
  EXPECT_LT(Shown("busy"), 100);
  EXPECT_GT(Shown("busy"), 0);
}

}  // namespace
}  // namespace tradewind
