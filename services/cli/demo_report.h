// What `tradewind demo` has to tell, complete or as far as it came.
#pragma once

#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "services/cli/timeline.h"
#include "tradewind/inventory/v1/inventory.pb.h"
#include "tradewind/notification/v1/notification.pb.h"
#include "tradewind/order/v1/order.pb.h"
#include "tradewind/shipping/v1/shipping.pb.h"
#include "tradewind/user/v1/user.pb.h"

namespace tradewind::cli {

// One call and what followed from it. Later calls under the same trace count as following from it.
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
    // Since the call; nothing while it was not seen to be.
    std::optional<double> confirmed_ms;
    order::v1::Order order;
  };
  // As they were created.
  std::vector<inventory::v1::Product> products;
  std::optional<Registration> registration;
  std::vector<PlacedOrder> orders;
  std::vector<notification::v1::Notification> notifications;
  // From the first call to the last thing that was waited for.
  double total_ms = 0;
};

// "CONFIRMED" for ORDER_STATE_CONFIRMED, and likewise for a shipment.
std::string StateName(order::v1::OrderState state);
std::string StateName(shipping::v1::ShipmentState state);
// The value that `percent` of `values` do not exceed (nearest rank). `values` is not empty.
double Percentile(std::vector<double> values, double percent);

// Timelines (of the registration and the slowest order), then the summary.
void PrintReport(const DemoReport& report, bool complete, std::ostream& out, bool color);
// Everything, one JSON object.
void PrintReportAsJson(const DemoReport& report, bool complete, std::ostream& out);

}  // namespace tradewind::cli
