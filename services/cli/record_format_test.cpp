#include "services/cli/record_format.h"

#include <gtest/gtest.h>

namespace tradewind::cli {
namespace {

bus::Record Sample(std::string key = "o-1") {
  return bus::Record::FromContent({.topic = "order.events.v1",
                                   .partition = 3,
                                   .offset = 17,
                                   .timestamp_ms = 1'000'000'000'007,
                                   .key = std::move(key),
                                   .value = "v",
                                   .headers = {{"ce_type", "a.b.C"}, {"odd", "\x1b\xff"}}});
}

DecodedEvent Decoded() { return {.type = "a.b.C", .body = {{"id", "o-1"}}}; }

TEST(RecordFilter, LetsEverythingPassWithoutFilters) { EXPECT_TRUE(RecordFilter{}.Matches("k", "")); }

TEST(RecordFilter, ComparesTheWholeKey) {
  const RecordFilter filter{.key = "o-1"};
  EXPECT_TRUE(filter.Matches("o-1", "T"));
  EXPECT_FALSE(filter.Matches("o-12", "T"));
  EXPECT_FALSE(filter.Matches("", "T"));
}

TEST(RecordFilter, AnEmptyKeyIsAKey) {
  EXPECT_TRUE(RecordFilter{.key = ""}.Matches("", "T"));
  EXPECT_FALSE(RecordFilter{.key = ""}.Matches("k", "T"));
}

TEST(RecordFilter, TakesATypeByItsFullNameOrItsLastPart) {
  EXPECT_TRUE(RecordFilter{.type = "a.b.OrderConfirmed"}.Matches("k", "a.b.OrderConfirmed"));
  EXPECT_TRUE(RecordFilter{.type = "OrderConfirmed"}.Matches("k", "a.b.OrderConfirmed"));
  EXPECT_FALSE(RecordFilter{.type = "Confirmed"}.Matches("k", "a.b.OrderConfirmed"));
  EXPECT_FALSE(RecordFilter{.type = "OrderConfirmed"}.Matches("k", ""));
}

TEST(RecordFilter, AsksForAllThatWasSet) {
  const RecordFilter filter{.key = "k", .type = "T"};
  EXPECT_TRUE(filter.Matches("k", "T"));
  EXPECT_FALSE(filter.Matches("k", "U"));
  EXPECT_FALSE(filter.Matches("l", "T"));
}

TEST(RecordAsLine, IsOneLine) {
  EXPECT_EQ(RecordAsLine(Sample("o\n1"), Decoded(), false, false),
            R"(2001-09-09T01:46:40.007Z  order.events.v1-3@17  a.b.C  o\x0a1  {"id":"o-1"})");
}

TEST(RecordAsLine, PutsHeadersBelow) {
  EXPECT_EQ(RecordAsLine(Sample(), Decoded(), true, false),
            "2001-09-09T01:46:40.007Z  order.events.v1-3@17  a.b.C  o-1  {\"id\":\"o-1\"}\n"
            "    ce_type: a.b.C\n"
            "    odd: \\x1b\\xff");
}

TEST(RecordAsLine, ShowsWhatIsAbsentAsADash) {
  EXPECT_EQ(RecordAsLine(Sample(""), {.problem = "undecodable: why"}, false, false),
            "2001-09-09T01:46:40.007Z  order.events.v1-3@17  -  -  <undecodable: why>");
}

TEST(RecordAsJson, IsOneLineOfJsonWithHeaders) {
  EXPECT_EQ(RecordAsJson(Sample(), Decoded()),
            R"({"time":"2001-09-09T01:46:40.007Z","topic":"order.events.v1","partition":3,"offset":17,"type":"a.b.C",)"
            R"("key":"o-1","headers":{"ce_type":"a.b.C","odd":"\\x1b\\xff"},"body":{"id":"o-1"}})");
}

TEST(RecordAsJson, SaysWhatWasWrong) {
  const auto json = nlohmann::json::parse(RecordAsJson(Sample(), {.type = "T", .problem = "undecodable: why"}));
  EXPECT_TRUE(json["body"].is_null());
  EXPECT_EQ(json["problem"], "undecodable: why");
}

}  // namespace
}  // namespace tradewind::cli
