#include "services/notification/texts.h"

#include <fmt/format.h>

#include <cstdint>
#include <string_view>

#include "tradewind/money/money.h"

namespace tradewind::notification {
namespace {

// What a person would recognize an order by; ids are long.
std::string ShortId(const std::string& id) { return id.size() <= 8 ? id : id.substr(id.size() - 8); }

// How the body of a rejection goes on behind the order's id. A reason of a later version is told without saying why.
std::string_view Why(order::v1::RejectReason reason) {
  switch (reason) {
    case order::v1::REJECT_REASON_UNKNOWN_PRODUCT:
      return ": it names a product that we do not have";
    case order::v1::REJECT_REASON_OUT_OF_STOCK:
      return ": there is not enough in stock";
    case order::v1::REJECT_REASON_PRICE_CHANGED:
      return ": a price has changed";
    case order::v1::REJECT_REASON_NO_TOTAL:
      return ": its prices do not add up to one amount";
    case order::v1::REJECT_REASON_PAYMENT_DECLINED:
      return ": the payment was declined";
    case order::v1::REJECT_REASON_TIMEOUT:
      return ": it could not be arranged in time";
    default:
      return "";
  }
}

}  // namespace

Text WelcomeText(const user::v1::UserRegistered& event) {
  return {.subject = fmt::format("Welcome, {}", event.display_name()),
          .body = fmt::format("Your account for {} is ready.", event.email())};
}

Text ConfirmedText(const order::v1::OrderConfirmed& event) {
  int64_t pieces = 0;
  for (const auto& line : event.lines()) pieces += line.quantity();
  return {.subject = "Your order is confirmed",
          .body = fmt::format("Order {}: {} {}, {} in total.", ShortId(event.order_id()), pieces,
                              pieces == 1 ? "item" : "items", money::Format(event.total()))};
}

Text CancelledText(const order::v1::OrderCancelled& event) {
  const std::string reason = event.reason().empty() ? "" : fmt::format(" Reason: {}", event.reason());
  // An order called off before its prices were known has no total.
  const std::string total = event.has_total() ? fmt::format(" over {}", money::Format(event.total())) : "";
  return {.subject = "Your order is cancelled",
          .body = fmt::format("Order {}{} was cancelled.{}", ShortId(event.order_id()), total, reason)};
}

Text RejectedText(const order::v1::OrderRejected& event) {
  const std::string detail = event.detail().empty() ? "" : fmt::format(" Details: {}", event.detail());
  return {
      .subject = "Your order could not be accepted",
      .body = fmt::format("Order {} was not accepted{}.{}", ShortId(event.order_id()), Why(event.reason()), detail)};
}

Text ShippedText(const order::v1::OrderShipped& event) {
  const std::string carrier = event.carrier().empty() ? "" : fmt::format(" with {}", event.carrier());
  const std::string tracking =
      event.tracking_number().empty() ? "" : fmt::format(" Tracking number: {}", event.tracking_number());
  return {.subject = "Your order is on its way",
          .body = fmt::format("Order {} was shipped{}.{}", ShortId(event.order_id()), carrier, tracking)};
}

Text DeliveredText(const order::v1::OrderDelivered& event) {
  return {.subject = "Your order has arrived",
          .body = fmt::format("Order {} was delivered.", ShortId(event.order_id()))};
}

Text RefundedText(const payment::v1::PaymentRefunded& event) {
  return {
      .subject = "Your payment was refunded",
      .body = fmt::format("Order {}: {} was given back.", ShortId(event.order_id()), money::Format(event.amount()))};
}

}  // namespace tradewind::notification
