#include "services/cli/timeline.h"

#include <gtest/gtest.h>

#include <sstream>

namespace tradewind::cli {
namespace {

const std::vector<Hop> kHops = {{.ms = 12.34, .what = "later", .where = "t-0@5"},
                                {.ms = 0, .what = "call"},
                                {.ms = 1.25, .what = "first of two", .where = "t-1@0"},
                                {.ms = 1.25, .what = "second", .where = "t-2@0"}};

TEST(Timeline, IsInOrderOfTimeAndKeepsTies) {
  std::vector<std::string> order;
  for (const Hop& hop : Sorted(kHops)) {
    order.push_back(hop.what);
  }
  EXPECT_EQ(order, (std::vector<std::string>{"call", "first of two", "second", "later"}));
}

TEST(Timeline, PutsRecordsSeenAtOnceByTheirOwnTime) {
  const std::vector<Hop> hops = Sorted({{.ms = 5.01, .what = "effect", .logged_ms = 20},
                                        {.ms = 5.02, .what = "answer"},
                                        {.ms = 5.04, .what = "cause", .logged_ms = 19}});
  EXPECT_EQ(hops[0].what, "cause");
  EXPECT_EQ(hops[1].what, "effect");
  EXPECT_EQ(hops[2].what, "answer");
}

TEST(Timeline, AlignsTimesToTheRight) {
  std::ostringstream out;
  PrintTimeline({{.ms = 0.04, .what = "call"}, {.ms = 12.36, .what = "a.b.C", .where = "t-0@5"}}, out, false);
  EXPECT_EQ(out.str(),
            "  MS  WHAT   WHERE\n"
            " 0.0  call\n"
            "12.4  a.b.C  t-0@5\n");
}

TEST(Timeline, AsJsonLeavesOutThePlaceWhereThereIsNone) {
  EXPECT_EQ(TimelineAsJson({{.ms = 0, .what = "call"}, {.ms = 1.23456, .what = "T", .where = "t-0@5"}}).dump(),
            R"([{"ms":0.0,"what":"call"},{"ms":1.235,"what":"T","where":"t-0@5"}])");
}

TEST(Timeline, ShowsAForeignTypeAsText) {
  const auto record = bus::Record::FromContent({.headers = {{"ce_type", "\xff\x1b[31m"}}});
  EXPECT_EQ(HeaderType(record), "\\xff\\x1b[31m");
}

}  // namespace
}  // namespace tradewind::cli
