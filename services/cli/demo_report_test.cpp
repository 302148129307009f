#include "services/cli/demo_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

namespace tradewind::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

google::type::Money Money(int64_t units, int32_t nanos) {
  google::type::Money money;
  money.set_currency_code("EUR");
  money.set_units(units);
  money.set_nanos(nanos);
  return money;
}

DemoReport::PlacedOrder Placed(const std::string& id, double answer_ms, double last_hop_ms) {
  DemoReport::PlacedOrder placed;
  placed.call = {.trace_id = "trace-" + id, .answer_ms = answer_ms, .hops = {{.ms = last_hop_ms, .what = "hop"}}};
  placed.order.set_id(id);
  placed.order.set_state(order::v1::ORDER_STATE_CONFIRMED);
  *placed.order.mutable_total() = Money(30, 350'000'000);
  return placed;
}

std::string Shown(const DemoReport& report, bool complete = true) {
  std::ostringstream out;
  PrintReport(report, complete, out, false);
  return out.str();
}

TEST(FormatMoney, ShowsTwoDecimalsOrMore) {
  EXPECT_EQ(FormatMoney(Money(39, 980'000'000)), "39.98 EUR");
  EXPECT_EQ(FormatMoney(Money(5, 0)), "5.00 EUR");
  EXPECT_EQ(FormatMoney(Money(0, 1'000'000)), "0.001 EUR");
  EXPECT_EQ(FormatMoney(Money(0, -50'000'000)), "-0.05 EUR");
  EXPECT_EQ(FormatMoney(Money(-3, -750'000'000)), "-3.75 EUR");
}

TEST(StateName, IsTheNameWithoutItsPrefix) {
  EXPECT_EQ(StateName(order::v1::ORDER_STATE_CONFIRMED), "CONFIRMED");
  EXPECT_EQ(StateName(static_cast<order::v1::OrderState>(99)), "state 99");
}

TEST(Percentile, IsTheNearestRank) {
  EXPECT_EQ(Percentile({3, 1, 2, 4}, 50), 2);
  EXPECT_EQ(Percentile({3, 1, 2, 4}, 99), 4);
  EXPECT_EQ(Percentile({7}, 50), 7);
}

TEST(PrintReport, ShowsTheTimelineOfTheSlowestOrder) {
  const std::string text = Shown({.orders = {Placed("a", 4, 9), Placed("b", 5, 20)}});
  EXPECT_THAT(text, HasSubstr("TIMELINE of the slowest order, in ms since the call\ntrace trace-b\n"));
  EXPECT_THAT(text, Not(HasSubstr("trace-a")));
  EXPECT_THAT(text, HasSubstr("order a  CONFIRMED  30.35 EUR  answered in 4.0 ms\n"));
}

TEST(PrintReport, SumsUpManyOrders) {
  DemoReport report;
  for (int i = 1; i <= 100; ++i) {
    report.orders.push_back(Placed(std::to_string(i), i, i));
  }
  EXPECT_THAT(Shown(report), HasSubstr("100 orders, 100 confirmed; answered in 50.0 ms (median), 99.0 ms (99 of 100), "
                                       "100.0 ms (slowest)\n"));
}

TEST(PrintReport, ShowsAnOrderThatWasNotAnswered) {
  DemoReport report;
  report.orders.emplace_back().call = {.trace_id = "t", .hops = {{.ms = 0, .what = "call CreateOrder"}}};
  EXPECT_THAT(Shown(report), HasSubstr("order without an answer\n"));
}

TEST(PrintReport, CountsNotificationsThatSayTheSame) {
  DemoReport report;
  for (const char* subject : {"Welcome", "Confirmed", "Confirmed"}) {
    report.notifications.emplace_back().set_subject(subject);
  }
  EXPECT_THAT(Shown(report), HasSubstr("told  Welcome\ntold  Confirmed (2 times)\n3 notifications;"));
}

TEST(PrintReport, SaysWhetherItIsComplete) {
  EXPECT_THAT(Shown({.total_ms = 5}, true), HasSubstr("0 notifications; everything seen within 5.0 ms\n"));
  EXPECT_THAT(Shown({.total_ms = 5}, false), HasSubstr("0 notifications; incomplete after 5.0 ms\n"));
}

TEST(PrintReportAsJson, HoldsEveryTimeline) {
  DemoReport report{.orders = {Placed("a", 4.0004, 9)}};
  report.registration.emplace().user.set_id("u-1");
  report.notifications.emplace_back().set_kind(notification::v1::NOTIFICATION_KIND_WELCOME);
  std::ostringstream out;
  PrintReportAsJson(report, true, out);
  const auto json = nlohmann::json::parse(out.str());
  EXPECT_EQ(json["complete"], true);
  EXPECT_EQ(json["user"]["id"], "u-1");
  EXPECT_EQ(json["orders"][0]["state"], "CONFIRMED");
  EXPECT_EQ(json["orders"][0]["answer_ms"], 4.0);
  EXPECT_EQ(json["orders"][0]["timeline"][0]["what"], "hop");
  EXPECT_EQ(json["notifications"][0]["kind"], "NOTIFICATION_KIND_WELCOME");
}

}  // namespace
}  // namespace tradewind::cli
