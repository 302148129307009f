#include "services/cli/demo_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "services/cli/text.h"

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

std::string OrderLine(const DemoReport::PlacedOrder& placed) {
  if (!placed.call.answer_ms.has_value()) {
    return "order without an answer";
  }
  return fmt::format("order {}  {}  {}  answered in {}", placed.order.id(), StateName(placed.order.state()),
                     FormatMoney(placed.order.total()), FormatMs(*placed.call.answer_ms));
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
  std::vector<double> answers;
  for (const DemoReport::PlacedOrder& placed : report.orders) {
    if (placed.call.answer_ms.has_value()) {
      answers.push_back(*placed.call.answer_ms);
    }
  }
  const auto confirmed = std::count_if(report.orders.begin(), report.orders.end(), [](const auto& placed) {
    return placed.order.state() == order::v1::ORDER_STATE_CONFIRMED;
  });
  out << fmt::format("{} orders, {} confirmed", report.orders.size(), confirmed);
  if (!answers.empty()) {
    out << fmt::format("; answered in {} (median), {} (99 of 100), {} (slowest)", FormatMs(Percentile(answers, 50)),
                       FormatMs(Percentile(answers, 99)), FormatMs(Percentile(answers, 100)));
  }
  out << '\n';
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

Json CallAsJson(const CallReport& call) {
  Json json = {{"trace_id", call.trace_id}};
  if (call.answer_ms.has_value()) {
    json["answer_ms"] = std::round(*call.answer_ms * 1000) / 1000;
  }
  json["timeline"] = TimelineAsJson(Sorted(call.hops));
  return json;
}

}  // namespace

std::string FormatMoney(const google::type::Money& money) {
  const bool negative = money.units() < 0 || money.nanos() < 0;
  std::string decimals = fmt::format("{:09}", std::abs(money.nanos()));
  while (decimals.size() > 2 && decimals.back() == '0') {
    decimals.pop_back();
  }
  const std::string text = fmt::format("{}{}.{}", negative ? "-" : "", std::abs(money.units()), decimals);
  return money.currency_code().empty() ? text : text + " " + Printable(money.currency_code());
}

std::string StateName(order::v1::OrderState state) {
  static constexpr std::string_view kPrefix = "ORDER_STATE_";
  const std::string& name = order::v1::OrderState_Name(state);
  if (name.empty()) {
    return fmt::format("state {}", static_cast<int>(state));
  }
  return name.substr(name.starts_with(kPrefix) ? kPrefix.size() : 0);
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
  if (report.registration.has_value() && report.registration->call.answer_ms.has_value()) {
    const user::v1::User& user = report.registration->user;
    out << fmt::format("user  {}  {}  answered in {}\n", user.id(), Printable(user.email()),
                       FormatMs(*report.registration->call.answer_ms));
  }
  PrintOrders(report, out);
  PrintNotifications(report, out);
  out << fmt::format("{} notifications; {} {}\n", report.notifications.size(),
                     complete ? "everything seen within" : "incomplete after", FormatMs(report.total_ms));
}

void PrintReportAsJson(const DemoReport& report, bool complete, std::ostream& out) {
  Json json = {{"complete", complete}, {"total_ms", std::round(report.total_ms * 1000) / 1000}};
  if (report.registration.has_value()) {
    Json item = {{"id", report.registration->user.id()}, {"email", report.registration->user.email()}};
    item.update(CallAsJson(report.registration->call));
    json["user"] = std::move(item);
  }
  json["orders"] = Json::array();
  for (const DemoReport::PlacedOrder& placed : report.orders) {
    Json item = {{"id", placed.order.id()},
                 {"state", StateName(placed.order.state())},
                 {"total", FormatMoney(placed.order.total())}};
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
  out << json.dump(2, ' ', false, Json::error_handler_t::replace) << '\n';
}

}  // namespace tradewind::cli
