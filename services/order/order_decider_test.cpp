#include "services/order/order_decider.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "google/protobuf/util/message_differencer.h"
#include "google/protobuf/util/time_util.h"

#include "services/order/order_fold.h"
#include "tradewind/testing/fake_context.h"

namespace tradewind::order {
namespace {

using google::protobuf::util::MessageDifferencer;
using google::protobuf::util::TimeUtil;
using ::testing::ElementsAre;
using Kind = Outcome::Kind;

void AddLine(v1::CreateOrderRequest& command, int32_t quantity, int64_t units, int32_t nanos,
             const std::string& currency = "EUR") {
  v1::OrderLine& line = *command.add_lines();
  line.set_product_id("tea");
  line.set_quantity(quantity);
  line.mutable_unit_price()->set_currency_code(currency);
  line.mutable_unit_price()->set_units(units);
  line.mutable_unit_price()->set_nanos(nanos);
}

v1::CreateOrderRequest Create() {
  v1::CreateOrderRequest command;
  command.set_id("o-1");
  command.set_user_id("u-1");
  AddLine(command, 2, 9, 950'000'000);
  AddLine(command, 1, 0, 100'000'000);
  return command;
}

v1::CancelOrderRequest Cancel() {
  v1::CancelOrderRequest command;
  command.set_id("o-1");
  command.set_reason("changed my mind");
  return command;
}

std::vector<std::string> ViolatedFields(const Outcome& outcome) {
  std::vector<std::string> fields;
  for (const auto& violation : outcome.problem().violations) fields.push_back(violation.field);
  return fields;
}

inventory::v1::StockReserved Reserved(int64_t units = 4, const std::string& currency = "EUR") {
  inventory::v1::StockReserved event;
  event.set_order_id("o-1");
  auto& line = *event.add_lines();
  line.set_product_id("tea");
  line.set_quantity(3);
  line.mutable_unit_price()->set_currency_code(currency);
  line.mutable_unit_price()->set_units(units);
  return event;
}

template <typename Event>
Event About() {
  Event event;
  event.set_order_id("o-1");
  return event;
}

class OrderDeciderTest : public ::testing::Test {
 protected:
  template <typename Message>
  Outcome Run(const Message& message) {
    return context_.Decide<OrderDecider>(message);
  }
  void GivenConfirmedOrder() {
    ASSERT_EQ(Run(Create()).kind(), Kind::kAck);
    ASSERT_EQ(Run(Reserved()).kind(), Kind::kAck);
    ASSERT_EQ(Run(About<payment::v1::PaymentAuthorized>()).kind(), Kind::kAck);
    ASSERT_EQ(Find().state(), v1::ORDER_STATE_CONFIRMED);
  }
  const v1::Order& Find() { return *context_.Find<v1::Order>("o-1"); }

  void GivenOrderIn(v1::OrderState state) {
    v1::Order order;
    order.set_id("o-1");
    order.set_user_id("u-1");
    order.set_state(state);
    order.set_revision(2);
    order.mutable_total()->set_currency_code("EUR");
    context_.Put("o-1", order);
  }

