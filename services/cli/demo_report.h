// What `tradewind demo` has to tell, complete or as far as it came.
#pragma once

#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "google/type/money.pb.h"

#include "services/cli/timeline.h"
#include "tradewind/notification/v1/notification.pb.h"
#include "tradewind/order/v1/order.pb.h"
#include "tradewind/user/v1/user.pb.h"

namespace tradewind::cli {

// One call and what followed from it.
struct CallReport {
  std::string trace_id;
  // Until the call was answered; nothing when it was not.
  std::optional<double> answer_ms;
  // The client's own steps and the records.
  std::vector<Hop> hops;
};

struct DemoReport {
  struct Registration {
    CallReport call;
    user::v1::User user;
  };
  struct PlacedOrder {
    CallReport call;
    order::v1::Order order;
  };
  std::optional<Registration> registration;
  std::vector<PlacedOrder> orders;
  std::vector<notification::v1::Notification> notifications;
  // From the first call to the last thing that was waited for.
  double total_ms = 0;
};

// "39.98 EUR": two decimals, more where the amount has more.
std::string FormatMoney(const google::type::Money& money);
// "CONFIRMED" for ORDER_STATE_CONFIRMED.
std::string StateName(order::v1::OrderState state);
// The value that `percent` of `values` do not exceed (nearest rank). `values` is not empty.
double Percentile(std::vector<double> values, double percent);

// Timelines (of the registration and the slowest order), then the summary.
void PrintReport(const DemoReport& report, bool complete, std::ostream& out, bool color);
// Everything, one JSON object.
void PrintReportAsJson(const DemoReport& report, bool complete, std::ostream& out);

}  // namespace tradewind::cli
