// What each event makes of an order. The decider changes its state by nothing else, and watch streams follow an order
// by the same functions, so the two cannot tell different stories. Pure.
#pragma once

#include <string_view>

#include "tradewind/order/v1/events.pb.h"
#include "tradewind/order/v1/order.pb.h"

namespace tradewind::order {

void Apply(v1::Order& order, const v1::OrderCreated& event);
void Apply(v1::Order& order, const v1::OrderReserved& event);
void Apply(v1::Order& order, const v1::OrderConfirmed& event);
void Apply(v1::Order& order, const v1::OrderRejected& event);
void Apply(v1::Order& order, const v1::OrderCancelRequested& event);
void Apply(v1::Order& order, const v1::OrderCancelled& event);
void Apply(v1::Order& order, const v1::OrderShipped& event);
void Apply(v1::Order& order, const v1::OrderDelivered& event);

enum class Applied {
  kYes,
  // The order had seen it.
  kAlready,
  // A type that changes no order, or bytes that are none of its type: the order is as it was.
  kUnknown,
};

// The event as it stands on the log: `type` is its full name. Applied where its revision is greater than the order's.
Applied ApplyIfNewer(v1::Order& order, std::string_view type, std::string_view event);

// True once nothing can change the order any more.
bool IsFinal(v1::OrderState state);

}  // namespace tradewind::order