  testing::FakeContext context_;
};

TEST_F(OrderDeciderTest, CreatesAPendingOrder) {
  ASSERT_EQ(Run(Create()).kind(), Kind::kAck);

  const auto* order = context_.Find<v1::Order>("o-1");
  ASSERT_NE(order, nullptr);
  EXPECT_EQ(order->state(), v1::ORDER_STATE_PENDING);
  EXPECT_FALSE(order->stock_reserved());
  EXPECT_EQ(order->user_id(), "u-1");
  EXPECT_EQ(order->revision(), 1);
  EXPECT_EQ(order->lines_size(), 2);
  EXPECT_EQ(order->total().currency_code(), "EUR");
  EXPECT_EQ(order->total().units(), 20);
  EXPECT_EQ(order->total().nanos(), 0);
  EXPECT_EQ(TimeUtil::TimestampToMicroseconds(order->create_time()), absl::ToUnixMicros(context_.now()));
  EXPECT_EQ(order->update_time(), order->create_time());

  const auto* answer = context_.Answer<v1::Order>();
  ASSERT_NE(answer, nullptr);
  EXPECT_TRUE(MessageDifferencer::Equals(*answer, *order));
  ASSERT_EQ(context_.events().size(), 1);
  EXPECT_EQ(context_.Events<v1::OrderCreated>().at(0).revision(), 1);
}

TEST_F(OrderDeciderTest, KnowsNoTotalUntilEveryLineHasAPrice) {
  v1::CreateOrderRequest command = Create();
  command.mutable_lines(1)->clear_unit_price();
  ASSERT_EQ(Run(command).kind(), Kind::kAck);
  EXPECT_FALSE(Find().has_total());
  EXPECT_FALSE(context_.Events<v1::OrderCreated>().at(0).has_total());
}

TEST_F(OrderDeciderTest, TakesThePricesAtWhichStockWasReservedAndAsksForTheMoney) {
  v1::CreateOrderRequest command = Create();
  command.set_payment_token("tok_approve");
  ASSERT_EQ(Run(command).kind(), Kind::kAck);
  // Seen by nobody who has no need to.
  EXPECT_EQ(context_.events().at(0)->SerializeAsString().find("tok_approve"), std::string::npos);
  EXPECT_EQ(context_.Answer<v1::Order>()->SerializeAsString().find("tok_approve"), std::string::npos);

  ASSERT_EQ(Run(Reserved()).kind(), Kind::kAck);
  EXPECT_TRUE(Find().stock_reserved());
  EXPECT_EQ(Find().total().units(), 12);
  EXPECT_EQ(Find().lines_size(), 1);
  EXPECT_EQ(Find().lines(0).unit_price().units(), 4);
  const auto reserved = context_.Events<v1::OrderReserved>();
  ASSERT_EQ(reserved.size(), 1);
  EXPECT_EQ(reserved[0].payment_token(), "tok_approve");
  EXPECT_EQ(reserved[0].total().units(), 12);
  EXPECT_EQ(reserved[0].user_id(), "u-1");
}

TEST_F(OrderDeciderTest, ConfirmsOnceTheMoneyIsHeld) {
  GivenConfirmedOrder();
  const auto confirmed = context_.Events<v1::OrderConfirmed>();
  ASSERT_EQ(confirmed.size(), 1);
  EXPECT_EQ(confirmed[0].revision(), 3);
  EXPECT_EQ(confirmed[0].user_id(), "u-1");
  EXPECT_EQ(confirmed[0].lines_size(), 1);
  EXPECT_EQ(confirmed[0].total().units(), 12);
}

TEST_F(OrderDeciderTest, AsksForNoMoneyWhereThereIsNothingToPay) {
  ASSERT_EQ(Run(Create()).kind(), Kind::kAck);
  ASSERT_EQ(Run(Reserved(0)).kind(), Kind::kAck);
  EXPECT_EQ(Find().state(), v1::ORDER_STATE_CONFIRMED);
  ASSERT_EQ(context_.events().size(), 2);
  EXPECT_EQ(context_.Events<v1::OrderReserved>().at(0).revision(), 2);
  EXPECT_EQ(context_.Events<v1::OrderConfirmed>().at(0).revision(), 3);
  EXPECT_EQ(context_.FindTimer("o-1", kDeadlineTimer), nullptr);
}

TEST_F(OrderDeciderTest, RejectsWithTheReasonThatInventoryGives) {
  using inventory::v1::StockRefused;
  const std::vector<std::pair<inventory::v1::RefusalReason, v1::RejectReason>> reasons = {
      {inventory::v1::REFUSAL_REASON_UNKNOWN_PRODUCT, v1::REJECT_REASON_UNKNOWN_PRODUCT},
      {inventory::v1::REFUSAL_REASON_OUT_OF_STOCK, v1::REJECT_REASON_OUT_OF_STOCK},
      {inventory::v1::REFUSAL_REASON_PRICE_CHANGED, v1::REJECT_REASON_PRICE_CHANGED}};
  for (const auto& [refused, rejected] : reasons) {
    context_.Put("o-1", v1::Order());
    GivenOrderIn(v1::ORDER_STATE_PENDING);
    auto event = About<StockRefused>();
    event.set_reason(refused);
    event.set_detail("tea: 3 wanted, 1 free");
    ASSERT_EQ(Run(event).kind(), Kind::kAck);
    EXPECT_EQ(Find().state(), v1::ORDER_STATE_REJECTED);
    EXPECT_EQ(Find().reject_reason(), rejected);
    EXPECT_EQ(Find().reject_detail(), "tea: 3 wanted, 1 free");
    EXPECT_EQ(context_.Events<v1::OrderRejected>().size(), 1);
  }
}

TEST_F(OrderDeciderTest, RejectsWhatCannotBeAddedUp) {
  ASSERT_EQ(Run(Create()).kind(), Kind::kAck);
  auto event = Reserved();
  *event.add_lines() = Reserved(1, "USD").lines(0);
  ASSERT_EQ(Run(event).kind(), Kind::kAck);
  EXPECT_EQ(Find().reject_reason(), v1::REJECT_REASON_NO_TOTAL);
  EXPECT_EQ(Find().reject_detail(),
            "lines[1].unit_price is in USD where the lines before it are in EUR: an order has one currency");

  GivenOrderIn(v1::ORDER_STATE_PENDING);
  ASSERT_EQ(Run(Reserved(std::numeric_limits<int64_t>::max())).kind(), Kind::kAck);
  EXPECT_EQ(Find().reject_reason(), v1::REJECT_REASON_NO_TOTAL);
}

TEST_F(OrderDeciderTest, RejectsWhatIsNotPaidFor) {
  ASSERT_EQ(Run(Create()).kind(), Kind::kAck);
  ASSERT_EQ(Run(Reserved()).kind(), Kind::kAck);
  auto declined = About<payment::v1::PaymentDeclined>();
  declined.set_reason("the card has expired");
  ASSERT_EQ(Run(declined).kind(), Kind::kAck);
  EXPECT_EQ(Find().reject_reason(), v1::REJECT_REASON_PAYMENT_DECLINED);
  EXPECT_EQ(Find().reject_detail(), "the card has expired");
}

TEST_F(OrderDeciderTest, GivesStockAndMoneyTheirTimeAndThenRejects) {
  const auto settings = std::make_shared<OrderSettings>();
  settings->stock_timeout = absl::Minutes(2);
  settings->payment_timeout = absl::Minutes(7);
  const OrderDecider decider(settings);
  const absl::Time begin = context_.now();
  ASSERT_EQ(context_.Decide(Create(), decider).kind(), Kind::kAck);
  ASSERT_NE(context_.FindTimer("o-1", kDeadlineTimer), nullptr);
  EXPECT_EQ(context_.FindTimer("o-1", kDeadlineTimer)->due, begin + absl::Minutes(2));

  context_.set_now(begin + absl::Minutes(1));
  ASSERT_EQ(context_.Decide(Reserved(), decider).kind(), Kind::kAck);
  ASSERT_NE(context_.FindTimer("o-1", kDeadlineTimer), nullptr);
  EXPECT_EQ(context_.FindTimer("o-1", kDeadlineTimer)->due, begin + absl::Minutes(8));

  const Outcome fired = context_.FireAt<OrderDecider, internal::v1::Deadline>("o-1", kDeadlineTimer, decider);
  ASSERT_EQ(fired.kind(), Kind::kAck);
  EXPECT_EQ(Find().state(), v1::ORDER_STATE_REJECTED);
  EXPECT_EQ(Find().reject_reason(), v1::REJECT_REASON_TIMEOUT);
  EXPECT_EQ(Find().reject_detail(), "no money came in time");
}

TEST_F(OrderDeciderTest, AllowsAPriceOfZero) {
  v1::CreateOrderRequest command;
  command.set_id("o-1");
  command.set_user_id("u-1");
  AddLine(command, 3, 0, 0);

  ASSERT_EQ(Run(command).kind(), Kind::kAck);
  EXPECT_TRUE(context_.Answer<v1::Order>()->has_total());
  EXPECT_EQ(context_.Answer<v1::Order>()->total().units(), 0);
  EXPECT_EQ(context_.Answer<v1::Order>()->total().currency_code(), "EUR");
}

TEST_F(OrderDeciderTest, RefusesTwoCurrencies) {
  v1::CreateOrderRequest command = Create();
  AddLine(command, 1, 5, 0, "USD");
  EXPECT_THAT(ViolatedFields(Run(command)), ElementsAre("lines[2].unit_price"));
}

TEST_F(OrderDeciderTest, RefusesANegativePrice) {
  v1::CreateOrderRequest command = Create();
  AddLine(command, 1, -5, 0);
  EXPECT_THAT(ViolatedFields(Run(command)), ElementsAre("lines[2].unit_price"));
}

TEST_F(OrderDeciderTest, RefusesATotalThatDoesNotFit) {
  v1::CreateOrderRequest product = Create();
  AddLine(product, 2, std::numeric_limits<int64_t>::max(), 0);
  EXPECT_THAT(ViolatedFields(Run(product)), ElementsAre("lines[2].unit_price"));

  v1::CreateOrderRequest sum = Create();
  AddLine(sum, 1, std::numeric_limits<int64_t>::max(), 0);
  EXPECT_THAT(ViolatedFields(Run(sum)), ElementsAre("lines[2].unit_price"));
}

TEST_F(OrderDeciderTest, RefusesWhatTheGatewayWouldHaveRefused) {
  v1::CreateOrderRequest command;
  command.set_id("o-1");
  EXPECT_THAT(ViolatedFields(Run(command)), ElementsAre("user_id", "lines"));

  command = Create();
  command.mutable_lines(0)->set_quantity(0);
  command.mutable_lines(1)->clear_product_id();
  EXPECT_THAT(ViolatedFields(Run(command)), ElementsAre("lines[0].quantity", "lines[1].product_id"));
}

TEST_F(OrderDeciderTest, RefusesAnIdThatIsTaken) {
  GivenOrderIn(v1::ORDER_STATE_SHIPPED);
  const Outcome outcome = Run(Create());
  ASSERT_EQ(outcome.kind(), Kind::kReject);
  EXPECT_EQ(outcome.problem().code, absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(outcome.problem().reason, "ORDER_EXISTS");
  EXPECT_EQ(context_.Find<v1::Order>("o-1")->state(), v1::ORDER_STATE_SHIPPED);
}

TEST_F(OrderDeciderTest, CancelsWhatIsPendingAtOnce) {
  GivenOrderIn(v1::ORDER_STATE_PENDING);
  ASSERT_EQ(Run(Cancel()).kind(), Kind::kAck);

  const auto events = context_.Events<v1::OrderCancelled>();
  ASSERT_EQ(events.size(), 1);
  EXPECT_EQ(events[0].revision(), 3);
  EXPECT_EQ(events[0].reason(), "changed my mind");
  EXPECT_EQ(events[0].user_id(), "u-1");
  EXPECT_EQ(events[0].total().currency_code(), "EUR");
  const auto* answer = context_.Answer<v1::Order>();
  ASSERT_NE(answer, nullptr);
  EXPECT_EQ(answer->state(), v1::ORDER_STATE_CANCELLED);
  EXPECT_EQ(answer->revision(), 3);
  EXPECT_EQ(answer->cancel_reason(), "changed my mind");
  EXPECT_EQ(TimeUtil::TimestampToMicroseconds(answer->update_time()), absl::ToUnixMicros(context_.now()));
}

TEST_F(OrderDeciderTest, CancelsWhatIsConfirmedOnceItsParcelIsStopped) {
  GivenConfirmedOrder();
  ASSERT_EQ(Run(Cancel()).kind(), Kind::kAck);
  EXPECT_EQ(context_.Answer<v1::Order>()->state(), v1::ORDER_STATE_CONFIRMED);
  EXPECT_TRUE(context_.Answer<v1::Order>()->cancel_requested());
  ASSERT_EQ(context_.Events<v1::OrderCancelRequested>().size(), 1);

  // Asked again: nothing new.
  ASSERT_EQ(Run(Cancel()).kind(), Kind::kAck);
  EXPECT_TRUE(context_.Answer<v1::Order>()->cancel_requested());
  EXPECT_TRUE(context_.events().empty());

  ASSERT_EQ(Run(About<shipping::v1::ShipmentCancelled>()).kind(), Kind::kAck);
  EXPECT_EQ(Find().state(), v1::ORDER_STATE_CANCELLED);
  EXPECT_FALSE(Find().cancel_requested());
  EXPECT_EQ(context_.Events<v1::OrderCancelled>().at(0).reason(), "changed my mind");
}

TEST_F(OrderDeciderTest, ForgetsACancellationThatCameTooLate) {
  GivenConfirmedOrder();
  ASSERT_EQ(Run(Cancel()).kind(), Kind::kAck);
  auto dispatched = About<shipping::v1::ShipmentDispatched>();
  dispatched.set_carrier("Gull");
  ASSERT_EQ(Run(dispatched).kind(), Kind::kAck);
  EXPECT_EQ(Find().state(), v1::ORDER_STATE_SHIPPED);
  EXPECT_FALSE(Find().cancel_requested());
  EXPECT_EQ(Find().cancel_reason(), "");
  EXPECT_EQ(context_.Events<v1::OrderShipped>().at(0).carrier(), "Gull");
}

TEST_F(OrderDeciderTest, CancelsWhatComesBack) {
  GivenConfirmedOrder();
  ASSERT_EQ(Run(About<shipping::v1::ShipmentDispatched>()).kind(), Kind::kAck);
  ASSERT_EQ(Run(About<shipping::v1::ShipmentReturned>()).kind(), Kind::kAck);
  EXPECT_EQ(Find().state(), v1::ORDER_STATE_CANCELLED);
  EXPECT_EQ(Find().cancel_reason(), "it could not be delivered");
}

TEST_F(OrderDeciderTest, AnswersASecondCancellationWithTheOrderAsItIs) {
  GivenOrderIn(v1::ORDER_STATE_CANCELLED);
  ASSERT_EQ(Run(Cancel()).kind(), Kind::kAck);
  EXPECT_TRUE(context_.events().empty());
  ASSERT_NE(context_.Answer<v1::Order>(), nullptr);
  EXPECT_EQ(context_.Answer<v1::Order>()->revision(), 2);
  EXPECT_EQ(context_.Answer<v1::Order>()->cancel_reason(), "");
}

TEST_F(OrderDeciderTest, RefusesToCancelWhatIsUnderWayOrOver) {
  for (const v1::OrderState state : {v1::ORDER_STATE_SHIPPED, v1::ORDER_STATE_DELIVERED, v1::ORDER_STATE_REJECTED}) {
    GivenOrderIn(state);
    const Outcome outcome = Run(Cancel());
    ASSERT_EQ(outcome.kind(), Kind::kReject);
    EXPECT_EQ(outcome.problem().code, absl::StatusCode::kFailedPrecondition);
    EXPECT_EQ(outcome.problem().reason, "ORDER_NOT_CANCELLABLE");
    EXPECT_EQ(outcome.problem().metadata.at("state"), v1::OrderState_Name(state));
  }
}

TEST_F(OrderDeciderTest, CannotCancelAnOrderThatIsNotThere) {
  const Outcome outcome = Run(Cancel());
  ASSERT_EQ(outcome.kind(), Kind::kReject);
  EXPECT_EQ(outcome.problem().code, absl::StatusCode::kNotFound);
  EXPECT_EQ(outcome.problem().reason, "ORDER_NOT_FOUND");
  EXPECT_EQ(context_.Find<v1::Order>("o-1"), nullptr);
}

// What a watcher makes of the events alone is what the decider keeps, after every message.
TEST_F(OrderDeciderTest, EventsTellTheWholeState) {
  v1::Order followed;
  const auto follow = [&] {
    for (const auto& event : context_.events()) {
      const std::string& type = event->GetDescriptor()->full_name();
      EXPECT_EQ(ApplyIfNewer(followed, type, event->SerializeAsString()), Applied::kYes);
      EXPECT_EQ(ApplyIfNewer(followed, type, event->SerializeAsString()), Applied::kAlready);
    }
    EXPECT_TRUE(MessageDifferencer::Equals(followed, *context_.Find<v1::Order>("o-1")))
        << followed.DebugString() << context_.Find<v1::Order>("o-1")->DebugString();
  };
  const auto run = [&](const auto& message) {
    context_.set_now(context_.now() + absl::Seconds(90));
    ASSERT_EQ(Run(message).kind(), Kind::kAck);
    follow();
  };
  run(Create());
  run(Reserved());
  run(About<payment::v1::PaymentAuthorized>());
  run(Cancel());
  EXPECT_FALSE(IsFinal(followed.state()));
  run(About<shipping::v1::ShipmentDispatched>());
  run(About<shipping::v1::ShipmentReturned>());
  EXPECT_TRUE(IsFinal(followed.state()));
}

TEST(OrderFoldTest, LeavesTheOrderAloneWhereTheEventIsUnknownOrDamaged) {
  v1::Order order;
  order.set_revision(1);
  const v1::Order before = order;
  EXPECT_EQ(ApplyIfNewer(order, "tradewind.order.v1.OrderPraised", ""), Applied::kUnknown);
  EXPECT_EQ(ApplyIfNewer(order, v1::OrderCancelled::descriptor()->full_name(), "\xff\xff"), Applied::kUnknown);
  EXPECT_TRUE(MessageDifferencer::Equals(order, before));
}

TEST(OrderIndexTest, ListsAnOrderWithAllAndWithItsUserByCreationTime) {
  v1::Order order;
  order.set_user_id("u-1");
  *order.mutable_create_time() = TimeUtil::MicrosecondsToTimestamp(1'234'567);
  *order.mutable_update_time() = TimeUtil::MicrosecondsToTimestamp(9'999'999);
  EXPECT_THAT(IndexOrder(order), ElementsAre(store::IndexEntry{.index = "all", .value = "", .order = 1'234'567},
                                             store::IndexEntry{.index = "user", .value = "u-1", .order = 1'234'567}));
}

}  // namespace
}  // namespace tradewind::order
