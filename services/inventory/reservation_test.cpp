#include "services/inventory/reservation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "google/protobuf/util/message_differencer.h"
#include "google/protobuf/util/time_util.h"

#include "tradewind/testing/fake_context.h"

namespace tradewind::inventory {
namespace {

using google::protobuf::util::MessageDifferencer;
using google::protobuf::util::TimeUtil;
using internal::v1::Reservation;
using order::v1::OrderCreated;
using ::testing::HasSubstr;
using Kind = Outcome::Kind;

google::type::Money Euro(int64_t units) {
  google::type::Money money;
  money.set_currency_code("EUR");
  money.set_units(units);
  return money;
}

struct Line {
  std::string product_id;
  int32_t quantity = 0;
};

// Without prices: they are the products'.
OrderCreated Order(const std::vector<Line>& lines) {
  OrderCreated event;
  event.set_order_id("o-1");
  for (const Line& line : lines) {
    event.add_lines()->set_product_id(line.product_id);
    event.mutable_lines()->rbegin()->set_quantity(line.quantity);
  }
  return event;
}

template <typename Event>
Event OfOrder() {
  Event event;
  event.set_order_id("o-1");
  return event;
}

// Tea at 4 EUR and rice at 2 EUR, five pieces of each.
class ReservationTest : public ::testing::Test {
 protected:
  ReservationTest() {
    GivenProduct("tea", "Green tea", 4);
    GivenProduct("rice", "Basmati rice", 2);
  }

  void GivenProduct(const std::string& id, const std::string& name, int64_t euros) {
    v1::Product product;
    product.set_id(id);
    product.set_name(name);
    *product.mutable_unit_price() = Euro(euros);
    product.set_free(5);
    product.set_revision(1);
    context_.Put(id, product);
  }

  Kind Create(const OrderCreated& event) { return context_.Handle(event, OnOrderCreated).kind(); }
  Kind Ship() { return context_.Handle(OfOrder<order::v1::OrderShipped>(), OnOrderShipped).kind(); }
  Kind Cancel() { return context_.Handle(OfOrder<order::v1::OrderCancelled>(), OnOrderCancelled).kind(); }
  Kind RejectOrder() { return context_.Handle(OfOrder<order::v1::OrderRejected>(), OnOrderRejected).kind(); }

  void ExpectStock(const std::string& id, int64_t free, int64_t reserved, int64_t sold) {
    const auto* product = context_.Find<v1::Product>(id);
    ASSERT_NE(product, nullptr) << id;
    EXPECT_EQ(product->free(), free) << id;
    EXPECT_EQ(product->reserved(), reserved) << id;
    EXPECT_EQ(product->sold(), sold) << id;
  }

  Reservation::State State() {
    const auto* reservation = context_.Find<Reservation>("o-1");
    return reservation == nullptr ? Reservation::STATE_UNSPECIFIED : reservation->state();
  }

  // Whatever else is told of the order, all of tea stays free.
  void ExpectThatNothingFollows() {
    const auto expect_no_effect = [&](Kind kind) {
      EXPECT_EQ(kind, Kind::kAck);
      EXPECT_TRUE(context_.events().empty());
      ExpectStock("tea", 5, 0, 0);
    };
    expect_no_effect(Ship());
    expect_no_effect(Cancel());
    expect_no_effect(RejectOrder());
  }

  // The one refusal that the last event brought; nothing of any product may have changed with it.
  v1::StockRefused OnlyRefusal() {
    ExpectStock("tea", 5, 0, 0);
    ExpectStock("rice", 5, 0, 0);
    EXPECT_EQ(context_.Find<v1::Product>("tea")->revision(), 1);
    EXPECT_EQ(context_.Find<v1::Product>("rice")->revision(), 1);
    EXPECT_EQ(context_.Count<v1::Product>(), 2);
    EXPECT_EQ(State(), Reservation::STATE_REFUSED);
    EXPECT_EQ(context_.events().size(), 1);
    auto refusals = context_.Events<v1::StockRefused>();
    EXPECT_EQ(refusals.size(), 1);
    return refusals.empty() ? v1::StockRefused() : std::move(refusals[0]);
  }

