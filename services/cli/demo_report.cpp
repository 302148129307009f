#include "services/cli/demo_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string_view>
#include <utility>

#include "services/cli/text.h"
#include "tradewind/money/money.h"

namespace tradewind::cli {
namespace {

using Json = nlohmann::ordered_json;

void PrintCall(const std::string& title, const CallReport& call, std::ostream& out, bool color) {
  out << title << ", in ms since the call\n"
      << Toned(fmt::format("trace {}", call.trace_id), Tone::kDim, color) << '\n';
  PrintTimeline(Sorted(call.hops), out, color);
  out << '\n';
}

// What took longest to become known, which for a call without an answer is its last hop.
double LastHop(const CallReport& call) {
  double last = call.answer_ms.value_or(0);
  for (const Hop& hop : call.hops) {
    last = std::max(last, hop.ms);
  }
  return last;
}

// `name` is empty for a number that this program knows no name of.
std::string WithoutPrefix(const std::string& name, std::string_view prefix, int number) {
  if (name.empty()) {
    return fmt::format("state {}", number);
  }
  return name.substr(name.starts_with(prefix) ? prefix.size() : 0);
}

// "24.50 EUR".
std::string Amount(const google::type::Money& money) { return Printable(money::Format(money)); }

// An order that was rejected early has no total.
std::string Total(const order::v1::Order& order) { return order.has_total() ? Amount(order.total()) : "no total"; }

std::string OrderLine(const DemoReport::PlacedOrder& placed) {
  if (!placed.call.answer_ms.has_value()) {
    return "order without an answer";
  }
  std::string line =
      fmt::format("order {}  {}  {}  answered in {}", Printable(placed.order.id()), StateName(placed.order.state()),
                  Total(placed.order), FormatMs(*placed.call.answer_ms));
  if (placed.confirmed_ms.has_value()) {
    line += fmt::format(", confirmed after {}", FormatMs(*placed.confirmed_ms));
  }
  return line;
}

// "; answered in 1.0 ms (median), ..."; nothing where there are no values.
std::string Spread(std::string_view what, const std::vector<double>& values) {
  if (values.empty()) {
    return "";
  }
  return fmt::format("; {} {} (median), {} (99 of 100), {} (slowest)", what, FormatMs(Percentile(values, 50)),
                     FormatMs(Percentile(values, 99)), FormatMs(Percentile(values, 100)));
}

// Past this many, orders are summed up instead of listed.
constexpr size_t kListedOrders = 10;

void PrintOrders(const DemoReport& report, std::ostream& out) {
  if (report.orders.size() <= kListedOrders) {
    for (const DemoReport::PlacedOrder& placed : report.orders) {
      out << OrderLine(placed) << '\n';
    }
    return;
  }
  std::vector<double> answered;
  std::vector<double> confirmed;
  int delivered = 0;
  for (const DemoReport::PlacedOrder& placed : report.orders) {
    if (placed.call.answer_ms.has_value()) {
      answered.push_back(*placed.call.answer_ms);
    }
    if (placed.confirmed_ms.has_value()) {
      confirmed.push_back(*placed.confirmed_ms);
    }
    delivered += placed.order.state() == order::v1::ORDER_STATE_DELIVERED ? 1 : 0;
  }
  out << fmt::format("{} orders, {} delivered{}{}\n", report.orders.size(), delivered, Spread("answered in", answered),
                     Spread("confirmed after", confirmed));
}

void PrintProducts(const DemoReport& report, std::ostream& out) {
  for (const inventory::v1::Product& product : report.products) {
    out << fmt::format("goods {}  {}\n", Printable(product.id()), Amount(product.unit_price()));
  }
}

// Each subject once, in the order in which they came first.
void PrintNotifications(const DemoReport& report, std::ostream& out) {
  std::vector<std::pair<std::string, int>> subjects;
  for (const notification::v1::Notification& notification : report.notifications) {
    const auto known = std::find_if(subjects.begin(), subjects.end(),
                                    [&](const auto& subject) { return subject.first == notification.subject(); });
    if (known == subjects.end()) {
      subjects.emplace_back(notification.subject(), 1);
    } else {
      ++known->second;
    }
  }
  for (const auto& [subject, times] : subjects) {
    out << fmt::format("told  {}{}\n", Printable(subject), times == 1 ? "" : fmt::format(" ({} times)", times));
  }
}

// Whole microseconds: more digits would claim more than was measured.
double Rounded(double ms) { return std::round(ms * 1000) / 1000; }

Json CallAsJson(const CallReport& call) {
  Json json = {{"trace_id", call.trace_id}};
  if (call.answer_ms.has_value()) {
    json["answer_ms"] = Rounded(*call.answer_ms);
  }
  json["timeline"] = TimelineAsJson(Sorted(call.hops));
  return json;
}

}  // namespace

std::string StateName(order::v1::OrderState state) {
  return WithoutPrefix(order::v1::OrderState_Name(state), "ORDER_STATE_", state);
}

std::string StateName(shipping::v1::ShipmentState state) {
  return WithoutPrefix(shipping::v1::ShipmentState_Name(state), "SHIPMENT_STATE_", state);
}

double Percentile(std::vector<double> values, double percent) {
  std::sort(values.begin(), values.end());
  const double rank = std::ceil(percent / 100 * static_cast<double>(values.size()));
  const auto index = static_cast<size_t>(std::clamp(rank, 1.0, static_cast<double>(values.size())));
  return values[index - 1];
}

void PrintReport(const DemoReport& report, bool complete, std::ostream& out, bool color) {
  if (report.registration.has_value()) {
    PrintCall("TIMELINE of the registration", report.registration->call, out, color);
  }
  if (!report.orders.empty()) {
    const auto slowest = std::max_element(report.orders.begin(), report.orders.end(), [](const auto& a, const auto& b) {
      return LastHop(a.call) < LastHop(b.call);
    });
    PrintCall(report.orders.size() == 1 ? "TIMELINE of the order" : "TIMELINE of the slowest order", slowest->call, out,
              color);
  }
  PrintProducts(report, out);
  if (report.registration.has_value() && report.registration->call.answer_ms.has_value()) {
    const user::v1::User& user = report.registration->user;
    out << fmt::format("user  {}  {}  answered in {}\n", Printable(user.id()), Printable(user.email()),
                       FormatMs(*report.registration->call.answer_ms));
  }
  PrintOrders(report, out);
  PrintNotifications(report, out);
  out << fmt::format("{} notifications; {} {}\n", report.notifications.size(),
                     complete ? "everything seen within" : "incomplete after", FormatMs(report.total_ms));
}

void PrintReportAsJson(const DemoReport& report, bool complete, std::ostream& out) {
  Json json = {{"complete", complete}, {"total_ms", Rounded(report.total_ms)}};
  if (report.registration.has_value()) {
    Json item = {{"id", report.registration->user.id()}, {"email", report.registration->user.email()}};
    item.update(CallAsJson(report.registration->call));
    json["user"] = std::move(item);
  }
  json["products"] = Json::array();
  for (const inventory::v1::Product& product : report.products) {
    json["products"].push_back({{"id", product.id()}, {"unit_price", money::Format(product.unit_price())}});
  }
  json["orders"] = Json::array();
  for (const DemoReport::PlacedOrder& placed : report.orders) {
    Json item = {{"id", placed.order.id()}, {"state", StateName(placed.order.state())}, {"total", Total(placed.order)}};
    if (placed.confirmed_ms.has_value()) {
      item["confirmed_ms"] = Rounded(*placed.confirmed_ms);
    }
    item.update(CallAsJson(placed.call));
    json["orders"].push_back(std::move(item));
  }
  json["notifications"] = Json::array();
  for (const notification::v1::Notification& notification : report.notifications) {
    json["notifications"].push_back({{"id", notification.id()},
                                     {"kind", notification::v1::NotificationKind_Name(notification.kind())},
                                     {"subject", notification.subject()},
                                     {"event_id", notification.event_id()}});
  }
  out << JsonDocument(json) << '\n';
}

}  // namespace tradewind::cli
