#include "services/order/order_stage.h"

#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <map>
#include <sstream>
#include <utility>
#include <vector>

#include "google/protobuf/util/message_differencer.h"

#include "services/order/order_decider.h"
#include "tradewind/testing/fake_context.h"

namespace tradewind::order {
namespace {

using google::protobuf::util::MessageDifferencer;
using Kind = Outcome::Kind;

const std::vector<Stage> kStages = {Stage::kNone,      Stage::kReserving,  Stage::kPaying,
                                    Stage::kConfirmed, Stage::kCancelling, Stage::kShipped,
                                    Stage::kDelivered, Stage::kCancelled,  Stage::kRejected};

template <typename Event>
Event About(const std::string& order_id) {
  Event event;
  event.set_order_id(order_id);
  return event;
}

inventory::v1::StockReserved Reserved() {
  auto event = About<inventory::v1::StockReserved>("o-1");
  auto& line = *event.add_lines();
  line.set_product_id("tea");
  line.set_quantity(2);
  line.mutable_unit_price()->set_currency_code("EUR");
  line.mutable_unit_price()->set_units(4);
  return event;
}

// One order and everything that can happen to it, each through the decider.
class OneOrder {
 public:
  Outcome Pull(Trigger trigger) { return triggers_.at(trigger)(); }

  // By the shortest way that leads there.
  void BringTo(Stage stage) {
    static const std::map<Stage, std::vector<Trigger>> kWays = {
        {Stage::kNone, {}},
        {Stage::kReserving, {Trigger::kCreate}},
        {Stage::kPaying, {Trigger::kCreate, Trigger::kStockReserved}},
        {Stage::kConfirmed, {Trigger::kCreate, Trigger::kStockReserved, Trigger::kPaymentAuthorized}},
        {Stage::kCancelling,
         {Trigger::kCreate, Trigger::kStockReserved, Trigger::kPaymentAuthorized, Trigger::kCancel}},
        {Stage::kShipped,
         {Trigger::kCreate, Trigger::kStockReserved, Trigger::kPaymentAuthorized, Trigger::kShipmentDispatched}},
        {Stage::kDelivered,
         {Trigger::kCreate, Trigger::kStockReserved, Trigger::kPaymentAuthorized, Trigger::kShipmentDispatched,
          Trigger::kShipmentDelivered}},
        {Stage::kCancelled, {Trigger::kCreate, Trigger::kCancel}},
        {Stage::kRejected, {Trigger::kCreate, Trigger::kStockRefused}}};
    for (const Trigger trigger : kWays.at(stage)) ASSERT_EQ(Pull(trigger).kind(), Kind::kAck);
    ASSERT_EQ(stage_now(), stage);
  }

  v1::Order order() const {
    const auto* found = context_.Find<v1::Order>("o-1");
    return found == nullptr ? v1::Order() : *found;
  }
  Stage stage_now() const { return StageOf(order()); }
  const testing::FakeContext& context() const { return context_; }

 private:
  Outcome Create() {
    v1::CreateOrderRequest command;
    command.set_id("o-1");
    command.set_user_id("u-1");
    command.set_payment_token("tok_approve");
    command.add_lines()->set_product_id("tea");
    command.mutable_lines(0)->set_quantity(2);
    return context_.Decide<OrderDecider>(command);
  }
  Outcome Cancel() {
    v1::CancelOrderRequest command;
    command.set_id("o-1");
    return context_.Decide<OrderDecider>(command);
  }
  // As one that was due before the order got here: whether it is still set is another test's matter.
  Outcome Deadline() {
    return context_.Handle(About<v1::OrderCreated>("o-1"), [](const auto&, Context& context) {
      return OrderDecider().Decide(internal::v1::Deadline(), context.Load<v1::Order>("o-1"), context);
    });
  }
  template <typename Event>
  std::function<Outcome()> Tell(Event event) {
    return [this, event] { return context_.Decide<OrderDecider>(event); };
  }

