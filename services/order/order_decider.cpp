#include "services/order/order_decider.h"

#include <fmt/format.h>

#include <string>
#include <utility>

#include "google/protobuf/util/time_util.h"

#include "services/order/money.h"
#include "services/order/order_fold.h"

namespace tradewind::order {
namespace {

using google::protobuf::util::TimeUtil;
using google::type::Money;

google::protobuf::Timestamp Now(const Context& context) {
  return TimeUtil::MicrosecondsToTimestamp(absl::ToUnixMicros(context.now()));
}

// Adds up an order's lines; what is wrong with them is added to `violations`, and the total is then meaningless.
Money TotalOf(const v1::CreateOrderRequest& command, std::vector<errors::FieldViolation>& violations) {
  Money total;
  for (int i = 0; i < command.lines_size(); ++i) {
    const v1::OrderLine& line = command.lines(i);
    const auto refuse = [&](std::string_view field, std::string description) {
      violations.push_back({fmt::format("lines[{}].{}", i, field), std::move(description)});
    };
    if (line.product_id().empty()) refuse("product_id", "is required");
    if (line.quantity() < 1) {
      refuse("quantity", "must be 1 or more");
      continue;
    }
    if (!line.has_unit_price()) {
      refuse("unit_price", "is required while there is no product catalogue to take it from");
      continue;
    }
    if (const absl::Status checked = CheckAmount(line.unit_price()); !checked.ok()) {
      refuse("unit_price", std::string(checked.message()));
      continue;
    }
    const std::string& currency = line.unit_price().currency_code();
    if (total.currency_code().empty()) total.set_currency_code(currency);
    if (total.currency_code() != currency) {
      refuse("unit_price", fmt::format("is in {} where the lines before it are in {}: an order has one currency",
                                       currency, total.currency_code()));
      continue;
    }
    auto sum = Multiply(line.unit_price(), line.quantity());
    if (sum.ok()) sum = Add(total, *sum);
    if (!sum.ok()) {
      refuse("unit_price", "makes the total larger than an amount can be");
      continue;
    }
    total = *std::move(sum);
  }
  return total;
}

}  // namespace

Outcome OrderDecider::Decide(const v1::CreateOrderRequest& command, Loaded<State> order, Context& context) {
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
  const Money total = TotalOf(command, violations);
  if (!violations.empty()) return Reject(errors::InvalidFields(std::move(violations)));

  v1::OrderCreated created;
  created.set_order_id(command.id());
  created.set_user_id(command.user_id());
  *created.mutable_lines() = command.lines();
  *created.mutable_total() = total;
  created.set_revision(1);
  *created.mutable_create_time() = Now(context);
  Apply(*order, created);
  context.Emit(created);

  v1::OrderConfirmed confirmed;
  confirmed.set_order_id(order->id());
  confirmed.set_user_id(order->user_id());
  *confirmed.mutable_lines() = order->lines();
  *confirmed.mutable_total() = order->total();
  confirmed.set_revision(order->revision() + 1);
  *confirmed.mutable_confirm_time() = Now(context);
  Apply(*order, confirmed);
  context.Emit(confirmed);

  context.Reply(*order);
  return Ack();
}

Outcome OrderDecider::Decide(const v1::CancelOrderRequest& command, Loaded<State> order, Context& context) {
  if (!order.exists()) return Reject(errors::NotFound("order", command.id()));
  switch (order->state()) {
    case v1::ORDER_STATE_PENDING:
    case v1::ORDER_STATE_CONFIRMED:
      break;
    case v1::ORDER_STATE_CANCELLED:
      context.Reply(*order);
      return Ack();
    default:
      return Reject({.code = absl::StatusCode::kFailedPrecondition,
                     .reason = "ORDER_NOT_CANCELLABLE",
                     .message = fmt::format("order '{}' is {} and can no longer be cancelled", command.id(),
                                            v1::OrderState_Name(order->state())),
                     .metadata = {{"id", command.id()}, {"state", v1::OrderState_Name(order->state())}}});
  }
  v1::OrderCancelled cancelled;
  cancelled.set_order_id(order->id());
  cancelled.set_user_id(order->user_id());
  cancelled.set_reason(command.reason());
  *cancelled.mutable_total() = order->total();
  cancelled.set_revision(order->revision() + 1);
  *cancelled.mutable_cancel_time() = Now(context);
  Apply(*order, cancelled);
  context.Emit(cancelled);
  context.Reply(*order);
  return Ack();
}

std::vector<store::IndexEntry> IndexOrder(const v1::Order& order) {
  const int64_t created = TimeUtil::TimestampToMicroseconds(order.create_time());
  return {{.index = std::string(kAllOrders), .value = "", .order = created},
          {.index = std::string(kOrdersByUser), .value = order.user_id(), .order = created}};
}

}  // namespace tradewind::order
