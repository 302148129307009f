// Whole stories, told by the shop's own services: what becomes of stock, money and parcel on every way an order can go,
// and where two things happen at once.
#include "tests/shop/shop.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "tradewind/notification/v1/events.pb.h"
#include "tradewind/order/v1/events.pb.h"
#include "tradewind/payment/v1/events.pb.h"

namespace tradewind::shop {
namespace {

using order::v1::OrderState;
using payment::v1::PaymentState;
using shipping::v1::ShipmentState;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class ShopTest : public ::testing::Test {
 protected:
  void SetUp() override { shop_.CreateProduct("tea", 4, 10); }

  void Place(const std::string& token = "tok_approve", int32_t quantity = 3) {
    ASSERT_TRUE(shop_.PlaceOrder("o-1", {{"tea", quantity}}, token).ok());
  }
  void PlaceAndConfirm() {
    Place();
    shop_.mesh.Settle();
    ASSERT_EQ(state(), order::v1::ORDER_STATE_CONFIRMED);
  }
  void Ship() {
    PlaceAndConfirm();
    ASSERT_TRUE(shop_.Update("o-1", shipping::v1::SHIPMENT_STATE_IN_TRANSIT).ok());
    shop_.mesh.Settle();
    ASSERT_EQ(state(), order::v1::ORDER_STATE_SHIPPED);
  }

  OrderState state() const { return shop_.order("o-1").state(); }
  PaymentState payment() const { return shop_.payment("o-1").state(); }
  ShipmentState shipment() const { return shop_.shipment("o-1").state(); }

  std::vector<std::string> Told() const {
    std::vector<std::string> subjects;
    for (const auto& event : shop_.mesh.Events<notification::v1::NotificationCreated>()) {
      subjects.push_back(notification::v1::NotificationKind_Name(event.notification().kind()));
    }
    return subjects;
  }

  Shop shop_;
};

TEST_F(ShopTest, SellsShipsAndDelivers) {
  Place();
  EXPECT_EQ(state(), order::v1::ORDER_STATE_PENDING);
  EXPECT_FALSE(shop_.order("o-1").has_total());
  shop_.mesh.Settle();
  EXPECT_EQ(state(), order::v1::ORDER_STATE_CONFIRMED);
  EXPECT_EQ(shop_.order("o-1").total().units(), 12);
  EXPECT_EQ(shop_.stock("tea"), "7/3/0");
  EXPECT_EQ(payment(), payment::v1::PAYMENT_STATE_AUTHORIZED);
  EXPECT_EQ(shipment(), shipping::v1::SHIPMENT_STATE_PREPARING);

  ASSERT_TRUE(shop_.Update("o-1", shipping::v1::SHIPMENT_STATE_IN_TRANSIT).ok());
  shop_.mesh.Settle();
  EXPECT_EQ(state(), order::v1::ORDER_STATE_SHIPPED);
  EXPECT_EQ(shop_.stock("tea"), "7/0/3");
  EXPECT_EQ(payment(), payment::v1::PAYMENT_STATE_CAPTURED);

  ASSERT_TRUE(shop_.Update("o-1", shipping::v1::SHIPMENT_STATE_DELIVERED).ok());
  shop_.mesh.Advance(absl::Hours(24));
  EXPECT_EQ(state(), order::v1::ORDER_STATE_DELIVERED);
  EXPECT_THAT(Told(), ElementsAre("NOTIFICATION_KIND_ORDER_CONFIRMED", "NOTIFICATION_KIND_ORDER_SHIPPED",
                                  "NOTIFICATION_KIND_ORDER_DELIVERED"));
  EXPECT_THAT(shop_.mesh.dead(), IsEmpty());
}

TEST_F(ShopTest, ShipsWhatCostsNothingWithoutAPayment) {
  shop_.CreateProduct("leaflet", 0, 5);
  ASSERT_TRUE(shop_.PlaceOrder("o-1", {{"leaflet", 2}}, "").ok());
  shop_.mesh.Settle();
  EXPECT_EQ(state(), order::v1::ORDER_STATE_CONFIRMED);
  EXPECT_EQ(payment(), payment::v1::PAYMENT_STATE_UNSPECIFIED);
  ASSERT_TRUE(shop_.Update("o-1", shipping::v1::SHIPMENT_STATE_IN_TRANSIT).ok());
  shop_.mesh.Settle();
  EXPECT_EQ(shop_.stock("leaflet"), "3/0/2");
}

TEST_F(ShopTest, LetsGoOfTheStockWhereThePaymentIsDeclined) {
  Place("tok_decline");
  shop_.mesh.Settle();
  EXPECT_EQ(state(), order::v1::ORDER_STATE_REJECTED);
  EXPECT_EQ(shop_.order("o-1").reject_reason(), order::v1::REJECT_REASON_PAYMENT_DECLINED);
  EXPECT_EQ(shop_.stock("tea"), "10/0/0");
  EXPECT_EQ(shipment(), shipping::v1::SHIPMENT_STATE_UNSPECIFIED);
  EXPECT_THAT(Told(), ElementsAre("NOTIFICATION_KIND_ORDER_REJECTED"));
}

TEST_F(ShopTest, AsksForNoMoneyWhereThereIsNoStock) {
  Place("tok_approve", 11);
  shop_.mesh.Settle();
  EXPECT_EQ(shop_.order("o-1").reject_reason(), order::v1::REJECT_REASON_OUT_OF_STOCK);
  EXPECT_EQ(payment(), payment::v1::PAYMENT_STATE_UNSPECIFIED);
  EXPECT_EQ(shop_.stock("tea"), "10/0/0");
}

TEST_F(ShopTest, GoesThroughWhateverTheProviderDoesOnTheWay) {
  for (const char* token : {"tok_delay", "tok_error", "tok_duplicate"}) {
    const std::string id = std::string("o-") + token;
    ASSERT_TRUE(shop_.PlaceOrder(id, {{"tea", 1}}, token).ok());
    shop_.mesh.Settle();
    EXPECT_EQ(shop_.order(id).state(), order::v1::ORDER_STATE_CONFIRMED) << token;
    ASSERT_TRUE(shop_.Update(id, shipping::v1::SHIPMENT_STATE_IN_TRANSIT).ok());
    shop_.mesh.Settle();
    EXPECT_EQ(shop_.payment(id).state(), payment::v1::PAYMENT_STATE_CAPTURED) << token;
  }
  EXPECT_EQ(shop_.mesh.Events<payment::v1::PaymentAuthorized>().size(), 3);
  EXPECT_EQ(shop_.mesh.Events<payment::v1::PaymentCaptured>().size(), 3);
}

TEST_F(ShopTest, RejectsWhatTheProviderNeverAnswers) {
  Place("tok_unreachable");
  shop_.mesh.Advance(absl::Minutes(14));
  EXPECT_EQ(state(), order::v1::ORDER_STATE_PENDING);
  EXPECT_EQ(shop_.stock("tea"), "7/3/0");
  shop_.mesh.Advance(absl::Minutes(2));
  EXPECT_EQ(shop_.order("o-1").reject_reason(), order::v1::REJECT_REASON_TIMEOUT);
  EXPECT_EQ(shop_.stock("tea"), "10/0/0");
}

TEST_F(ShopTest, CancelsAConfirmedOrderWhollyBeforeItLeaves) {
  PlaceAndConfirm();
  const auto answer = shop_.Cancel("o-1");
  ASSERT_TRUE(answer.ok());
  EXPECT_TRUE(answer.resource.cancel_requested());
  shop_.mesh.Settle();
  EXPECT_EQ(state(), order::v1::ORDER_STATE_CANCELLED);
  EXPECT_EQ(shop_.stock("tea"), "10/0/0");
  EXPECT_EQ(payment(), payment::v1::PAYMENT_STATE_VOIDED);
  EXPECT_EQ(shipment(), shipping::v1::SHIPMENT_STATE_CANCELLED);
}

TEST_F(ShopTest, RefusesToCancelWhatHasLeft) {
  Ship();
  const auto answer = shop_.Cancel("o-1");
  EXPECT_EQ(answer.problem.reason, "ORDER_NOT_CANCELLABLE");
}

TEST_F(ShopTest, TakesBackWhatCouldNotBeDelivered) {
  Ship();
  ASSERT_TRUE(shop_.Update("o-1", shipping::v1::SHIPMENT_STATE_RETURNED).ok());
  shop_.mesh.Settle();
  EXPECT_EQ(state(), order::v1::ORDER_STATE_CANCELLED);
  EXPECT_EQ(shop_.stock("tea"), "10/0/0");
  EXPECT_EQ(payment(), payment::v1::PAYMENT_STATE_REFUNDED);
  EXPECT_THAT(Told(), ElementsAre("NOTIFICATION_KIND_ORDER_CONFIRMED", "NOTIFICATION_KIND_ORDER_SHIPPED",
                                  "NOTIFICATION_KIND_ORDER_CANCELLED", "NOTIFICATION_KIND_PAYMENT_REFUNDED"));
}

TEST_F(ShopTest, RefundsByHand) {
  Ship();
  ASSERT_TRUE(shop_.Refund("o-1").ok());
  shop_.mesh.Settle();
  EXPECT_EQ(payment(), payment::v1::PAYMENT_STATE_REFUNDED);
  EXPECT_EQ(state(), order::v1::ORDER_STATE_SHIPPED);
}

// ---- races ----------------------------------------------------------------------------------------------------------

// Two things that happen at once, in both orders, and with everything between them taken in every order that a few
// hundred seeds come upon. How it ends is one of a few, and nothing is ever left over.
struct Ending {
  OrderState order;
  PaymentState payment;
  std::string stock;
};
bool operator==(const Ending& left, const Ending& right) {
  return left.order == right.order && left.payment == right.payment && left.stock == right.stock;
}
std::ostream& operator<<(std::ostream& out, const Ending& ending) {
  return out << order::v1::OrderState_Name(ending.order) << " " << payment::v1::PaymentState_Name(ending.payment) << " "
             << ending.stock;
}

using Happening = std::function<void(Shop&)>;
using Choice = testing::InMemoryMesh::Choice;

// Runs the two happenings at random moments of an order's way; returns how it ended after everything was handled.
Ending Race(uint64_t seed, const std::string& token, const std::vector<Happening>& happenings, Choice steps) {
  // A small generator of its own: the same on every machine.
  uint64_t state = seed * 0x9E3779B97F4A7C15 + 1;
  const auto choose = [&state](size_t n) {
    state = state * 6364136223846793005 + 1442695040888963407;
    return (state >> 33) % n;
  };
  Shop shop;
  shop.CreateProduct("tea", 4, 10);
  shop.PlaceOrder("o-1", {{"tea", 3}}, token);
  std::vector<Happening> left = happenings;
  if (choose(2) == 1) std::swap(left.front(), left.back());
  for (const Happening& happening : left) {
    for (size_t i = choose(24); i > 0; --i) shop.mesh.Step(choose, steps);
    happening(shop);
  }
  while (shop.mesh.Step(choose, Choice::kMessages)) {
  }
  return {shop.order("o-1").state(), shop.payment("o-1").state(), shop.stock("tea")};
}

void CancelIt(Shop& shop) { shop.Cancel("o-1"); }
void DispatchIt(Shop& shop) { shop.Update("o-1", shipping::v1::SHIPMENT_STATE_IN_TRANSIT); }
void ReturnIt(Shop& shop) { shop.Update("o-1", shipping::v1::SHIPMENT_STATE_RETURNED); }
void Nothing(Shop& /*shop*/) {}

const Ending kKept{order::v1::ORDER_STATE_CONFIRMED, payment::v1::PAYMENT_STATE_AUTHORIZED, "7/3/0"};
const Ending kShipped{order::v1::ORDER_STATE_SHIPPED, payment::v1::PAYMENT_STATE_CAPTURED, "7/0/3"};
const Ending kReturned{order::v1::ORDER_STATE_CANCELLED, payment::v1::PAYMENT_STATE_REFUNDED, "10/0/0"};
const Ending kCancelledEarly{order::v1::ORDER_STATE_CANCELLED, payment::v1::PAYMENT_STATE_UNSPECIFIED, "10/0/0"};
const Ending kCancelled{order::v1::ORDER_STATE_CANCELLED, payment::v1::PAYMENT_STATE_VOIDED, "10/0/0"};
const Ending kCancelledUnpaid{order::v1::ORDER_STATE_CANCELLED, payment::v1::PAYMENT_STATE_DECLINED, "10/0/0"};
const Ending kRejected{order::v1::ORDER_STATE_REJECTED, payment::v1::PAYMENT_STATE_DECLINED, "10/0/0"};
const Ending kTimedOutEarly{order::v1::ORDER_STATE_REJECTED, payment::v1::PAYMENT_STATE_UNSPECIFIED, "10/0/0"};
const Ending kTimedOut{order::v1::ORDER_STATE_REJECTED, payment::v1::PAYMENT_STATE_VOIDED, "10/0/0"};

// Every ending that was seen must be allowed, and every allowed one must have been seen.
void ExpectEndings(const std::string& token, const std::vector<Happening>& happenings, Choice steps,
                   const std::vector<Ending>& allowed) {
  std::vector<bool> seen(allowed.size(), false);
  for (uint64_t seed = 0; seed < 400; ++seed) {
    const Ending ending = Race(seed, token, happenings, steps);
    const auto found = std::find(allowed.begin(), allowed.end(), ending);
    ASSERT_NE(found, allowed.end()) << "seed " << seed << ": " << ending;
    seen[static_cast<size_t>(found - allowed.begin())] = true;
  }
  for (size_t i = 0; i < allowed.size(); ++i) EXPECT_TRUE(seen[i]) << "never ended so: " << allowed[i];
}

TEST(ShopRaceTest, CancelAgainstStockAndPayment) {
  ExpectEndings("tok_approve", {CancelIt, Nothing}, Choice::kMessages, {kCancelledEarly, kCancelled});
}

TEST(ShopRaceTest, CancelAgainstDecline) {
  ExpectEndings("tok_decline", {CancelIt, Nothing}, Choice::kMessages, {kCancelledEarly, kCancelledUnpaid, kRejected});
}

TEST(ShopRaceTest, CancelAgainstDispatch) {
  ExpectEndings("tok_approve", {CancelIt, DispatchIt}, Choice::kMessages, {kCancelledEarly, kCancelled, kShipped});
}

TEST(ShopRaceTest, TimeoutAgainstStockAndAuthorization) {
  ExpectEndings("tok_approve", {Nothing, Nothing}, Choice::kMessagesAndTimers, {kKept, kTimedOutEarly, kTimedOut});
}

TEST(ShopRaceTest, TimeoutAgainstCancel) {
  ExpectEndings("tok_approve", {CancelIt, Nothing}, Choice::kMessagesAndTimers,
                {kCancelledEarly, kCancelled, kTimedOutEarly, kTimedOut});
}

TEST(ShopRaceTest, CaptureAgainstAParcelThatComesBack) {
  ExpectEndings("tok_error", {DispatchIt, ReturnIt}, Choice::kMessages, {kKept, kShipped, kReturned});
}

}  // namespace
}  // namespace tradewind::shop
