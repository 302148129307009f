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
  placed.confirmed_ms = answer_ms + 30;
  placed.order.set_id(id);
  placed.order.set_state(order::v1::ORDER_STATE_DELIVERED);
  *placed.order.mutable_total() = Money(30, 350'000'000);
  return placed;
}

std::string Shown(const DemoReport& report, bool complete = true) {
  std::ostringstream out;
  PrintReport(report, complete, out, false);
  return out.str();
}

TEST(StateName, IsTheNameWithoutItsPrefix) {
  EXPECT_EQ(StateName(order::v1::ORDER_STATE_CONFIRMED), "CONFIRMED");
  EXPECT_EQ(StateName(shipping::v1::SHIPMENT_STATE_IN_TRANSIT), "IN_TRANSIT");
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
  EXPECT_THAT(text, HasSubstr("order a  DELIVERED  30.35 EUR  answered in 4.0 ms, confirmed after 34.0 ms\n"));
}

TEST(PrintReport, SumsUpManyOrders) {
  DemoReport report;
  for (int i = 1; i <= 100; ++i) {
    report.orders.push_back(Placed(std::to_string(i), i, i));
  }
  report.orders.back().order.set_state(order::v1::ORDER_STATE_CONFIRMED);
  EXPECT_THAT(Shown(report), HasSubstr("100 orders, 99 delivered; answered in 50.0 ms (median), 99.0 ms (99 of 100), "
                                       "100.0 ms (slowest); confirmed after 80.0 ms (median), 129.0 ms (99 of 100), "
                                       "130.0 ms (slowest)\n"));
}

TEST(PrintReport, ShowsAnOrderThatWasRejected) {
  DemoReport report{.orders = {Placed("a", 4, 9)}};
  report.orders[0].confirmed_ms.reset();
  report.orders[0].order.set_state(order::v1::ORDER_STATE_REJECTED);
  report.orders[0].order.clear_total();
  EXPECT_THAT(Shown(report), HasSubstr("order a  REJECTED  no total  answered in 4.0 ms\n"));
}

TEST(PrintReport, ShowsWhatIsForSale) {
  DemoReport report;
  report.products.emplace_back().set_id("compass-1");
  *report.products.back().mutable_unit_price() = Money(24, 500'000'000);
  EXPECT_THAT(Shown(report), HasSubstr("goods compass-1  24.50 EUR\n"));
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
  report.products.emplace_back().set_id("compass-1");
  report.notifications.emplace_back().set_kind(notification::v1::NOTIFICATION_KIND_WELCOME);
  std::ostringstream out;
  PrintReportAsJson(report, true, out);
  const auto json = nlohmann::json::parse(out.str());
  EXPECT_EQ(json["complete"], true);
  EXPECT_EQ(json["user"]["id"], "u-1");
  EXPECT_EQ(json["products"][0]["id"], "compass-1");
  EXPECT_EQ(json["orders"][0]["state"], "DELIVERED");
  EXPECT_EQ(json["orders"][0]["total"], "30.35 EUR");
  EXPECT_EQ(json["orders"][0]["confirmed_ms"], 34.0);
  EXPECT_EQ(json["orders"][0]["answer_ms"], 4.0);
  EXPECT_EQ(json["orders"][0]["timeline"][0]["what"], "hop");
  EXPECT_EQ(json["notifications"][0]["kind"], "NOTIFICATION_KIND_WELCOME");
}

}  // namespace
}  // namespace tradewind::cli
