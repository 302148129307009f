#include "on_my_event.h"

#include <google/protobuf/wrappers.pb.h>
#include <gtest/gtest.h>

#include "tradewind/testing/fake_context.h"

namespace my_thing {
namespace {

TEST(OnMyEvent, CountsTheEventsOfEachKey) {
  tradewind::testing::FakeContext context;
  my_namespace::MyEvent event;
  event.set_my_key("one");
  EXPECT_EQ(context.Handle(event, OnMyEvent).kind(), tradewind::Outcome::Kind::kAck);
  EXPECT_EQ(context.Handle(event, OnMyEvent).kind(), tradewind::Outcome::Kind::kAck);
  event.set_my_key("another");
  EXPECT_EQ(context.Handle(event, OnMyEvent).kind(), tradewind::Outcome::Kind::kAck);

  EXPECT_EQ(context.Find<google::protobuf::Int64Value>("one")->value(), 2);
  EXPECT_EQ(context.Find<google::protobuf::Int64Value>("another")->value(), 1);
}

}  // namespace
}  // namespace my_thing
