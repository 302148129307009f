#include "tradewind/testing/fake_context.h"

#include <gtest/gtest.h>

#include "tradewind/order/v1/order.pb.h"

namespace tradewind::testing {
namespace {

using order::v1::CreateOrderRequest;
using order::v1::Order;
using runtime::Ack;
using runtime::Context;
using runtime::Outcome;

const absl::Time kDue = absl::FromUnixSeconds(2'000'000'000);

CreateOrderRequest Command() {
  CreateOrderRequest command;
  command.set_id("o-1");
  return command;
}

Outcome SetTimer(const CreateOrderRequest&, Context& context) {
  Order order;
  order.set_user_id("u-1");
  context.SetTimer("pay", kDue, order);
  return Ack();
}

TEST(FakeContext, FiresATimerUnderItsKeyWhenItIsDue) {
  FakeContext context;
  context.Handle(Command(), SetTimer);
  const FakeContext::Timer* timer = context.FindTimer("o-1", "pay");
  ASSERT_NE(timer, nullptr);
  EXPECT_EQ(timer->due, kDue);
  const Outcome outcome = context.Fire<Order>("o-1", "pay", [](const Order& order, Context& fired) {
    EXPECT_EQ(order.user_id(), "u-1");
    EXPECT_EQ(fired.key(), "o-1");
    EXPECT_EQ(fired.now(), kDue);
    return Ack();
  });
  EXPECT_EQ(outcome.kind(), Outcome::Kind::kAck);
  EXPECT_EQ(context.FindTimer("o-1", "pay"), nullptr);
}

TEST(FakeContext, CancelsATimerAndForgetsThoseOfAMessageThatFailed) {
  FakeContext context;
  context.Handle(Command(), [](const CreateOrderRequest& command, Context& handled) {
    SetTimer(command, handled);
    return runtime::Dead("on purpose");
  });
  EXPECT_EQ(context.FindTimer("o-1", "pay"), nullptr);
  context.Handle(Command(), SetTimer);
  context.Handle(Command(), [](const CreateOrderRequest&, Context& handled) {
    handled.CancelTimer("pay");
    return Ack();
  });
  EXPECT_EQ(context.FindTimer("o-1", "pay"), nullptr);
}

}  // namespace
}  // namespace tradewind::testing