  testing::FakeContext context_;
};

TEST_F(ReservationTest, SetsAsideAllLinesAtTheProductsPrices) {
  ASSERT_EQ(Create(Order({{"tea", 2}, {"rice", 5}})), Kind::kAck);

  ExpectStock("tea", 3, 2, 0);
  ExpectStock("rice", 0, 5, 0);
  EXPECT_EQ(context_.Find<v1::Product>("tea")->revision(), 2);
  EXPECT_EQ(TimeUtil::TimestampToMicroseconds(context_.Find<v1::Product>("tea")->update_time()),
            absl::ToUnixMicros(context_.now()));
  EXPECT_EQ(State(), Reservation::STATE_HELD);

  ASSERT_EQ(context_.events().size(), 1);
  const auto events = context_.Events<v1::StockReserved>();
  ASSERT_EQ(events.size(), 1);
  EXPECT_EQ(events[0].order_id(), "o-1");
  EXPECT_EQ(TimeUtil::TimestampToMicroseconds(events[0].reserve_time()), absl::ToUnixMicros(context_.now()));
  ASSERT_EQ(events[0].lines_size(), 2);
  EXPECT_EQ(events[0].lines(0).product_id(), "tea");
  EXPECT_EQ(events[0].lines(0).quantity(), 2);
  EXPECT_TRUE(MessageDifferencer::Equals(events[0].lines(0).unit_price(), Euro(4)));
  EXPECT_EQ(events[0].lines(1).product_id(), "rice");
  EXPECT_EQ(events[0].lines(1).quantity(), 5);
  EXPECT_TRUE(MessageDifferencer::Equals(events[0].lines(1).unit_price(), Euro(2)));
}

TEST_F(ReservationTest, CountsTheLinesOfOneProductTogether) {
  ASSERT_EQ(Create(Order({{"tea", 2}, {"rice", 1}, {"tea", 3}})), Kind::kAck);
  ExpectStock("tea", 0, 5, 0);
  // One change of the product, however many lines name it.
  EXPECT_EQ(context_.Find<v1::Product>("tea")->revision(), 2);
  ASSERT_EQ(context_.Events<v1::StockReserved>().size(), 1);
  EXPECT_EQ(context_.Events<v1::StockReserved>()[0].lines_size(), 3);
}

TEST_F(ReservationTest, RefusesLinesThatAreTooManyOnlyTogether) {
  ASSERT_EQ(Create(Order({{"rice", 1}, {"tea", 3}, {"tea", 3}})), Kind::kAck);
  const v1::StockRefused refusal = OnlyRefusal();
  EXPECT_EQ(refusal.order_id(), "o-1");
  EXPECT_EQ(refusal.reason(), v1::REFUSAL_REASON_OUT_OF_STOCK);
  EXPECT_EQ(refusal.detail(), "Green tea: 6 wanted, 5 free");
  EXPECT_EQ(TimeUtil::TimestampToMicroseconds(refusal.refuse_time()), absl::ToUnixMicros(context_.now()));
}

TEST_F(ReservationTest, RefusesLinesWhoseSumIsTooLargeForTheirType) {
  const int32_t most = std::numeric_limits<int32_t>::max();
  ASSERT_EQ(Create(Order({{"tea", most}, {"tea", most}})), Kind::kAck);
  EXPECT_EQ(OnlyRefusal().detail(), "Green tea: 4294967294 wanted, 5 free");
}

TEST_F(ReservationTest, RefusesAnOrderForAProductThatThereIsNot) {
  ASSERT_EQ(Create(Order({{"tea", 1}, {"salt", 1}})), Kind::kAck);
  const v1::StockRefused refusal = OnlyRefusal();
  EXPECT_EQ(refusal.reason(), v1::REFUSAL_REASON_UNKNOWN_PRODUCT);
  EXPECT_THAT(refusal.detail(), HasSubstr("'salt'"));
}

TEST_F(ReservationTest, RefusesAnOrderThatNamesAnotherPrice) {
  OrderCreated event = Order({{"rice", 1}, {"tea", 1}});
  *event.mutable_lines(1)->mutable_unit_price() = Euro(3);
  ASSERT_EQ(Create(event), Kind::kAck);
  const v1::StockRefused refusal = OnlyRefusal();
  EXPECT_EQ(refusal.reason(), v1::REFUSAL_REASON_PRICE_CHANGED);
  EXPECT_EQ(refusal.detail(), "Green tea: costs 4.00 EUR, the order says 3.00 EUR");
}

TEST_F(ReservationTest, RefusesAPriceOfZeroThatIsNotTheProducts) {
  OrderCreated event = Order({{"tea", 1}});
  event.mutable_lines(0)->mutable_unit_price();
  ASSERT_EQ(Create(event), Kind::kAck);
  EXPECT_EQ(OnlyRefusal().reason(), v1::REFUSAL_REASON_PRICE_CHANGED);
}

TEST_F(ReservationTest, TakesAnOrderThatNamesTheProductsPrice) {
  OrderCreated event = Order({{"tea", 1}});
  *event.mutable_lines(0)->mutable_unit_price() = Euro(4);
  ASSERT_EQ(Create(event), Kind::kAck);
  EXPECT_EQ(context_.Events<v1::StockReserved>().size(), 1);
}

TEST_F(ReservationTest, NamesTheFirstProblemInTheOrderOfTheLines) {
  OrderCreated event = Order({{"rice", 1}, {"tea", 6}, {"salt", 1}});
  *event.mutable_lines(0)->mutable_unit_price() = Euro(3);
  ASSERT_EQ(Create(event), Kind::kAck);
  EXPECT_EQ(OnlyRefusal().reason(), v1::REFUSAL_REASON_PRICE_CHANGED);

  event.set_order_id("o-2");
  event.mutable_lines(0)->clear_unit_price();
  ASSERT_EQ(Create(event), Kind::kAck);
  EXPECT_EQ(OnlyRefusal().reason(), v1::REFUSAL_REASON_OUT_OF_STOCK);
}

TEST_F(ReservationTest, SetsAsideOnceHoweverOftenAnOrderIsSeen) {
  ASSERT_EQ(Create(Order({{"tea", 2}})), Kind::kAck);
  ASSERT_EQ(Create(Order({{"tea", 2}})), Kind::kAck);
  EXPECT_TRUE(context_.events().empty());
  ExpectStock("tea", 3, 2, 0);

  ASSERT_EQ(Cancel(), Kind::kAck);
  ASSERT_EQ(Create(Order({{"tea", 2}})), Kind::kAck);
  EXPECT_TRUE(context_.events().empty());
  ExpectStock("tea", 5, 0, 0);
}

TEST_F(ReservationTest, DoesNotThinkBetterOfARefusal) {
  ASSERT_EQ(Create(Order({{"tea", 6}})), Kind::kAck);
  ASSERT_EQ(Create(Order({{"tea", 1}})), Kind::kAck);
  EXPECT_TRUE(context_.events().empty());
  ExpectStock("tea", 5, 0, 0);
}

TEST_F(ReservationTest, SellsWhatWasSetAsideOnce) {
  ASSERT_EQ(Create(Order({{"tea", 2}, {"tea", 1}})), Kind::kAck);
  ASSERT_EQ(Ship(), Kind::kAck);
  ExpectStock("tea", 2, 0, 3);
  EXPECT_EQ(State(), Reservation::STATE_SOLD);
  ASSERT_EQ(context_.events().size(), 1);
  const auto events = context_.Events<v1::StockSold>();
  ASSERT_EQ(events.size(), 1);
  EXPECT_EQ(events[0].order_id(), "o-1");
  EXPECT_EQ(TimeUtil::TimestampToMicroseconds(events[0].sell_time()), absl::ToUnixMicros(context_.now()));

  ASSERT_EQ(Ship(), Kind::kAck);
  ExpectStock("tea", 2, 0, 3);
  EXPECT_TRUE(context_.events().empty());
}

TEST_F(ReservationTest, LetsGoOfWhatACancelledOrderHeld) {
  ASSERT_EQ(Create(Order({{"tea", 2}, {"rice", 1}})), Kind::kAck);
  ASSERT_EQ(Cancel(), Kind::kAck);
  ExpectStock("tea", 5, 0, 0);
  ExpectStock("rice", 5, 0, 0);
  EXPECT_EQ(State(), Reservation::STATE_RELEASED);
  ASSERT_EQ(context_.events().size(), 1);
  const auto events = context_.Events<v1::StockReleased>();
  ASSERT_EQ(events.size(), 1);
  EXPECT_EQ(events[0].order_id(), "o-1");
  EXPECT_FALSE(events[0].returned());
  EXPECT_EQ(TimeUtil::TimestampToMicroseconds(events[0].release_time()), absl::ToUnixMicros(context_.now()));
}

TEST_F(ReservationTest, LetsGoOfWhatARejectedOrderHeld) {
  ASSERT_EQ(Create(Order({{"tea", 2}})), Kind::kAck);
  ASSERT_EQ(RejectOrder(), Kind::kAck);
  ExpectStock("tea", 5, 0, 0);
  EXPECT_EQ(State(), Reservation::STATE_RELEASED);
  EXPECT_EQ(context_.Events<v1::StockReleased>().size(), 1);
}

TEST_F(ReservationTest, TakesBackWhatWasSold) {
  ASSERT_EQ(Create(Order({{"tea", 2}})), Kind::kAck);
  ASSERT_EQ(Ship(), Kind::kAck);
  ASSERT_EQ(Cancel(), Kind::kAck);
  ExpectStock("tea", 5, 0, 0);
  EXPECT_EQ(State(), Reservation::STATE_RETURNED);
  const auto events = context_.Events<v1::StockReleased>();
  ASSERT_EQ(events.size(), 1);
  EXPECT_TRUE(events[0].returned());
}

TEST_F(ReservationTest, NothingFollowsOnceItWasLetGo) {
  ASSERT_EQ(Create(Order({{"tea", 2}})), Kind::kAck);
  ASSERT_EQ(Cancel(), Kind::kAck);
  ExpectThatNothingFollows();
  EXPECT_EQ(State(), Reservation::STATE_RELEASED);
}

TEST_F(ReservationTest, NothingFollowsARefusal) {
  ASSERT_EQ(Create(Order({{"tea", 6}})), Kind::kAck);
  ExpectThatNothingFollows();
  EXPECT_EQ(State(), Reservation::STATE_REFUSED);
}

TEST_F(ReservationTest, NothingFollowsAReturn) {
  ASSERT_EQ(Create(Order({{"tea", 2}})), Kind::kAck);
  ASSERT_EQ(Ship(), Kind::kAck);
  ASSERT_EQ(Cancel(), Kind::kAck);
  ExpectThatNothingFollows();
  EXPECT_EQ(State(), Reservation::STATE_RETURNED);
}

TEST_F(ReservationTest, TakesNoNoteOfAnOrderThatItNeverSaw) {
  ExpectThatNothingFollows();
  EXPECT_EQ(context_.Count<Reservation>(), 0);
}

TEST_F(ReservationTest, SetsAsideAsDeadWhatIsNoOrder) {
  OrderCreated nameless = Order({{"tea", 1}});
  nameless.clear_order_id();
  for (const OrderCreated& event : {nameless, Order({}), Order({{"tea", 0}}), Order({{"rice", 1}, {"tea", -1}})}) {
    const Outcome outcome = context_.Handle(event, OnOrderCreated);
    EXPECT_EQ(outcome.kind(), Kind::kDead) << event.ShortDebugString();
    EXPECT_FALSE(outcome.reason().empty());
    EXPECT_EQ(context_.Count<Reservation>(), 0);
    ExpectStock("tea", 5, 0, 0);
    ExpectStock("rice", 5, 0, 0);
  }
}

}  // namespace
}  // namespace tradewind::inventory
