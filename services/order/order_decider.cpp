#include "services/order/order_decider.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "google/protobuf/util/time_util.h"

#include "services/order/order_fold.h"
#include "services/order/order_stage.h"
#include "tradewind/app/timestamp.h"
#include "tradewind/money/money.h"

namespace tradewind::order {
namespace {

using google::protobuf::util::TimeUtil;
using google::type::Money;

// An event about the order, with what all of them carry.
template <typename Event>
Event About(const v1::Order& order) {
  Event event;
  event.set_order_id(order.id());
  event.set_user_id(order.user_id());
  event.set_revision(order.revision() + 1);
  return event;
}

template <typename Event>
void Tell(const Event& event, v1::Order& order, Context& context) {
  Apply(order, event);
  context.Emit(event);
}

// ---- the total ------------------------------------------------------------------------------------------------------

// The price of line `index` and the sum up to it; what is wrong is added to `violations`.
void AddLine(const v1::OrderLine& line, int index, Money& total, std::vector<errors::FieldViolation>& violations) {
  const auto refuse = [&](std::string description) {
    violations.push_back({fmt::format("lines[{}].unit_price", index), std::move(description)});
  };
  if (const absl::Status checked = money::CheckAmount(line.unit_price()); !checked.ok()) {
    refuse(std::string(checked.message()));
    return;
  }
  const std::string& currency = line.unit_price().currency_code();
  if (total.currency_code().empty()) total.set_currency_code(currency);
  if (total.currency_code() != currency) {
    refuse(fmt::format("is in {} where the lines before it are in {}: an order has one currency", currency,
                       total.currency_code()));
    return;
  }
  auto sum = money::Multiply(line.unit_price(), line.quantity());
  if (sum.ok()) sum = money::Add(total, *sum);
  if (!sum.ok()) {
    refuse("makes the total larger than an amount can be");
    return;
  }
  total = *std::move(sum);
}

// Over the lines that name a price. Nothing where one does not; meaningless where there are violations.
std::optional<Money> TotalOf(const v1::CreateOrderRequest& command, std::vector<errors::FieldViolation>& violations) {
  Money total;
  bool complete = true;
  for (int i = 0; i < command.lines_size(); ++i) {
    const v1::OrderLine& line = command.lines(i);
    if (line.product_id().empty()) violations.push_back({fmt::format("lines[{}].product_id", i), "is required"});
    if (line.quantity() < 1) {
      violations.push_back({fmt::format("lines[{}].quantity", i), "must be 1 or more"});
    } else if (line.has_unit_price()) {
      AddLine(line, i, total, violations);
    }
    complete = complete && line.has_unit_price();
  }
  if (!complete) return std::nullopt;
  return total;
}

// ---- steps ----------------------------------------------------------------------------------------------------------

void WaitFor(absl::Duration at_most, Context& context) {
  context.SetTimer(kDeadlineTimer, context.now() + at_most, internal::v1::Deadline());
}

// The order needs neither stock nor money any more, or will not get it.
void StopWaiting(Context& context) {
  context.CancelTimer(kDeadlineTimer);
  const auto means = context.Load<internal::v1::MeansOfPayment>(context.key());
  if (means.exists()) means.Remove();
}

Outcome RejectOrder(v1::RejectReason reason, std::string detail, v1::Order& order, Context& context) {
  auto rejected = About<v1::OrderRejected>(order);
  rejected.set_reason(reason);
  rejected.set_detail(std::move(detail));
  *rejected.mutable_reject_time() = Now(context);
  StopWaiting(context);
  Tell(rejected, order, context);
  return Ack();
}

void CancelNow(const std::string& reason, v1::Order& order, Context& context) {
  auto cancelled = About<v1::OrderCancelled>(order);
  cancelled.set_reason(reason);
  if (order.has_total()) *cancelled.mutable_total() = order.total();
  *cancelled.mutable_cancel_time() = Now(context);
  StopWaiting(context);
  Tell(cancelled, order, context);
}

void RequestCancellation(const std::string& reason, v1::Order& order, Context& context) {
  auto requested = About<v1::OrderCancelRequested>(order);
  requested.set_reason(reason);
  *requested.mutable_request_time() = Now(context);
  Tell(requested, order, context);
}

void Confirm(v1::Order& order, Context& context) {
  auto confirmed = About<v1::OrderConfirmed>(order);
  *confirmed.mutable_lines() = order.lines();
  *confirmed.mutable_total() = order.total();
  *confirmed.mutable_confirm_time() = Now(context);
  StopWaiting(context);
  Tell(confirmed, order, context);
}

v1::RejectReason ReasonOf(inventory::v1::RefusalReason reason) {
  switch (reason) {
    case inventory::v1::REFUSAL_REASON_UNKNOWN_PRODUCT:
      return v1::REJECT_REASON_UNKNOWN_PRODUCT;
    case inventory::v1::REFUSAL_REASON_PRICE_CHANGED:
      return v1::REJECT_REASON_PRICE_CHANGED;
    default:
      return v1::REJECT_REASON_OUT_OF_STOCK;
  }
}

// Whether the trigger moves the order, whose stages and triggers are all in kTransitions.
bool Moves(const v1::Order& order, Trigger trigger) { return Next(StageOf(order), trigger).has_value(); }

}  // namespace

Outcome OrderDecider::Decide(const v1::CreateOrderRequest& command, Loaded<State> order, Context& context) const {
  if (order.exists()) {
    return Reject({.code = absl::StatusCode::kAlreadyExists,
                   .reason = "ORDER_EXISTS",
                   .message = fmt::format("there is an order with the id '{}' already; leave id empty for a new one",
                                          command.id()),
                   .metadata = {{"id", command.id()}}});
  }
  std::vector<errors::FieldViolation> violations;
  if (command.user_id().empty()) violations.push_back({"user_id", "is required"});
  if (command.lines().empty()) violations.push_back({"lines", "must hold at least one line"});
  const std::optional<Money> total = TotalOf(command, violations);
  if (!violations.empty()) return Reject(errors::InvalidFields(std::move(violations)));

  v1::OrderCreated created;
  created.set_order_id(command.id());
  created.set_user_id(command.user_id());
  *created.mutable_lines() = command.lines();
  if (total.has_value()) *created.mutable_total() = *total;
  created.set_revision(1);
  *created.mutable_create_time() = Now(context);
  Tell(created, *order, context);
  if (!command.payment_token().empty()) {
    context.Load<internal::v1::MeansOfPayment>(context.key())->set_payment_token(command.payment_token());
  }
  WaitFor(settings_->stock_timeout, context);
  context.Reply(*order);
  return Ack();
}

Outcome OrderDecider::Decide(const v1::CancelOrderRequest& command, Loaded<State> order, Context& context) const {
  if (!order.exists()) return Reject(errors::NotFound("order", command.id()));
  const Stage stage = StageOf(*order);
  const bool is_being_cancelled = stage == Stage::kCancelling || stage == Stage::kCancelled;
  const std::optional<Stage> next = Next(stage, Trigger::kCancel);
  if (!next.has_value() && !is_being_cancelled) {
    return Reject({.code = absl::StatusCode::kFailedPrecondition,
                   .reason = "ORDER_NOT_CANCELLABLE",
                   .message = fmt::format("order '{}' is {} and can no longer be cancelled", command.id(),
                                          v1::OrderState_Name(order->state())),
                   .metadata = {{"id", command.id()}, {"state", v1::OrderState_Name(order->state())}}});
  }
  if (next == Stage::kCancelling) {
    RequestCancellation(command.reason(), *order, context);
  } else if (next == Stage::kCancelled) {
    CancelNow(command.reason(), *order, context);
  }
  context.Reply(*order);
  return Ack();
}

Outcome OrderDecider::Decide(const inventory::v1::StockReserved& event, Loaded<State> order, Context& context) const {
  if (!Moves(*order, Trigger::kStockReserved)) return Ack();
  auto reserved = About<v1::OrderReserved>(*order);
  Money total;
  std::vector<errors::FieldViolation> violations;
  for (const auto& line : event.lines()) {
    v1::OrderLine& priced = *reserved.add_lines();
    priced.set_product_id(line.product_id());
    priced.set_quantity(line.quantity());
    *priced.mutable_unit_price() = line.unit_price();
    AddLine(priced, reserved.lines_size() - 1, total, violations);
  }
  if (!violations.empty()) {
    const errors::FieldViolation& first = violations.front();
    return RejectOrder(v1::REJECT_REASON_NO_TOTAL, first.field + " " + first.description, *order, context);
  }
  *reserved.mutable_total() = total;
  const auto means = context.Load<internal::v1::MeansOfPayment>(context.key());
  if (means.exists()) reserved.set_payment_token(means->payment_token());
  *reserved.mutable_reserve_time() = Now(context);
  Tell(reserved, *order, context);
  StopWaiting(context);
  if (money::IsZero(total)) {
    Confirm(*order, context);
  } else {
    WaitFor(settings_->payment_timeout, context);
  }
  return Ack();
}

Outcome OrderDecider::Decide(const inventory::v1::StockRefused& event, Loaded<State> order, Context& context) const {
  if (!Moves(*order, Trigger::kStockRefused)) return Ack();
  return RejectOrder(ReasonOf(event.reason()), event.detail(), *order, context);
}

Outcome OrderDecider::Decide(const payment::v1::PaymentAuthorized& /*event*/, Loaded<State> order,
                             Context& context) const {
  if (Moves(*order, Trigger::kPaymentAuthorized)) Confirm(*order, context);
  return Ack();
}

Outcome OrderDecider::Decide(const payment::v1::PaymentDeclined& event, Loaded<State> order, Context& context) const {
  if (!Moves(*order, Trigger::kPaymentDeclined)) return Ack();
  return RejectOrder(v1::REJECT_REASON_PAYMENT_DECLINED, event.reason(), *order, context);
}

Outcome OrderDecider::Decide(const shipping::v1::ShipmentDispatched& event, Loaded<State> order,
                             Context& context) const {
  if (!Moves(*order, Trigger::kShipmentDispatched)) return Ack();
  auto shipped = About<v1::OrderShipped>(*order);
  shipped.set_carrier(event.carrier());
  shipped.set_tracking_number(event.tracking_number());
  *shipped.mutable_total() = order->total();
  *shipped.mutable_ship_time() = Now(context);
  Tell(shipped, *order, context);
  return Ack();
}

Outcome OrderDecider::Decide(const shipping::v1::ShipmentDelivered& /*event*/, Loaded<State> order,
                             Context& context) const {
  if (!Moves(*order, Trigger::kShipmentDelivered)) return Ack();
  auto delivered = About<v1::OrderDelivered>(*order);
  *delivered.mutable_deliver_time() = Now(context);
  Tell(delivered, *order, context);
  return Ack();
}

Outcome OrderDecider::Decide(const shipping::v1::ShipmentReturned& /*event*/, Loaded<State> order,
                             Context& context) const {
  if (Moves(*order, Trigger::kShipmentReturned)) CancelNow("it could not be delivered", *order, context);
  return Ack();
}

Outcome OrderDecider::Decide(const shipping::v1::ShipmentCancelled& /*event*/, Loaded<State> order,
                             Context& context) const {
  if (Moves(*order, Trigger::kShipmentCancelled)) CancelNow(order->cancel_reason(), *order, context);
  return Ack();
}

Outcome OrderDecider::Decide(const internal::v1::Deadline& /*timer*/, Loaded<State> order, Context& context) const {
  if (!Moves(*order, Trigger::kDeadline)) return Ack();
  const char* missing =
      StageOf(*order) == Stage::kReserving ? "no stock was set aside in time" : "no money came in time";
  return RejectOrder(v1::REJECT_REASON_TIMEOUT, missing, *order, context);
}

std::vector<store::IndexEntry> IndexOrder(const v1::Order& order) {
  const int64_t created = TimeUtil::TimestampToMicroseconds(order.create_time());
  return {{.index = std::string(kAllOrders), .value = "", .order = created},
          {.index = std::string(kOrdersByUser), .value = order.user_id(), .order = created}};
}

}  // namespace tradewind::order
