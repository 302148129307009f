// What becomes of an order: the pure answer to each command, to each word from inventory, payment and shipping about
// it, and to their silence. Its state is the Order that clients see; where it goes from where is order_stage's table.
// Nothing is undone here: OrderRejected and OrderCancelled tell the others to let go of what they hold.
#pragma once

#include <memory>
#include <vector>

#include "services/order/order_record.pb.h"
#include "services/order/order_settings.h"
#include "tradewind/app/app.h"
#include "tradewind/inventory/v1/events.pb.h"
#include "tradewind/order/v1/events.pb.h"
#include "tradewind/order/v1/order.pb.h"
#include "tradewind/payment/v1/events.pb.h"
#include "tradewind/shipping/v1/events.pb.h"
#include "tradewind/store/store.h"

namespace tradewind::order {

// The one timer of an order: for what it waits for now.
inline constexpr std::string_view kDeadlineTimer = "deadline";

class OrderDecider {
 public:
  using State = v1::Order;
  using Commands = Types<v1::CreateOrderRequest, v1::CancelOrderRequest>;
  using Reactions =
      Types<inventory::v1::StockReserved, inventory::v1::StockRefused, payment::v1::PaymentAuthorized,
            payment::v1::PaymentDeclined, shipping::v1::ShipmentDispatched, shipping::v1::ShipmentDelivered,
            shipping::v1::ShipmentReturned, shipping::v1::ShipmentCancelled>;
  using Timers = Types<internal::v1::Deadline>;
  using Companions = Types<internal::v1::MeansOfPayment>;
  using Events = Types<v1::OrderCreated, v1::OrderReserved, v1::OrderConfirmed, v1::OrderRejected,
                       v1::OrderCancelRequested, v1::OrderCancelled, v1::OrderShipped, v1::OrderDelivered>;

  // The settings may still change until the first message.
  explicit OrderDecider(std::shared_ptr<const OrderSettings> settings = std::make_shared<OrderSettings>())
      : settings_(std::move(settings)) {}

  // Rejects: INVALID_FIELD, ORDER_EXISTS.
  Outcome Decide(const v1::CreateOrderRequest& command, Loaded<State> order, Context& context) const;
  // Rejects: ORDER_NOT_FOUND, ORDER_NOT_CANCELLABLE. A cancelled order is answered as it is.
  Outcome Decide(const v1::CancelOrderRequest& command, Loaded<State> order, Context& context) const;

  // Each changes nothing where it comes too late.
  Outcome Decide(const inventory::v1::StockReserved& event, Loaded<State> order, Context& context) const;
  Outcome Decide(const inventory::v1::StockRefused& event, Loaded<State> order, Context& context) const;
  Outcome Decide(const payment::v1::PaymentAuthorized& event, Loaded<State> order, Context& context) const;
  Outcome Decide(const payment::v1::PaymentDeclined& event, Loaded<State> order, Context& context) const;
  Outcome Decide(const shipping::v1::ShipmentDispatched& event, Loaded<State> order, Context& context) const;
  Outcome Decide(const shipping::v1::ShipmentDelivered& event, Loaded<State> order, Context& context) const;
  Outcome Decide(const shipping::v1::ShipmentReturned& event, Loaded<State> order, Context& context) const;
  Outcome Decide(const shipping::v1::ShipmentCancelled& event, Loaded<State> order, Context& context) const;
  Outcome Decide(const internal::v1::Deadline& timer, Loaded<State> order, Context& context) const;

 private:
  std::shared_ptr<const OrderSettings> settings_;
};

// Secondary indexes, both in the order of creation: every order, and a user's orders.
inline constexpr std::string_view kAllOrders = "all";
inline constexpr std::string_view kOrdersByUser = "user";
std::vector<store::IndexEntry> IndexOrder(const v1::Order& order);

}  // namespace tradewind::order
