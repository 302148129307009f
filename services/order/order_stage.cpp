#include "services/order/order_stage.h"

#include <fmt/format.h>

#include <algorithm>

namespace tradewind::order {

Stage StageOf(const v1::Order& order) {
  switch (order.state()) {
    case v1::ORDER_STATE_PENDING:
      return order.stock_reserved() ? Stage::kPaying : Stage::kReserving;
    case v1::ORDER_STATE_CONFIRMED:
      return order.cancel_requested() ? Stage::kCancelling : Stage::kConfirmed;
    case v1::ORDER_STATE_SHIPPED:
      return Stage::kShipped;
    case v1::ORDER_STATE_DELIVERED:
      return Stage::kDelivered;
    case v1::ORDER_STATE_CANCELLED:
      return Stage::kCancelled;
    case v1::ORDER_STATE_REJECTED:
      return Stage::kRejected;
    default:
      return Stage::kNone;
  }
}

std::optional<Stage> Next(Stage from, Trigger trigger) {
  const auto* found = std::find_if(kTransitions.begin(), kTransitions.end(), [&](const Transition& transition) {
    return transition.from == from && transition.trigger == trigger;
  });
  if (found == kTransitions.end()) return std::nullopt;
  return found->to;
}

std::string_view NameOf(Stage stage) {
  switch (stage) {
    case Stage::kNone:
      return "None";
    case Stage::kReserving:
      return "Reserving";
    case Stage::kPaying:
      return "Paying";
    case Stage::kConfirmed:
      return "Confirmed";
    case Stage::kCancelling:
      return "Cancelling";
    case Stage::kShipped:
      return "Shipped";
    case Stage::kDelivered:
      return "Delivered";
    case Stage::kCancelled:
      return "Cancelled";
    case Stage::kRejected:
      return "Rejected";
  }
  return "";
}

std::string_view NameOf(Trigger trigger) {
  switch (trigger) {
    case Trigger::kCreate:
      return "CreateOrder";
    case Trigger::kStockReserved:
      return "StockReserved";
    case Trigger::kStockRefused:
      return "StockRefused, or no total";
    case Trigger::kPaymentAuthorized:
      return "PaymentAuthorized, or nothing to pay";
    case Trigger::kPaymentDeclined:
      return "PaymentDeclined";
    case Trigger::kDeadline:
      return "deadline";
    case Trigger::kCancel:
      return "CancelOrder";
    case Trigger::kShipmentDispatched:
      return "ShipmentDispatched";
    case Trigger::kShipmentDelivered:
      return "ShipmentDelivered";
    case Trigger::kShipmentReturned:
      return "ShipmentReturned";
    case Trigger::kShipmentCancelled:
      return "ShipmentCancelled";
  }
  return "";
}

std::string Diagram() {
  const auto place = [](Stage stage) { return stage == Stage::kNone ? std::string_view("[*]") : NameOf(stage); };
  std::string diagram = "stateDiagram-v2\n";
  for (const Transition& transition : kTransitions) {
    fmt::format_to(std::back_inserter(diagram), "  {} --> {}: {}\n", place(transition.from), place(transition.to),
                   NameOf(transition.trigger));
  }
  return diagram;
}

}  // namespace tradewind::order
