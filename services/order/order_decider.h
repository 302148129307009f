// What becomes of an order: the pure answer to each command. Its state is the Order that clients see.
#pragma once

#include <vector>

#include "tradewind/app/app.h"
#include "tradewind/order/v1/events.pb.h"
#include "tradewind/order/v1/order.pb.h"
#include "tradewind/store/store.h"

namespace tradewind::order {

struct OrderDecider {
  using State = v1::Order;
  using Commands = Types<v1::CreateOrderRequest, v1::CancelOrderRequest>;
  using Events = Types<v1::OrderCreated, v1::OrderConfirmed, v1::OrderCancelled>;

  // Confirmed at once: there is no payment to wait for. Rejects: INVALID_FIELD, ORDER_EXISTS.
  static Outcome Decide(const v1::CreateOrderRequest& command, Loaded<State> order, Context& context);
  // Rejects: ORDER_NOT_FOUND, ORDER_NOT_CANCELLABLE. A cancelled order is answered as it is.
  static Outcome Decide(const v1::CancelOrderRequest& command, Loaded<State> order, Context& context);
};

// Secondary indexes, both in the order of creation: every order, and a user's orders.
inline constexpr std::string_view kAllOrders = "all";
inline constexpr std::string_view kOrdersByUser = "user";
std::vector<store::IndexEntry> IndexOrder(const v1::Order& order);

}  // namespace tradewind::order
