#include "tradewind/app/topology.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "google/protobuf/wrappers.pb.h"

#include "tradewind/app/app.h"
#include "tradewind/order/v1/events.pb.h"
#include "tradewind/order/v1/order.pb.h"
#include "tradewind/user/v1/events.pb.h"

namespace tradewind {
namespace {

using nlohmann::json;
using order::v1::CreateOrderRequest;
using order::v1::OrderCancelled;
using order::v1::OrderConfirmed;
using order::v1::OrderCreated;
using user::v1::UserRegistered;

struct Decider {
  using State = order::v1::Order;
  using Commands = Types<CreateOrderRequest>;
  using Reactions = Types<UserRegistered>;
  using Timers = Types<google::protobuf::StringValue>;
  using Events = Types<OrderCreated, OrderConfirmed>;
  template <typename Message>
  Outcome Decide(const Message&, Loaded<State>, Context&) const {
    return Ack();
  }
};

// The one element of `groups` that has this name.
json GroupNamed(const std::string& name, const std::vector<const runtime::Group*>& groups) {
  const json topology = json::parse(TopologyText(groups));
  for (const json& group : topology["groups"]) {
    if (group["name"] == name) return group;
  }
  return nullptr;
}

TEST(TopologyTest, NamesWhatADeciderTakesAndEmitsButNoTimers) {
  App app("shop", 0, nullptr);
  app.Decide<Decider>();
  EXPECT_EQ(GroupNamed("shop", {&app.handlers()}),
            (json{{"name", "shop"},
                  {"reads", {"tradewind.order.v1.CreateOrderRequest", "tradewind.user.v1.UserRegistered"}},
                  {"rekeyed", json::array()},
                  {"emits", {"tradewind.order.v1.OrderCreated", "tradewind.order.v1.OrderConfirmed"}}}));
}

TEST(TopologyTest, TellsWhatGoesThroughTheGroupsOwnTopic) {
  App app("points", 0, nullptr);
  const auto handle = [](const auto&, Context&) { return Ack(); };
  app.On<OrderConfirmed>(handle).KeyedBy(&OrderConfirmed::user_id);
  app.On<OrderCancelled>(handle);
  const json group = GroupNamed("points", {&app.handlers()});
  EXPECT_EQ(group["reads"], (json{"tradewind.order.v1.OrderConfirmed", "tradewind.order.v1.OrderCancelled"}));
  EXPECT_EQ(group["rekeyed"], json{"tradewind.order.v1.OrderConfirmed"});
}

TEST(TopologyTest, ListsEffectsAsAGroupOfTheirOwnAndATypeOnce) {
  App app("mailer", 0, nullptr);
  const auto send = [](const auto&, EffectContext&) { return Ack(); };
  app.On<UserRegistered, OrderCreated>([](const auto&, Context&) { return Ack(); });
  app.OnEffect<OrderConfirmed, OrderCreated>(send);
  app.OnEffect<OrderCancelled, OrderCreated>(send);
  const std::vector<const runtime::Group*> groups = {&app.handlers(), &app.effect_handlers()};
  EXPECT_EQ(GroupNamed("mailer", groups)["reads"], json{"tradewind.user.v1.UserRegistered"});
  EXPECT_EQ(GroupNamed("mailer.effects", groups)["emits"], json{"tradewind.order.v1.OrderCreated"});
}

}  // namespace
}  // namespace tradewind
