#include "my_thing_decider.h"

#include <gtest/gtest.h>

#include "tradewind/testing/fake_context.h"

namespace my_thing {
namespace {

using Kind = tradewind::Outcome::Kind;

v1::CreateMyThingRequest Create(const std::string& title) {
  v1::CreateMyThingRequest command;
  command.set_id("id-1");
  command.set_title(title);
  return command;
}

TEST(MyThingDecider, CreatesAMyThingAndTellsOfIt) {
  tradewind::testing::FakeContext context;
  ASSERT_EQ(context.Decide<MyThingDecider>(Create("first")).kind(), Kind::kAck);

  EXPECT_EQ(context.Find<v1::MyThing>("id-1")->title(), "first");
  EXPECT_EQ(context.Answer<v1::MyThing>()->id(), "id-1");
  const auto events = context.Events<v1::MyThingCreated>();
  ASSERT_EQ(events.size(), 1);
  EXPECT_EQ(events.front().my_thing_id(), "id-1");
  EXPECT_EQ(events.front().title(), "first");
}

TEST(MyThingDecider, RefusesAnIdThatIsTaken) {
  tradewind::testing::FakeContext context;
  ASSERT_EQ(context.Decide<MyThingDecider>(Create("first")).kind(), Kind::kAck);
  const tradewind::Outcome refused = context.Decide<MyThingDecider>(Create("second"));
  ASSERT_EQ(refused.kind(), Kind::kReject);
  EXPECT_EQ(refused.problem().reason, "MY_THING_EXISTS");
  EXPECT_EQ(context.Find<v1::MyThing>("id-1")->title(), "first");
  EXPECT_TRUE(context.events().empty());
}

TEST(MyThingDecider, RefusesAMyThingWithoutATitle) {
  tradewind::testing::FakeContext context;
  EXPECT_EQ(context.Decide<MyThingDecider>(Create("")).kind(), Kind::kReject);
  EXPECT_EQ(context.Find<v1::MyThing>("id-1"), nullptr);
}

}  // namespace
}  // namespace my_thing
