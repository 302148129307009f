#include "services/notification/texts.h"

#include <gtest/gtest.h>

#include <limits>

namespace tradewind::notification {
namespace {

google::type::Money Amount(int64_t units, int32_t nanos, const std::string& currency) {
  google::type::Money money;
  money.set_currency_code(currency);
  money.set_units(units);
  money.set_nanos(nanos);
  return money;
}

TEST(TextsTest, WritesMoneyAsItsCurrencyDoes) {
  EXPECT_EQ(FormatMoney(Amount(24, 500'000'000, "EUR")), "24.50 EUR");
  EXPECT_EQ(FormatMoney(Amount(24, 0, "EUR")), "24.00 EUR");
  EXPECT_EQ(FormatMoney(Amount(0, 50'000'000, "USD")), "0.05 USD");
  EXPECT_EQ(FormatMoney(Amount(1200, 0, "JPY")), "1200 JPY");
  EXPECT_EQ(FormatMoney(Amount(1, 250'000'000, "KWD")), "1.250 KWD");
}

TEST(TextsTest, NeverDropsAFractionOfMoney) {
  EXPECT_EQ(FormatMoney(Amount(0, 1, "EUR")), "0.000000001 EUR");
  EXPECT_EQ(FormatMoney(Amount(0, 5'000'000, "EUR")), "0.005 EUR");
  EXPECT_EQ(FormatMoney(Amount(10, 500'000'000, "JPY")), "10.5 JPY");
}

TEST(TextsTest, WritesNegativeMoney) {
  EXPECT_EQ(FormatMoney(Amount(0, -500'000'000, "EUR")), "-0.50 EUR");
  EXPECT_EQ(FormatMoney(Amount(std::numeric_limits<int64_t>::min(), 0, "EUR")), "-9223372036854775808.00 EUR");
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

}  // namespace
}  // namespace tradewind::notification
