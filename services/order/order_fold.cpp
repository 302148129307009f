#include "services/order/order_fold.h"

namespace tradewind::order {
namespace {

template <typename Event>
Applied ParseAndApply(v1::Order& order, std::string_view bytes) {
  Event event;
  if (!event.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return Applied::kUnknown;
  if (event.revision() <= order.revision()) return Applied::kAlready;
  Apply(order, event);
  return Applied::kYes;
}

// Tries the types in turn.
template <typename First, typename... Rest>
Applied ApplyOneOf(v1::Order& order, std::string_view type, std::string_view event) {
  if (type == First::descriptor()->full_name()) return ParseAndApply<First>(order, event);
  if constexpr (sizeof...(Rest) > 0) return ApplyOneOf<Rest...>(order, type, event);
  return Applied::kUnknown;
}

void Changed(v1::Order& order, int64_t revision, const google::protobuf::Timestamp& when) {
  order.set_revision(revision);
  *order.mutable_update_time() = when;
}

}  // namespace

void Apply(v1::Order& order, const v1::OrderCreated& event) {
  order.set_id(event.order_id());
  order.set_user_id(event.user_id());
  order.set_state(v1::ORDER_STATE_PENDING);
  *order.mutable_lines() = event.lines();
  if (event.has_total()) *order.mutable_total() = event.total();
  *order.mutable_create_time() = event.create_time();
  Changed(order, event.revision(), event.create_time());
}

void Apply(v1::Order& order, const v1::OrderReserved& event) {
  order.set_stock_reserved(true);
  *order.mutable_lines() = event.lines();
  *order.mutable_total() = event.total();
  Changed(order, event.revision(), event.reserve_time());
}

void Apply(v1::Order& order, const v1::OrderConfirmed& event) {
  order.set_state(v1::ORDER_STATE_CONFIRMED);
  order.clear_stock_reserved();
  Changed(order, event.revision(), event.confirm_time());
}

void Apply(v1::Order& order, const v1::OrderRejected& event) {
  order.set_state(v1::ORDER_STATE_REJECTED);
  order.clear_stock_reserved();
  order.set_reject_reason(event.reason());
  order.set_reject_detail(event.detail());
  Changed(order, event.revision(), event.reject_time());
}

void Apply(v1::Order& order, const v1::OrderCancelRequested& event) {
  order.set_cancel_requested(true);
  order.set_cancel_reason(event.reason());
  Changed(order, event.revision(), event.request_time());
}

void Apply(v1::Order& order, const v1::OrderCancelled& event) {
  order.set_state(v1::ORDER_STATE_CANCELLED);
  order.clear_stock_reserved();
  order.clear_cancel_requested();
  order.set_cancel_reason(event.reason());
  Changed(order, event.revision(), event.cancel_time());
}

void Apply(v1::Order& order, const v1::OrderShipped& event) {
  order.set_state(v1::ORDER_STATE_SHIPPED);
  // Too late, where it was asked for.
  order.clear_cancel_requested();
  order.clear_cancel_reason();
  Changed(order, event.revision(), event.ship_time());
}

void Apply(v1::Order& order, const v1::OrderDelivered& event) {
  order.set_state(v1::ORDER_STATE_DELIVERED);
  Changed(order, event.revision(), event.deliver_time());
}

Applied ApplyIfNewer(v1::Order& order, std::string_view type, std::string_view event) {
  return ApplyOneOf<v1::OrderCreated, v1::OrderReserved, v1::OrderConfirmed, v1::OrderRejected,
                    v1::OrderCancelRequested, v1::OrderCancelled, v1::OrderShipped, v1::OrderDelivered>(order, type,
                                                                                                        event);
}

bool IsFinal(v1::OrderState state) {
  return state == v1::ORDER_STATE_CANCELLED || state == v1::ORDER_STATE_DELIVERED || state == v1::ORDER_STATE_REJECTED;
}

}  // namespace tradewind::order