  testing::FakeContext context_;
  const std::map<Trigger, std::function<Outcome()>> triggers_ = {
      {Trigger::kCreate, [this] { return Create(); }},
      {Trigger::kCancel, [this] { return Cancel(); }},
      {Trigger::kDeadline, [this] { return Deadline(); }},
      {Trigger::kStockReserved, Tell(Reserved())},
      {Trigger::kStockRefused, Tell(About<inventory::v1::StockRefused>("o-1"))},
      {Trigger::kPaymentAuthorized, Tell(About<payment::v1::PaymentAuthorized>("o-1"))},
      {Trigger::kPaymentDeclined, Tell(About<payment::v1::PaymentDeclined>("o-1"))},
      {Trigger::kShipmentDispatched, Tell(About<shipping::v1::ShipmentDispatched>("o-1"))},
      {Trigger::kShipmentDelivered, Tell(About<shipping::v1::ShipmentDelivered>("o-1"))},
      {Trigger::kShipmentReturned, Tell(About<shipping::v1::ShipmentReturned>("o-1"))},
      {Trigger::kShipmentCancelled, Tell(About<shipping::v1::ShipmentCancelled>("o-1"))}};

 public:
  static std::vector<Trigger> AllTriggers() {
    std::vector<Trigger> all;
    for (const auto& [trigger, pull] : OneOrder().triggers_) all.push_back(trigger);
    return all;
  }
};

std::string Cell(Stage stage, Trigger trigger) {
  return std::string(NameOf(stage)) + ", " + std::string(NameOf(trigger));
}

TEST(OrderStageTest, GoesInEveryStageWhereTheTableSaysOrStaysAsItIs) {
  for (const Stage stage : kStages) {
    for (const Trigger trigger : OneOrder::AllTriggers()) {
      OneOrder one;
      one.BringTo(stage);
      const v1::Order before = one.order();
      one.Pull(trigger);
      const auto next = Next(stage, trigger);
      EXPECT_EQ(one.stage_now(), next.value_or(stage)) << Cell(stage, trigger);
      if (next.has_value()) {
        EXPECT_GT(one.order().revision(), before.revision()) << Cell(stage, trigger);
      } else {
        EXPECT_TRUE(MessageDifferencer::Equals(one.order(), before)) << Cell(stage, trigger);
        EXPECT_TRUE(one.context().events().empty()) << Cell(stage, trigger);
      }
    }
  }
}

// Two things that happen at the same time reach the order in either order. Whichever comes first decides; the second
// follows the table from there, and the order never ends up where neither leads.
TEST(OrderStageTest, DecidesEveryRaceByWhatComesFirst) {
  const auto follow = [](Stage stage, Trigger trigger) { return Next(stage, trigger).value_or(stage); };
  for (const Stage stage : kStages) {
    for (const Trigger first : OneOrder::AllTriggers()) {
      for (const Trigger second : OneOrder::AllTriggers()) {
        OneOrder one;
        one.BringTo(stage);
        one.Pull(first);
        one.Pull(second);
        EXPECT_EQ(one.stage_now(), follow(follow(stage, first), second))
            << Cell(stage, first) << ", then " << NameOf(second);
      }
    }
  }
}

TEST(OrderStageTest, WaitsForStockAndMoneyAndForNothingElse) {
  for (const Stage stage : kStages) {
    OneOrder one;
    one.BringTo(stage);
    const bool waits = stage == Stage::kReserving || stage == Stage::kPaying;
    EXPECT_EQ(one.context().FindTimer("o-1", kDeadlineTimer) != nullptr, waits) << NameOf(stage);
    const bool holds_token = stage == Stage::kReserving;
    EXPECT_EQ(one.context().Find<internal::v1::MeansOfPayment>("o-1") != nullptr, holds_token) << NameOf(stage);
  }
}

TEST(OrderStageTest, LeavesNoStageWithoutAWayToAnEnd) {
  for (const Stage stage : kStages) {
    const bool moves = std::any_of(kTransitions.begin(), kTransitions.end(),
                                   [&](const Transition& transition) { return transition.from == stage; });
    const bool ends = stage == Stage::kDelivered || stage == Stage::kCancelled || stage == Stage::kRejected;
    EXPECT_NE(moves, ends) << NameOf(stage);
  }
}

TEST(OrderStageTest, IsDrawnInTheReadmeAsItIs) {
  std::ifstream file(ORDER_README);
  std::stringstream text;
  text << file.rdbuf();
  EXPECT_NE(text.str().find("```mermaid\n" + Diagram() + "```\n"), std::string::npos)
      << "put this into services/order/README.md:\n```mermaid\n"
      << Diagram() << "```\n";
}

}  // namespace
}  // namespace tradewind::order
