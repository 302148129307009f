#include "services/cli/new_check.h"

#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "services/cli/event_schema.h"

namespace tradewind::cli {
namespace {

using ::testing::HasSubstr;

TEST(CheckServiceName, TakesLowerCaseLettersDigitsAndUnderscores) {
  for (const char* name : {"a", "loyalty", "gift_cards", "b2b"}) {
    EXPECT_TRUE(CheckServiceName(name, {}).ok()) << name;
  }
  for (const std::string name :
       {"", "Loyalty", "2b", "_a", "a_", "a__b", "a-b", "a.b", "a b", "../a", "ä", std::string(41, 'a').c_str()}) {
    EXPECT_EQ(CheckServiceName(name, {}).code(), absl::StatusCode::kInvalidArgument) << name;
  }
}

TEST(CheckServiceName, RefusesANameThatIsTakenOrMeansSomethingElse) {
  EXPECT_EQ(CheckServiceName("order", {"order"}).code(), absl::StatusCode::kAlreadyExists);
  for (const char* name : {"class", "std", "google", "xor_eq", "time", "log"}) {
    EXPECT_THAT(std::string(CheckServiceName(name, {}).message()), HasSubstr("C++")) << name;
  }
}

class FindEventTypeTest : public ::testing::Test {
 protected:
  std::string WhyNot(std::string_view typed) {
    const auto found = FindEventType(*schema_, typed);
    EXPECT_EQ(found.status().code(), absl::StatusCode::kInvalidArgument) << typed;
    return std::string(found.status().message());
  }

  std::unique_ptr<EventSchema> schema_ = EventSchema::Load(TRADEWIND_DESCRIPTORS).value();
};

TEST_F(FindEventTypeTest, TakesFullShortAndLastNames) {
  for (const char* typed : {"tradewind.order.v1.OrderConfirmed", "order.v1.OrderConfirmed", "OrderConfirmed"}) {
    const auto found = FindEventType(*schema_, typed);
    ASSERT_TRUE(found.ok()) << found.status().message();
    EXPECT_EQ(found->type->full_name(), "tradewind.order.v1.OrderConfirmed");
    EXPECT_EQ(found->key, "order_id");
    EXPECT_EQ(found->domain, "order");
  }
}

TEST_F(FindEventTypeTest, SuggestsWhatWasProbablyMeant) {
  EXPECT_THAT(WhyNot("order.v1.OrderConfirmd"), HasSubstr("did you mean order.v1.OrderConfirmed"));
  EXPECT_THAT(WhyNot("orders.v2.OrderConfirmed"), HasSubstr("order.v1.OrderConfirmed"));
  EXPECT_THAT(WhyNot("something.else.Altogether"), HasSubstr("there are "));
}

TEST_F(FindEventTypeTest, RefusesWhatIsNoEvent) {
  EXPECT_THAT(WhyNot("order.v1.CreateOrderRequest"), HasSubstr("there is no event type"));
  EXPECT_THAT(WhyNot("order.v1.Order"), HasSubstr("there is no event type"));
}

TEST(DefaultPorts, StayTheSameForAName) {
  EXPECT_EQ(DefaultPorts("loyalty"), DefaultPorts("loyalty"));
  EXPECT_NE(DefaultPorts("loyalty"), DefaultPorts("wishlist"));
}

}  // namespace
}  // namespace tradewind::cli
