#include "services/cli/parked_targets.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tradewind::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::string> NamesOf(const std::vector<std::unique_ptr<AdminClient>>& clients) {
  std::vector<std::string> names;
  for (const auto& client : clients) {
    names.push_back(client->service());
  }
  return names;
}

std::string Refusal(const CliConfig& config, const std::string& name) {
  const auto chosen = ChooseServices(config, name, absl::Seconds(1));
  EXPECT_FALSE(chosen.ok());
  return std::string(chosen.status().message());
}

TEST(ChooseServices, AsksAllButTheGateway) {
  const auto all = ChooseServices({}, std::nullopt, absl::Seconds(1));
  ASSERT_TRUE(all.ok()) << all.status();
  EXPECT_THAT(NamesOf(*all), ElementsAre("inventory", "notification", "order", "payment", "shipping", "user"));
  EXPECT_THAT(NamesOf(*ChooseServices({}, "order", absl::Seconds(1))), ElementsAre("order"));
}

TEST(ChooseServices, NamesTheNearestOfAMistypedOne) {
  EXPECT_EQ(Refusal({}, "ordre"), "there is no service 'ordre'; did you mean order?");
  EXPECT_EQ(Refusal({}, "billing"),
            "there is no service 'billing'; cli.services has inventory, notification, order, payment, shipping, user");
}

TEST(ChooseServices, SaysWhyThereIsNobodyToAsk) {
  EXPECT_THAT(Refusal({}, "gateway"), HasSubstr("the gateway handles no events"));
  CliConfig config;
  config.services = {{"gateway", "h:1"}};
  EXPECT_THAT(Refusal(config, "order"), HasSubstr("NAME=HOST:PORT"));
}

class ResolveTypeTest : public ::testing::Test {
 protected:
  ResolveTypeTest() : schema_(*EventSchema::Load(TRADEWIND_DESCRIPTORS)) {}
  std::string Resolve(const std::string& type) const {
    const auto full = ResolveType(*schema_, type);
    return full.ok() ? *full : std::string(full.status().message());
  }
  const std::unique_ptr<EventSchema> schema_;
};

TEST_F(ResolveTypeTest, TakesTheFullNameOrItsLastPart) {
  EXPECT_EQ(Resolve("tradewind.order.v1.OrderConfirmed"), "tradewind.order.v1.OrderConfirmed");
  EXPECT_EQ(Resolve("OrderConfirmed"), "tradewind.order.v1.OrderConfirmed");
  EXPECT_EQ(Resolve("v1.OrderConfirmed"), "tradewind.order.v1.OrderConfirmed");
}

TEST_F(ResolveTypeTest, LetsAFullNameStandThatItDoesNotKnow) {
  EXPECT_EQ(Resolve("shop.v9.Teleport"), "shop.v9.Teleport");
}

TEST_F(ResolveTypeTest, NamesTheNearestOfAMistypedOne) {
  EXPECT_EQ(Resolve("OrderConfirmd"), "no type is called 'OrderConfirmd': did you mean OrderConfirmed?");
  EXPECT_THAT(Resolve("Teleport"), HasSubstr("give the full name"));
}

TEST(MakeFilter, AsksForAllThatWasSet) {
  CliConfig config;
  config.descriptors = TRADEWIND_DESCRIPTORS;
  const auto filter = MakeFilter(config, {.id = 3, .key = "k", .type = "OrderCreated", .state = "held"});
  ASSERT_TRUE(filter.ok()) << filter.status();
  EXPECT_EQ(filter->id(), 3);
  EXPECT_EQ(filter->key(), "k");
  EXPECT_EQ(filter->type(), "tradewind.order.v1.OrderCreated");
  EXPECT_EQ(filter->state(), mesh::v1::PARKED_STATE_HELD);
  EXPECT_EQ(MakeFilter(config, {.state = "dead"})->state(), mesh::v1::PARKED_STATE_DEAD);
  EXPECT_EQ(MakeFilter(config, {.state = "parked"})->state(), mesh::v1::PARKED_STATE_PARKED);
}

}  // namespace
}  // namespace tradewind::cli
