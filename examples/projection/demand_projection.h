// What was ordered, counted by product from the events of orders: a read model. Everything counted is in the same
// transaction as the place in the log that it was counted from, so each order counts once, whatever dies in between.
#pragma once

#include <string_view>
#include <vector>

#include "demand/v1/demand.pb.h"

#include "tradewind/app/app.h"
#include "tradewind/order/v1/events.pb.h"

namespace demand {

// An order has lines of several products, so this loads aggregates under other keys than the event's own. That is safe:
// where two tasks change the same product at once, one of them is decided again.
tradewind::Outcome OnOrderConfirmed(const tradewind::order::v1::OrderConfirmed& event, tradewind::Context& context);

// Secondary index: every product, by the pieces ordered.
inline constexpr std::string_view kByPieces = "pieces";
std::vector<tradewind::store::IndexEntry> IndexDemand(const v1::ProductDemand& demand);

}  // namespace demand
