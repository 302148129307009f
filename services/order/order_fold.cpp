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

}  // namespace

void Apply(v1::Order& order, const v1::OrderCreated& event) {
  order.set_id(event.order_id());
  order.set_user_id(event.user_id());
  order.set_state(v1::ORDER_STATE_PENDING);
  *order.mutable_lines() = event.lines();
  *order.mutable_total() = event.total();
  *order.mutable_create_time() = event.create_time();
  *order.mutable_update_time() = event.create_time();
  order.set_revision(event.revision());
}

void Apply(v1::Order& order, const v1::OrderConfirmed& event) {
  order.set_state(v1::ORDER_STATE_CONFIRMED);
  *order.mutable_update_time() = event.confirm_time();
  order.set_revision(event.revision());
}

void Apply(v1::Order& order, const v1::OrderCancelled& event) {
  order.set_state(v1::ORDER_STATE_CANCELLED);
  order.set_cancel_reason(event.reason());
  *order.mutable_update_time() = event.cancel_time();
  order.set_revision(event.revision());
}

Applied ApplyIfNewer(v1::Order& order, std::string_view type, std::string_view event) {
  if (type == v1::OrderCreated::descriptor()->full_name()) return ParseAndApply<v1::OrderCreated>(order, event);
  if (type == v1::OrderConfirmed::descriptor()->full_name()) return ParseAndApply<v1::OrderConfirmed>(order, event);
  if (type == v1::OrderCancelled::descriptor()->full_name()) return ParseAndApply<v1::OrderCancelled>(order, event);
  return Applied::kUnknown;
}

bool IsFinal(v1::OrderState state) {
  return state == v1::ORDER_STATE_CANCELLED || state == v1::ORDER_STATE_DELIVERED || state == v1::ORDER_STATE_REJECTED;
}

}  // namespace tradewind::order
