// What orders do to the stock: everything an order asks for is set aside or nothing is, until the order is shipped or
// called off. Pure. Keeps one Reservation under the order's id, which makes each step happen once however often its
// event is handled, and moves pieces between the free, reserved and sold of the products, in the same transaction.
#pragma once

#include "services/inventory/inventory_record.pb.h"
#include "tradewind/app/app.h"
#include "tradewind/inventory/v1/events.pb.h"
#include "tradewind/inventory/v1/inventory.pb.h"
#include "tradewind/order/v1/events.pb.h"

namespace tradewind::inventory {

// Handlers for App::On. An event that finds its order in no state to act on is Ack without effect.

// Sets aside all lines and emits StockReserved, or none and emits StockRefused, which names the first problem in the
// order of the lines. Dead where the event is no order: without an id, without lines, or with a quantity below 1.
Outcome OnOrderCreated(const order::v1::OrderCreated& event, Context& context);
// What was held is sold: StockSold.
Outcome OnOrderShipped(const order::v1::OrderShipped& event, Context& context);
// What was held, or sold, is free again: StockReleased.
Outcome OnOrderCancelled(const order::v1::OrderCancelled& event, Context& context);
Outcome OnOrderRejected(const order::v1::OrderRejected& event, Context& context);

}  // namespace tradewind::inventory
