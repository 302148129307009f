// What a worker does with what it reads: takes effect once, answers once, keeps the bad aside. Ownership and crashes
// are in worker_ownership_test.cpp.
#include <atomic>
#include <stdexcept>
#include <thread>

#include "gmock/gmock.h"
#include "google/rpc/status.pb.h"
#include "gtest/gtest.h"

#include "tradewind/bus/envelope.h"
#include "tradewind/order/v1/events.pb.h"
#include "tradewind/order/v1/order.pb.h"
#include "tradewind/runtime/worker_harness.h"
#include "tradewind/runtime/worker_test_group.h"
#include "tradewind/telemetry/metrics.h"
#include "tradewind/testing/eventually.h"
#include "tradewind/user/v1/events.pb.h"

namespace tradewind::runtime {
namespace {

using order::v1::CancelOrderRequest;
using order::v1::CreateOrderRequest;
using order::v1::Order;
using order::v1::OrderCreated;

TEST(Worker, CommitsPublishesAndAnswersACommand) {
  Mesh mesh;
  const Group group = CountingGroup();
  const auto worker = mesh.Start(group);
  mesh.Send(Create("o-1"), "o-1", {.correlation_id = 7});

  const auto replies = mesh.WaitForReplies(1);
  Order order;
  ASSERT_TRUE(replies[0].resource().UnpackTo(&order));
  EXPECT_EQ(replies[0].correlation_id(), 7U);
  EXPECT_EQ(order.revision(), 1);
  const auto stored = mesh.store().reader().Get(Order::descriptor()->full_name(), "o-1");
  ASSERT_TRUE(stored.ok() && stored->has_value());
  EXPECT_EQ((*stored)->value, order.SerializeAsString());
  ASSERT_TRUE(mesh.kafka().WaitForRecords(kEvents, 1));
}

TEST(Worker, PublishesCloudEventsThatFormAChain) {
  Mesh mesh;
  const Group group = CountingGroup();
  const auto worker = mesh.Start(group);
  for (int i = 0; i < 3; ++i) mesh.Send(Create("o-1"), "o-1");
  ASSERT_TRUE(mesh.kafka().WaitForRecords(kEvents, 3));

  const int32_t partition = bus::PartitionOf("o-1", kPartitions);
  const auto events = mesh.kafka().Read(kEvents, partition);
  ASSERT_EQ(events.size(), 3U);
  EXPECT_EQ(HeaderOf(events[0], bus::kTypeHeader), "tradewind.order.v1.OrderCreated");
  EXPECT_EQ(HeaderOf(events[0], bus::kSourceHeader), "/order/" + std::to_string(partition));
  EXPECT_EQ(HeaderOf(events[0], bus::kSpecVersionHeader), "1.0");
  EXPECT_EQ(HeaderOf(events[0], bus::kSubjectHeader), "o-1");
  EXPECT_EQ(HeaderOf(events[0], bus::kContentTypeHeader), "application/protobuf");
  EXPECT_EQ(HeaderOf(events[0], bus::kPreviousHeader), "");
  EXPECT_EQ(HeaderOf(events[1], bus::kPreviousHeader), HeaderOf(events[0], bus::kSequenceHeader));
  EXPECT_EQ(HeaderOf(events[2], bus::kPreviousHeader), HeaderOf(events[1], bus::kSequenceHeader));
  EXPECT_LT(HeaderOf(events[0], bus::kSequenceHeader), HeaderOf(events[1], bus::kSequenceHeader));
}

TEST(Worker, CarriesTheTraceOfACommandToItsEvents) {
  Mesh mesh;
  const Group group = CountingGroup();
  const auto worker = mesh.Start(group);
  const std::string trace = "0af7651916cd43dd8448eb211c80319c";
  mesh.Send(Create("o-1"), "o-1", {.traceparent = "00-" + trace + "-b7ad6b7169203331-01"});
  ASSERT_TRUE(mesh.kafka().WaitForRecords(kEvents, 1));
  const std::string traceparent = HeaderOf(mesh.kafka().ReadAll(kEvents)[0], bus::kTraceparentHeader);
  EXPECT_THAT(traceparent, ::testing::HasSubstr(trace));
  EXPECT_THAT(traceparent, ::testing::Not(::testing::HasSubstr("b7ad6b7169203331")));
}

TEST(Worker, AnswersARepeatedRequestWithTheFirstAnswer) {
  Mesh mesh;
  const Group group = CountingGroup();
  const auto worker = mesh.Start(group);
  const CommandHeaders headers{.request_id = "r-1"};
  for (int i = 0; i < 3; ++i) mesh.Send(Create("o-1"), "o-1", headers);

  for (const auto& reply : mesh.WaitForReplies(3)) {
    Order order;
    ASSERT_TRUE(reply.resource().UnpackTo(&order));
    EXPECT_EQ(order.revision(), 1);
  }
  ASSERT_TRUE(worker->Stop().ok());
  EXPECT_EQ(mesh.kafka().ReadAll(kEvents).size(), 1U);
}

TEST(Worker, RefusesAnotherRequestUnderTheSameId) {
  Mesh mesh;
  const Group group = CountingGroup();
  const auto worker = mesh.Start(group);
  mesh.Send(Create("o-1"), "o-1", {.request_id = "r-1"});
  mesh.WaitForReplies(1);
  CreateOrderRequest other = Create("o-1");
  other.set_user_id("someone else");
  mesh.Send(other, "o-1", {.request_id = "r-1"});
  const auto replies = mesh.WaitForReplies(2);
  EXPECT_EQ(replies[1].error().code(), static_cast<int>(absl::StatusCode::kInvalidArgument));
}

TEST(Worker, DropsWhatARejectingHandlerChangedAndEmitted) {
  Mesh mesh;
  const Group group = CountingGroup();
  const auto worker = mesh.Start(group);
  mesh.Send(Create("o-1"), "o-1");
  // The handler changes the order and emits an event before it refuses.
  mesh.Send(Cancel("o-1"), "o-1");
  mesh.Send(Create("o-1"), "o-1");
  const auto replies = mesh.WaitForReplies(3);
  EXPECT_EQ(replies[1].error().code(), static_cast<int>(absl::StatusCode::kFailedPrecondition));
  Order order;
  ASSERT_TRUE(replies[2].resource().UnpackTo(&order));
  EXPECT_EQ(order.revision(), 2);
  EXPECT_EQ(order.state(), order::v1::ORDER_STATE_CONFIRMED);
  ASSERT_TRUE(worker->Stop().ok());
  EXPECT_EQ(mesh.kafka().ReadAll(kEvents).size(), 2U);
}

TEST(Worker, KeepsUndecodableAndUnknownCommandsAsDeadAndGoesOn) {
  Mesh mesh;
  const Group group = CountingGroup();
  const auto worker = mesh.Start(group);
  const int32_t partition = bus::PartitionOf("o-1", kPartitions);
  mesh.kafka().Append({.topic = kCommands, .partition = partition, .key = "o-1", .value = "no headers"});
  mesh.kafka().Append({.topic = kCommands,
                       .partition = partition,
                       .key = "o-1",
                       .headers = {{"ce_specversion", "1.0"},
                                   {"ce_id", "x"},
                                   {"ce_source", "/test"},
                                   {"ce_type", "tradewind.order.v1.NobodyKnows"},
                                   {"tradewind-reply-partition", "1"},
                                   {"tradewind-reply-instance", "gateway-1"},
                                   {"tradewind-correlation", "5"}}});
  mesh.kafka().Append({.topic = kCommands,
                       .partition = partition,
                       .key = "o-1",
                       .value = "\xff\xff\xff",
                       .headers = {{"ce_specversion", "1.0"},
                                   {"ce_id", "x"},
                                   {"ce_source", "/test"},
                                   {"ce_type", "tradewind.order.v1.CreateOrderRequest"}}});
  mesh.Send(Create("o-1"), "o-1", {.correlation_id = 6});
  const auto replies = mesh.WaitForReplies(2);
  EXPECT_EQ(replies[0].correlation_id(), 5U);
  EXPECT_EQ(replies[0].error().code(), static_cast<int>(absl::StatusCode::kInternal));
  EXPECT_TRUE(replies[1].has_resource());

  const auto dead = mesh.store().reader().ListKept({.state = store::KeptState::kDead}, 0, 10);
  ASSERT_TRUE(dead.ok());
  EXPECT_EQ(dead->size(), 3U);
  EXPECT_TRUE(mesh.kafka().WaitForRecords(kDead, 3));
}

TEST(Worker, SkipsEventsWithoutAHandler) {
  Mesh mesh;
  Group group("loyalty");
  std::atomic<int> registered{0};
  group.Add({.run =
                 [&](const google::protobuf::Message&, Context&) {
                   ++registered;
                   return Ack();
                 },
             .prototype = &user::v1::UserRegistered::default_instance()});
  const auto worker = mesh.Start(group);
  bus::RecordContent unknown{.topic = kUserEvents,
                             .partition = bus::PartitionOf("u-1", kPartitions),
                             .key = "u-1",
                             .headers = {{"ce_specversion", "1.0"},
                                         {"ce_id", "x"},
                                         {"ce_source", "/test"},
                                         {"ce_type", "tradewind.user.v1.SomethingNew"}}};
  mesh.kafka().Append(unknown);
  user::v1::UserRegistered event;
  event.set_user_id("u-1");
  mesh.SendChained(event, "u-1", "/user/0", {1, 1}, {});
  const absl::Time deadline = absl::Now() + absl::Seconds(10);
  while (registered < 1 && absl::Now() < deadline) std::this_thread::yield();
  EXPECT_EQ(registered, 1);
  EXPECT_EQ(*mesh.store().reader().CountKept(group.name(), store::KeptState::kDead), 0);
}

TEST(Worker, TakesRepeatedEventsOnceAndWaitsForMissingOnes) {
  Mesh mesh;
  std::vector<std::string> seen;
  const Group group = RecordingGroup(seen);
  const auto worker = mesh.Start(group);
  const auto send = [&](const std::string& name, uint64_t number, uint64_t previous) {
    mesh.SendChained(Registered("u-1", name), "u-1", "/user/0", {5, number}, {5, previous});
  };
  send("first", 1, 0);
  send("first", 1, 0);
  send("third", 4, 3);
  send("fourth", 6, 4);
  send("second", 3, 1);
  send("third", 4, 3);
  // Another source's chain is not held back.
  mesh.SendChained(Registered("u-1", "other"), "u-1", "/user/1", {1, 1}, {});
  ASSERT_TRUE(mesh.kafka().WaitForRecords(kEvents, 5));
  ASSERT_TRUE(worker->Stop().ok());
  EXPECT_EQ(std::erase(seen, "other"), 1U);
  EXPECT_THAT(seen, ::testing::ElementsAre("first", "second", "third", "fourth"));
  EXPECT_EQ(*mesh.store().reader().CountKept(group.name(), store::KeptState::kHeld), 0);
}

// The service was away for longer than answers are kept, and the repeat lies on the log.
TEST(Worker, AnswersARepeatThatWaitedLongerThanAnswersAreKept) {
  Mesh mesh;
  const Group group = CountingGroup();
  auto worker = mesh.Start(group);
  mesh.Send(Create("o-1"), "o-1", {.request_id = "r-1", .correlation_id = 1});
  mesh.WaitForReplies(1);
  ASSERT_TRUE(worker->Stop().ok());
  mesh.Send(Create("o-1"), "o-1", {.request_id = "r-1", .correlation_id = 2});
  WorkerConfig forgetful;
  forgetful.request_retention = absl::Milliseconds(1);
  const absl::Time forgotten = absl::Now() + 2 * forgetful.request_retention;
  ASSERT_TRUE(testing::Eventually([&] { return absl::Now() > forgotten; }));
  worker = mesh.Start(group, {0, 1, 2, 3}, forgetful);
  const auto replies = mesh.WaitForReplies(2);
  ASSERT_EQ(replies.size(), 2U);
  EXPECT_EQ(replies[0].resource().value(), replies[1].resource().value());
  ASSERT_TRUE(worker->Stop().ok());
  EXPECT_EQ(mesh.kafka().ReadAll(kEvents).size(), 1U);
}

TEST(Worker, ActsOnceOnACopyOfACommandWithoutARequestId) {
  Mesh mesh;
  const Group group = CountingGroup();
  const auto worker = mesh.Start(group);
  mesh.Send(Create("o-1"), "o-1");
  mesh.WaitForReplies(1);
  mesh.kafka().Append(mesh.kafka().Read(kCommands, bus::PartitionOf("o-1", kPartitions)).front());
  EXPECT_EQ(mesh.WaitForReplies(2).size(), 2U);
  // Another command may have the same id, by oversight of a stranger's: it is no repeat.
  bus::RecordContent other = mesh.kafka().Read(kCommands, bus::PartitionOf("o-1", kPartitions)).front();
  order::v1::CreateOrderRequest request = Create("o-1");
  request.set_payment_token("another");
  other.value = request.SerializeAsString();
  mesh.kafka().Append(other);
  EXPECT_EQ(mesh.WaitForReplies(3).size(), 3U);
  EXPECT_TRUE(mesh.kafka().WaitForRecords(kEvents, 2));
  // Its own copy is one, in a later batch and in the same.
  mesh.kafka().Append(other);
  mesh.kafka().Append(other);
  EXPECT_EQ(mesh.WaitForReplies(5).size(), 5U);
  ASSERT_TRUE(worker->Stop().ok());
  EXPECT_EQ(mesh.kafka().ReadAll(kEvents).size(), 2U);
}

TEST(Worker, AnswersARepeatAtOnceThoughItsKeyWaits) {
  Mesh mesh;
  Group group = CountingGroup();
  group.FindToChange(order::v1::CancelOrderRequest::descriptor()->full_name())->run =
      [](const google::protobuf::Message&, Context&) { return Dead("on purpose"); };
  const auto worker = mesh.Start(group);
  mesh.Send(Create("o-1"), "o-1", {.request_id = "r-1"});
  mesh.WaitForReplies(1);
  mesh.Send(Cancel("o-1"), "o-1");
  mesh.WaitForReplies(2);
  mesh.Send(Create("o-1"), "o-1", {.request_id = "r-1"});
  const auto replies = mesh.WaitForReplies(3);
  ASSERT_EQ(replies.size(), 3U);
  EXPECT_TRUE(replies[2].has_resource());
  EXPECT_EQ(replies[0].resource().value(), replies[2].resource().value());
}

TEST(Worker, ShowsASourceWhoseNewEventsAreDroppedAsRepeats) {
  Mesh mesh;
  std::vector<std::string> seen;
  const Group group = RecordingGroup(seen);
  const auto worker = mesh.Start(group, {0, 1, 2, 3}, {.accept_unmarked_events = "true"});
  const auto send = [&](const std::string& sequence, absl::Duration later) {
    mesh.kafka().Append({.topic = kUserEvents,
                         .partition = 0,
                         .key = "u-1",
                         .value = Registered("u-1", "name").SerializeAsString(),
                         .headers = {{"ce_specversion", "1.0"},
                                     {"ce_id", sequence},
                                     {"ce_source", "/user/0"},
                                     {"ce_type", "tradewind.user.v1.UserRegistered"},
                                     {"ce_sequence", sequence},
                                     {"ce_time", bus::EventTime(absl::Now() + later)}}});
  };
  const telemetry::Age repeats =
      telemetry::NewAge("tradewind_repeats_seconds", "",
                        {{"group", group.name()}, {"topic", kUserEvents}, {"partition", "0"}, {"source", "/user/0"}});
  // Copied from another mesh.
  send("0000000000000009-0000000000000001", absl::ZeroDuration());
  send("0000000000000005-0000000000000001", absl::ZeroDuration());
  send("0000000000000005-0000000000000002", absl::Minutes(1));
  EXPECT_TRUE(testing::Eventually([&] { return repeats.value() > 0; }));
  // The source has come beyond it.
  send("0000000000000009-0000000000000002", absl::ZeroDuration());
  EXPECT_TRUE(testing::Eventually([&] { return repeats.value() == 0; }));
}

TEST(Worker, KeepsHeldEventsOverARestart) {
  Mesh mesh;
  std::vector<std::string> seen;
  const Group group = RecordingGroup(seen);
  auto worker = mesh.Start(group);
  mesh.SendChained(Registered("u-1", "first"), "u-1", "/user/0", {5, 1}, {});
  mesh.SendChained(Registered("u-1", "third"), "u-1", "/user/0", {5, 3}, {5, 2});
  const absl::Time deadline = absl::Now() + absl::Seconds(10);
  while (*mesh.store().reader().CountKept(group.name(), store::KeptState::kHeld) < 1 && absl::Now() < deadline) {
    std::this_thread::yield();
  }
  ASSERT_TRUE(worker->Stop().ok());
  worker = mesh.Start(group);
  mesh.SendChained(Registered("u-1", "second"), "u-1", "/user/0", {5, 2}, {5, 1});
  ASSERT_TRUE(mesh.kafka().WaitForRecords(kEvents, 3));
  ASSERT_TRUE(worker->Stop().ok());
  EXPECT_THAT(seen, ::testing::ElementsAre("first", "second", "third"));
}

TEST(Worker, KeepsAMessageAsDeadWhoseEventCouldNeverBePublished) {
  OrderCreated without_key;
  OrderCreated too_big;
  too_big.set_order_id("o-1");
  too_big.set_user_id(std::string(kMaxEventBytes, 'x'));
  OrderCreated big;
  big.set_order_id("o-1");
  big.set_user_id(std::string(kMaxEventBytes - 100, 'x'));

  Mesh mesh;
  Group group("loyalty");
  group.AddOutput(OrderCreated::descriptor());
  group.Add({.run =
                 [&](const google::protobuf::Message& message, Context& context) {
                   const std::string& name = static_cast<const user::v1::UserRegistered&>(message).display_name();
                   context.Emit(name == "without key" ? without_key : name == "too big" ? too_big : big);
                   return Ack();
                 },
             .prototype = &user::v1::UserRegistered::default_instance()});
  const auto worker = mesh.Start(group);
  for (const char* name : {"without key", "too big", "big"}) mesh.Send(Registered(name, name), name);
  ASSERT_TRUE(mesh.kafka().WaitForRecords(kEvents, 1));
  ASSERT_TRUE(mesh.kafka().WaitForRecords(kDead, 2));
  EXPECT_EQ(mesh.kafka().ReadAll(kEvents).size(), 1U);
  const auto dead = mesh.store().reader().ListKept({.state = store::KeptState::kDead}, 0, 10);
  ASSERT_EQ(dead->size(), 2U);
  EXPECT_THAT(*dead, ::testing::UnorderedElementsAre(
                         ::testing::Field(&store::KeptRecord::reason, ::testing::HasSubstr("without its key")),
                         ::testing::Field(&store::KeptRecord::reason, ::testing::HasSubstr("the most is 900000"))));
}

TEST(Worker, KeepsTheIndexesInStepWithTheAggregates) {
  Mesh mesh;
  Group group = CountingGroup();
  group.AddIndex(Order::descriptor()->full_name(), [](const google::protobuf::Message& state) {
    const auto& order = static_cast<const Order&>(state);
    return std::vector<store::IndexEntry>{{"revision", std::to_string(order.revision()), 0}};
  });
  const auto worker = mesh.Start(group);
  mesh.Send(Create("o-1"), "o-1");
  mesh.Send(Create("o-1"), "o-1");
  mesh.WaitForReplies(2);
  const auto list = [&](std::string_view value) {
    return mesh.store()
        .reader()
        .List({.kind = Order::descriptor()->full_name(), .index = "revision", .value = value})
        ->size();
  };
  EXPECT_EQ(list("1"), 0U);
  EXPECT_EQ(list("2"), 1U);
}

}  // namespace
}  // namespace tradewind::runtime
