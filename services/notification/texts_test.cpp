#include "services/notification/texts.h"

#include <gtest/gtest.h>

#include <map>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include "services/notification/templates.h"

namespace tradewind::notification {
namespace {

google::type::Money Amount(int64_t units, int32_t nanos, const std::string& currency) {
  google::type::Money money;
  money.set_currency_code(currency);
  money.set_units(units);
  money.set_nanos(nanos);
  return money;
}

template <typename Event>
Text English(const Event& event) {
  return Render(Describe(event), "");
}

TEST(TextsTest, WelcomesByName) {
  user::v1::UserRegistered event;
  event.set_display_name("Ada");
  event.set_email("ada@example.org");
  const Text text = English(event);
  EXPECT_EQ(text.subject, "Welcome, Ada");
  EXPECT_EQ(text.body, "Your account for ada@example.org is ready.");
}

TEST(TextsTest, CountsTheItemsOfAConfirmedOrder) {
  order::v1::OrderConfirmed event;
  event.set_order_id("0192f0c1-7d3a-7cc1-8b2a-0123456789ab");
  event.add_lines()->set_quantity(1);
  *event.mutable_total() = Amount(9, 990'000'000, "EUR");
  EXPECT_EQ(English(event).body, "Order 456789ab: 1 item, 9.99 EUR in total.");
  event.add_lines()->set_quantity(2);
  EXPECT_EQ(English(event).body, "Order 456789ab: 3 items, 9.99 EUR in total.");
}

TEST(TextsTest, GivesTheReasonOfACancellationWhereThereIsOne) {
  order::v1::OrderCancelled event;
  event.set_order_id("o-1");
  *event.mutable_total() = Amount(5, 0, "EUR");
  EXPECT_EQ(English(event).body, "Order o-1 over 5.00 EUR was cancelled.");
  event.set_reason("changed my mind");
  EXPECT_EQ(English(event).body, "Order o-1 over 5.00 EUR was cancelled. Reason: changed my mind");
}

TEST(TextsTest, NamesNoAmountForACancelledOrderWithoutATotal) {
  order::v1::OrderCancelled event;
  event.set_order_id("o-1");
  EXPECT_EQ(English(event).body, "Order o-1 was cancelled.");
  event.set_reason("changed my mind");
  EXPECT_EQ(English(event).body, "Order o-1 was cancelled. Reason: changed my mind");
}

TEST(TextsTest, SaysWhyAnOrderWasRejected) {
  order::v1::OrderRejected event;
  event.set_order_id("0192f0c1-7d3a-7cc1-8b2a-0123456789ab");
  EXPECT_EQ(English(event).subject, "Your order could not be accepted");
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
    EXPECT_EQ(English(event).body, body);
  }
}

TEST(TextsTest, AddsTheDetailOfARejectionWhereThereIsOne) {
  order::v1::OrderRejected event;
  event.set_order_id("o-1");
  event.set_detail("2 of tea are left");
  EXPECT_EQ(English(event).body, "Order o-1 was not accepted. Details: 2 of tea are left");
  event.set_reason(order::v1::REJECT_REASON_OUT_OF_STOCK);
  EXPECT_EQ(English(event).body,
            "Order o-1 was not accepted: there is not enough in stock. Details: 2 of tea are left");
}

TEST(TextsTest, NamesCarrierAndTrackingNumberWhereGiven) {
  order::v1::OrderShipped event;
  event.set_order_id("0192f0c1-7d3a-7cc1-8b2a-0123456789ab");
  EXPECT_EQ(English(event).subject, "Your order is on its way");
  EXPECT_EQ(English(event).body, "Order 456789ab was shipped.");
  event.set_tracking_number("S-1");
  EXPECT_EQ(English(event).body, "Order 456789ab was shipped. Tracking number: S-1");
  event.set_carrier("Swift");
  EXPECT_EQ(English(event).body, "Order 456789ab was shipped with Swift. Tracking number: S-1");
  event.clear_tracking_number();
  EXPECT_EQ(English(event).body, "Order 456789ab was shipped with Swift.");
}

TEST(TextsTest, TellsOfAnArrival) {
  order::v1::OrderDelivered event;
  event.set_order_id("0192f0c1-7d3a-7cc1-8b2a-0123456789ab");
  EXPECT_EQ(English(event).subject, "Your order has arrived");
  EXPECT_EQ(English(event).body, "Order 456789ab was delivered.");
}

TEST(TextsTest, NamesTheAmountOfThisRefund) {
  payment::v1::PaymentRefunded event;
  event.set_order_id("0192f0c1-7d3a-7cc1-8b2a-0123456789ab");
  *event.mutable_amount() = Amount(4, 500'000'000, "EUR");
  *event.mutable_refunded() = Amount(9, 0, "EUR");
  EXPECT_EQ(English(event).subject, "Your payment was refunded");
  EXPECT_EQ(English(event).body, "Order 456789ab: 4.50 EUR was given back.");
}

// One event of every kind that leaves nothing out, and what `RejectReason` has no part in.
std::vector<internal::v1::Happening> FullHappenings() {
  user::v1::UserRegistered registered;
  registered.set_display_name("Ada");
  registered.set_email("ada@example.org");
  order::v1::OrderConfirmed confirmed;
  confirmed.set_order_id("o-1");
  confirmed.add_lines()->set_quantity(2);
  *confirmed.mutable_total() = Amount(8, 0, "EUR");
  order::v1::OrderConfirmed single = confirmed;
  single.mutable_lines(0)->set_quantity(1);
  order::v1::OrderCancelled cancelled;
  cancelled.set_order_id("o-1");
  cancelled.set_reason("late");
  *cancelled.mutable_total() = Amount(8, 0, "EUR");
  order::v1::OrderRejected rejected;
  rejected.set_order_id("o-1");
  rejected.set_reason(order::v1::REJECT_REASON_OUT_OF_STOCK);
  rejected.set_detail("2 of tea are left");
  order::v1::OrderShipped shipped;
  shipped.set_order_id("o-1");
  shipped.set_carrier("Swift");
  shipped.set_tracking_number("S-1");
  order::v1::OrderDelivered delivered;
  delivered.set_order_id("o-1");
  payment::v1::PaymentRefunded refunded;
  refunded.set_order_id("o-1");
  *refunded.mutable_amount() = Amount(8, 0, "EUR");
  return {Describe(registered), Describe(confirmed), Describe(single),    Describe(cancelled),
          Describe(rejected),   Describe(shipped),   Describe(delivered), Describe(refunded)};
}

std::set<std::string> PlacesIn(std::string_view words) {
  static const std::regex place("\\{([^}]*)\\}");
  const std::string text(words);
  std::set<std::string> places;
  for (std::sregex_iterator found(text.begin(), text.end(), place), end; found != end; ++found) {
    places.insert((*found)[1]);
  }
  return places;
}

TEST(LanguagesTest, EachHasATextForEveryKind) {
  for (const Language& language : Languages()) {
    std::set<v1::NotificationKind> kinds;
    for (const Template& words : language.templates) kinds.insert(words.kind);
    // All but UNSPECIFIED, each once.
    EXPECT_EQ(kinds.size(), v1::NotificationKind_descriptor()->value_count() - 1) << language.tag;
    EXPECT_EQ(kinds.size(), language.templates.size()) << language.tag;
    EXPECT_FALSE(kinds.contains(v1::NOTIFICATION_KIND_UNSPECIFIED)) << language.tag;
    EXPECT_EQ(language.reasons.size(), order::v1::RejectReason_descriptor()->value_count() - 1) << language.tag;
  }
}

TEST(LanguagesTest, UseEveryPlaceThatIsFilledAndNoOther) {
  std::map<v1::NotificationKind, std::set<std::string>> given;
  for (const auto& happening : FullHappenings()) {
    for (const auto& [place, value] : happening.places()) given[happening.kind()].insert(place);
    if (!happening.reject_reason().empty()) given[happening.kind()].insert("why");
  }
  for (const Language& language : Languages()) {
    for (const Template& words : language.templates) {
      std::set<std::string> used = PlacesIn(words.subject);
      used.merge(PlacesIn(words.body));
      EXPECT_EQ(used, given[words.kind]) << language.tag << " " << v1::NotificationKind_Name(words.kind);
    }
  }
}

TEST(LanguagesTest, LeaveNoPlaceAndNoBracketInAText) {
  for (const Language& language : Languages()) {
    for (auto happening : FullHappenings()) {
      for (const bool full : {true, false}) {
        if (!full) happening.clear_places();
        const Text text = Render(happening, language.tag);
        EXPECT_FALSE(text.subject.empty());
        for (const std::string& words : {text.subject, text.body}) {
          EXPECT_EQ(words.find_first_of("{}[]"), std::string::npos) << words;
        }
        // What is in the happening is in the text.
        for (const auto& [place, value] : happening.places()) {
          EXPECT_NE((text.subject + text.body).find(value), std::string::npos) << language.tag << " " << place;
        }
      }
    }
  }
}

TEST(LanguagesTest, AreChosenByTheBeginningOfATag) {
  for (const char* tag : {"zh", "zh-CN", "zh-Hant-TW", "ZH-cn"}) EXPECT_EQ(LanguageFor(tag).tag, "zh") << tag;
  for (const char* tag : {"en", "en-GB", "", "de-DE", "zha", "z"}) EXPECT_EQ(LanguageFor(tag).tag, "en") << tag;
}

TEST(LanguagesTest, SpeakChinese) {
  order::v1::OrderRejected event;
  event.set_order_id("o-1");
  event.set_reason(order::v1::REJECT_REASON_OUT_OF_STOCK);
  EXPECT_EQ(Render(Describe(event), "zh-CN").subject, "您的订单未能受理");
  EXPECT_EQ(Render(Describe(event), "zh-CN").body, "订单 o-1 未能受理：库存不足。");
}

TEST(TextsTest, DoesNotReadAValueForPlaces) {
  user::v1::UserRegistered event;
  event.set_display_name("{email} [x]");
  event.set_email("ada@example.org");
  EXPECT_EQ(English(event).subject, "Welcome, {email} [x]");
}

}  // namespace
}  // namespace tradewind::notification
