#include "services/notification/texts.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

namespace tradewind::notification {
namespace {

google::type::Money Amount(int64_t units, int32_t nanos, const std::string& currency) {
  google::type::Money money;
  money.set_currency_code(currency);
  money.set_units(units);
  money.set_nanos(nanos);
  return money;
}

TEST(TextsTest, WelcomesByName) {
  user::v1::UserRegistered event;
  event.set_display_name("Ada");
  event.set_email("ada@example.org");
  const Text text = WelcomeText(event);
  EXPECT_EQ(text.subject, "Welcome, Ada");
  EXPECT_EQ(text.body, "Your account for ada@example.org is ready.");
}

TEST(TextsTest, CountsTheItemsOfAConfirmedOrder) {
  order::v1::OrderConfirmed event;
  event.set_order_id("0192f0c1-7d3a-7cc1-8b2a-0123456789ab");
  event.add_lines()->set_quantity(1);
  *event.mutable_total() = Amount(9, 990'000'000, "EUR");
  EXPECT_EQ(ConfirmedText(event).body, "Order 456789ab: 1 item, 9.99 EUR in total.");
  event.add_lines()->set_quantity(2);
  EXPECT_EQ(ConfirmedText(event).body, "Order 456789ab: 3 items, 9.99 EUR in total.");
}

TEST(TextsTest, GivesTheReasonOfACancellationWhereThereIsOne) {
  order::v1::OrderCancelled event;
  event.set_order_id("o-1");
  *event.mutable_total() = Amount(5, 0, "EUR");
  EXPECT_EQ(CancelledText(event).body, "Order o-1 over 5.00 EUR was cancelled.");
  event.set_reason("changed my mind");
  EXPECT_EQ(CancelledText(event).body, "Order o-1 over 5.00 EUR was cancelled. Reason: changed my mind");
}

TEST(TextsTest, NamesNoAmountForACancelledOrderWithoutATotal) {
  order::v1::OrderCancelled event;
  event.set_order_id("o-1");
  EXPECT_EQ(CancelledText(event).body, "Order o-1 was cancelled.");
  event.set_reason("changed my mind");
  EXPECT_EQ(CancelledText(event).body, "Order o-1 was cancelled. Reason: changed my mind");
}

TEST(TextsTest, SaysWhyAnOrderWasRejected) {
  order::v1::OrderRejected event;
  event.set_order_id("0192f0c1-7d3a-7cc1-8b2a-0123456789ab");
  EXPECT_EQ(RejectedText(event).subject, "Your order could not be accepted");
  const std::map<order::v1::RejectReason, std::string> bodies = {
      {order::v1::REJECT_REASON_UNSPECIFIED, "Order 456789ab was not accepted."},
      {order::v1::REJECT_REASON_UNKNOWN_PRODUCT,
       "Order 456789ab was not accepted: it names a product that we do not have."},
      {order::v1::REJECT_REASON_OUT_OF_STOCK, "Order 456789ab was not accepted: there is not enough in stock."},
      {order::v1::REJECT_REASON_PRICE_CHANGED, "Order 456789ab was not accepted: a price has changed."},
      {order::v1::REJECT_REASON_NO_TOTAL, "Order 456789ab was not accepted: its prices do not add up to one amount."},
      {order::v1::REJECT_REASON_PAYMENT_DECLINED, "Order 456789ab was not accepted: the payment was declined."},
      {order::v1::REJECT_REASON_TIMEOUT, "Order 456789ab was not accepted: it could not be arranged in time."}};
  // A new reason needs words of its own.
  EXPECT_EQ(bodies.size(), order::v1::RejectReason_descriptor()->value_count());
  for (const auto& [reason, body] : bodies) {
    event.set_reason(reason);
    EXPECT_EQ(RejectedText(event).body, body);
  }
}

TEST(TextsTest, AddsTheDetailOfARejectionWhereThereIsOne) {
  order::v1::OrderRejected event;
  event.set_order_id("o-1");
  event.set_detail("2 of tea are left");
  EXPECT_EQ(RejectedText(event).body, "Order o-1 was not accepted. Details: 2 of tea are left");
  event.set_reason(order::v1::REJECT_REASON_OUT_OF_STOCK);
  EXPECT_EQ(RejectedText(event).body,
            "Order o-1 was not accepted: there is not enough in stock. Details: 2 of tea are left");
}

TEST(TextsTest, NamesCarrierAndTrackingNumberWhereGiven) {
  order::v1::OrderShipped event;
  event.set_order_id("0192f0c1-7d3a-7cc1-8b2a-0123456789ab");
  EXPECT_EQ(ShippedText(event).subject, "Your order is on its way");
  EXPECT_EQ(ShippedText(event).body, "Order 456789ab was shipped.");
  event.set_tracking_number("S-1");
  EXPECT_EQ(ShippedText(event).body, "Order 456789ab was shipped. Tracking number: S-1");
  event.set_carrier("Swift");
  EXPECT_EQ(ShippedText(event).body, "Order 456789ab was shipped with Swift. Tracking number: S-1");
  event.clear_tracking_number();
  EXPECT_EQ(ShippedText(event).body, "Order 456789ab was shipped with Swift.");
}

TEST(TextsTest, TellsOfAnArrival) {
  order::v1::OrderDelivered event;
  event.set_order_id("0192f0c1-7d3a-7cc1-8b2a-0123456789ab");
  EXPECT_EQ(DeliveredText(event).subject, "Your order has arrived");
  EXPECT_EQ(DeliveredText(event).body, "Order 456789ab was delivered.");
}

TEST(TextsTest, NamesTheAmountOfThisRefund) {
  payment::v1::PaymentRefunded event;
  event.set_order_id("0192f0c1-7d3a-7cc1-8b2a-0123456789ab");
  *event.mutable_amount() = Amount(4, 500'000'000, "EUR");
  *event.mutable_refunded() = Amount(9, 0, "EUR");
  EXPECT_EQ(RefundedText(event).subject, "Your payment was refunded");
  EXPECT_EQ(RefundedText(event).body, "Order 456789ab: 4.50 EUR was given back.");
}

}  // namespace
}  // namespace tradewind::notification
