// Timers: kept in the store, fired in the order of their task, once.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/clock.h"

#include "tradewind/bus/envelope.h"
#include "tradewind/order/v1/events.pb.h"
#include "tradewind/runtime/worker_harness.h"
#include "tradewind/runtime/worker_test_group.h"
#include "tradewind/telemetry/metrics.h"
#include "tradewind/testing/eventually.h"
#include "tradewind/user/v1/events.pb.h"

namespace tradewind::runtime {
namespace {

using order::v1::OrderCreated;
using ::testing::ElementsAre;
using ::testing::SizeIs;
using user::v1::UserRegistered;

// A UserRegistered named "set NAME" sets a timer, "soon NAME" one that is due at once, "cancel NAME" cancels it. What
// fires is an Order whose id is the timer's name; it is emitted as an OrderCreated, so that its turn can be seen.
struct Fixture {
  Fixture() : group("loyalty") {
    group.AddOutput(OrderCreated::descriptor());
    group.Add(
        {.run = [this](const google::protobuf::Message& message,
                       Context& context) { return OnMessage(static_cast<const UserRegistered&>(message), context); },
         .prototype = &UserRegistered::default_instance()});
    group.AddTimer(
        {.run = [this](const google::protobuf::Message& message,
                       Context& context) { return OnTimer(static_cast<const order::v1::Order&>(message), context); },
         .prototype = &order::v1::Order::default_instance()});
  }

  Outcome OnMessage(const UserRegistered& event, Context& context) {
    const std::string& name = event.display_name();
    const size_t space = name.find(' ');
    const std::string word = name.substr(0, space);
    order::v1::Order order;
    if (space != std::string::npos) order.set_id(name.substr(space + 1));
    if (word == "set") context.SetTimer(order.id(), context.now() + delay, order);
    if (word == "soon") context.SetTimer(order.id(), context.now(), order);
    if (word == "cancel") context.CancelTimer(order.id());
    if (word == "cancellater") {
      if (!std::exchange(cancelled_later, true)) return Retry(absl::Milliseconds(110), "later");
      context.CancelTimer(order.id());
    }
    if (word == "setandfail") {
      context.SetTimer(order.id(), context.now(), order);
      return Dead("on purpose");
    }
    if (word == "unknown") context.SetTimer("x", context.now(), OrderCreated());
    Emit(context, name);
    return Ack();
  }

  Outcome OnTimer(const order::v1::Order& order, Context& context) {
    if (order.id() == "bad" && broken) {
      ++failures;
      failures.notify_all();
      return Retry(absl::ZeroDuration(), "broken on purpose");
    }
    ++fired;
    Emit(context, "fired " + order.id());
    return Ack();
  }

  static void Emit(Context& context, const std::string& what) {
    OrderCreated event;
    event.set_order_id(std::string(context.key()));
    event.set_user_id(what);
    context.Emit(event);
  }

  void Send(const std::string& name, const std::string& key = "u-1") { mesh.Send(Registered(key, name), key); }
  // What was emitted for one key, after waiting for `count` of all.
  std::vector<std::string> Wait(size_t count, const std::string& key = "u-1") {
    EXPECT_TRUE(mesh.kafka().WaitForRecords(kEvents, count));
    std::vector<std::string> emitted;
    for (const auto& record : mesh.kafka().ReadAll(kEvents)) {
      OrderCreated event;
      event.ParseFromString(record.value);
      if (event.order_id() == key) emitted.push_back(event.user_id());
    }
    return emitted;
  }

  Mesh mesh;
  Group group;
  // The worker's thread reads what the test's sets.
  std::atomic<bool> broken{true};
  std::atomic<int> failures{0};
  std::atomic<int> fired{0};
  absl::Duration delay = absl::Hours(1);
  bool cancelled_later = false;
};

TEST(WorkerTimer, FiresOnceItIsDue) {
  Fixture test;
  test.delay = absl::Milliseconds(30);
  const auto worker = test.mesh.Start(test.group, {0, 1, 2, 3}, kQuick);
  const absl::Time start = absl::Now();
  test.Send("set a");
  EXPECT_THAT(test.Wait(2), ElementsAre("set a", "fired a"));
  EXPECT_GE(absl::Now() - start, absl::Milliseconds(30));
  ASSERT_TRUE(worker->Stop().ok());
  EXPECT_THAT(test.mesh.kafka().ReadAll(kEvents), SizeIs(2));
}

TEST(WorkerTimer, SurvivesARestart) {
  Fixture test;
  test.delay = absl::Milliseconds(100);
  auto worker = test.mesh.Start(test.group, {0, 1, 2, 3}, kQuick);
  test.Send("set a");
  test.Wait(1);
  ASSERT_TRUE(worker->Stop().ok());
  worker = test.mesh.Start(test.group, {0, 1, 2, 3}, kQuick);
  EXPECT_THAT(test.Wait(2), ElementsAre("set a", "fired a"));
}

TEST(WorkerTimer, IsCancelledAndSetAnewByName) {
  Fixture test;
  const auto worker = test.mesh.Start(test.group, {0, 1, 2, 3}, kQuick);
  for (const char* name : {"set a", "set b", "set c", "cancel a", "soon b", "cancel nothing"}) test.Send(name);
  test.Send("cancel b", "u-2");
  EXPECT_TRUE(test.mesh.kafka().WaitForRecords(kEvents, 8));
  EXPECT_THAT(test.Wait(8), ElementsAre("set a", "set b", "set c", "cancel a", "soon b", "cancel nothing", "fired b"));
}

TEST(WorkerTimer, IsDroppedWithTheMessageThatSetIt) {
  Fixture test;
  const auto worker = test.mesh.Start(test.group, {0, 1, 2, 3}, kQuick);
  test.Send("setandfail a");
  test.Send("unknown");
  ASSERT_TRUE(test.mesh.kafka().WaitForRecords(kDead, 1));
  test.Send("soon b", "u-2");
  EXPECT_THAT(test.Wait(2, "u-2"), ElementsAre("soon b", "fired b"));
  EXPECT_THAT(test.Wait(2), SizeIs(0));
}

TEST(WorkerTimer, WaitsBehindAMessageOfItsKeyThatFailed) {
  Fixture test;
  const auto worker = test.mesh.Start(test.group, {0, 1, 2, 3}, Patient());
  test.Send("soon bad");
  test.Send("soon a", "u-2");
  EXPECT_THAT(test.Wait(3, "u-2"), ElementsAre("soon a", "fired a"));
  // The timer itself fails, and the key's next message and next timer wait behind it.
  test.failures.wait(0);
  test.Send("soon behind");
  test.Send("soon c", "u-2");
  EXPECT_THAT(test.Wait(5, "u-2"), ElementsAre("soon a", "fired a", "soon c", "fired c"));
  test.broken = false;
  EXPECT_THAT(test.Wait(8), ElementsAre("soon bad", "fired bad", "soon behind", "fired behind"));
}

TEST(WorkerTimer, FiresAlthoughAGapHoldsEventsOfItsTask) {
  Fixture test;
  const auto worker = test.mesh.Start(test.group, {0, 1, 2, 3}, kQuick);
  test.mesh.SendChained(Registered("u-1", "first"), "u-1", "/user/1", {5, 1}, {});
  test.mesh.SendChained(Registered("u-1", "third"), "u-1", "/user/1", {5, 3}, {5, 2});
  const auto held = [&] { return *test.mesh.store().reader().CountKept("loyalty", store::KeptState::kHeld); };
  ASSERT_TRUE(testing::Eventually([&] { return held() == 1; }));
  test.Send("soon a");
  EXPECT_THAT(test.Wait(3), ElementsAre("first", "soon a", "fired a"));
  EXPECT_EQ(held(), 1);
}

TEST(WorkerTimer, FiresAlthoughAnotherKeyOfItsTaskIsParked) {
  Fixture test;
  std::string other = "u-2";
  while (bus::PartitionOf(other, kPartitions) != bus::PartitionOf("u-1", kPartitions)) other += "2";
  const auto worker = test.mesh.Start(test.group, {0, 1, 2, 3}, Patient());
  test.Send("soon bad");
  test.failures.wait(0);
  test.Send("soon a", other);
  EXPECT_THAT(test.Wait(3, other), ElementsAre("soon a", "fired a"));
  EXPECT_EQ(*test.mesh.store().reader().CountKept("loyalty", store::KeptState::kParked), 1);
}

TEST(WorkerTimer, AsksForNoEndThatIsKnown) {
  Fixture test;
  const auto worker = test.mesh.Start(test.group, {0, 1, 2, 3}, kQuick);
  // Once it is handled, every input has been read once.
  test.Send("first");
  test.Wait(1);
  const int before = worker->source().questions();
  test.Send("soon a");
  EXPECT_THAT(test.Wait(3), ElementsAre("first", "soon a", "fired a"));
  EXPECT_EQ(worker->source().questions(), before);
}

// A broker that has much to send answers late, and the worker waits for it.
TEST(WorkerTimer, AsksForNoEndWhereNoTimerIsDue) {
  Fixture test;
  auto worker = test.mesh.Start(test.group, {0, 1, 2, 3}, kQuick);
  test.Send("first");
  test.Wait(1);
  ASSERT_TRUE(worker->Stop().ok());
  // The end of this log is not reached until something comes behind it.
  test.mesh.kafka().AppendGap(kUserEvents, bus::PartitionOf("u-1", kPartitions), 1);
  worker = test.mesh.Start(test.group, {0, 1, 2, 3}, kQuick);
  // Each of them is for all tasks.
  constexpr int kOfTakeover = 3;
  ASSERT_TRUE(testing::Eventually([&] { return worker->source().questions() == kOfTakeover; }));
  const auto asked = [&] { return worker->source().questions() > kOfTakeover; };
  EXPECT_FALSE(testing::Eventually(asked, absl::Milliseconds(1500)));
  test.Send("more");
  EXPECT_THAT(test.Wait(2), ElementsAre("first", "more"));
}

TEST(WorkerTimer, AsksForAnEndAtMostOnceASecond) {
  Fixture test;
  test.delay = absl::ZeroDuration();
  WorkerConfig never_looks = kQuick;
  never_looks.timer_tick = absl::Hours(1);
  auto worker = test.mesh.Start(test.group, {0, 1, 2, 3}, never_looks);
  test.Send("set a");
  test.Wait(1);
  ASSERT_TRUE(worker->Stop().ok());
  // The end of this log is not reached until something comes behind it.
  test.mesh.kafka().AppendGap(kUserEvents, bus::PartitionOf("u-1", kPartitions), 1);
  const absl::Time begun = absl::Now();
  worker = test.mesh.Start(test.group, {0, 1, 2, 3}, kQuick);
  const int before = worker->source().questions();
  ASSERT_TRUE(testing::Eventually([&] { return worker->source().questions() >= before + 2; }));
  EXPECT_GE(absl::Now() - begun, absl::Seconds(1));
  test.Send("more");
  EXPECT_THAT(test.Wait(3), ElementsAre("set a", "more", "fired a"));
}

TEST(WorkerTimer, FiresThousandsThatAreDueAtOnce) {
  Fixture test;
  const auto worker = test.mesh.Start(test.group, {0, 1, 2, 3}, kQuick);
  constexpr size_t kCount = 3000;
  for (size_t i = 0; i < kCount; ++i) test.Send("soon " + std::to_string(i), "u-" + std::to_string(i));
  ASSERT_TRUE(test.mesh.kafka().WaitForRecords(kEvents, 2 * kCount));
  ASSERT_TRUE(worker->Stop().ok());
  EXPECT_THAT(test.mesh.kafka().ReadAll(kEvents), SizeIs(2 * kCount));
}

// The task is paused between two batches, of which the second is to take what the first had no time for.
TEST(WorkerTimer, FiresWhatWasGatheredWhenItsTaskWasPaused) {
  Fixture test;
  test.delay = absl::Milliseconds(300);
  WorkerConfig config = kQuick;
  config.timer_tick = absl::Seconds(1);
  config.batch_time = absl::Nanoseconds(1);
  config.outbox_bytes = 1;
  const auto worker = test.mesh.Start(test.group, {0, 1, 2, 3}, config);
  test.Send("set a");
  test.Send("set b");
  test.Wait(2);
  worker->events().Cork();
  const telemetry::Gauge full = telemetry::NewGauge("tradewind_outbox_full", "", {{"group", "loyalty"}});
  ASSERT_TRUE(testing::Eventually([&] { return test.fired == 1 && full.value() == 1; }));
  worker->events().Uncork();
  EXPECT_THAT(test.Wait(4), ElementsAre("set a", "set b", "fired a", "fired b"));
}

// After an outage both are there, the deadline and what came before it: `messages`, which go first.
void ExpectFiresLast(size_t messages, const WorkerConfig& config) {
  Fixture test;
  test.delay = absl::Milliseconds(20);
  WorkerConfig never_looks = kQuick;
  never_looks.timer_tick = absl::Hours(1);
  auto worker = test.mesh.Start(test.group, {0, 1, 2, 3}, never_looks);
  test.Send("set a");
  test.Send("set b");
  test.Wait(2);
  ASSERT_TRUE(worker->Stop().ok());
  for (size_t i = 1; i < messages; ++i) test.Send("more " + std::to_string(i));
  test.Send("cancel a");
  const absl::Time due = absl::Now() + test.delay;
  ASSERT_TRUE(testing::Eventually([&] { return absl::Now() > due; }));
  worker = test.mesh.Start(test.group, {0, 1, 2, 3}, config);
  const auto seen = test.Wait(messages + 3);
  EXPECT_EQ(seen[messages + 1], "cancel a");
  EXPECT_EQ(seen[messages + 2], "fired b");
}

TEST(WorkerTimer, FiresBehindWhatItsInputsHoldAlready) { ExpectFiresLast(701, kQuick); }

TEST(WorkerTimer, FiresBehindWhatABatchHadNoTimeFor) {
  WorkerConfig config = kQuick;
  config.batch_time = absl::Nanoseconds(1);
  ExpectFiresLast(51, config);
}

TEST(WorkerTimer, FiresThoughAnotherCannotBeRead) {
  Fixture test;
  store::Batch batch;
  batch.timers_set.push_back({.task = {test.group.name(), bus::PartitionOf("u-1", kPartitions)},
                              .key = "u-1",
                              .name = "damaged",
                              .due = absl::UnixEpoch(),
                              .record = "\xff\xff"});
  // It parses, as nothing.
  batch.timers_set.push_back(batch.timers_set[0]);
  batch.timers_set[1].name = "empty";
  batch.timers_set[1].record = "";
  ASSERT_TRUE((*test.mesh.store().OpenSession())->Commit(batch).ok());
  const auto worker = test.mesh.Start(test.group, {0, 1, 2, 3}, kQuick);
  test.Send("soon a");
  EXPECT_THAT(test.Wait(2), ElementsAre("soon a", "fired a"));
  const auto unreadable = [] {
    return telemetry::NewGauge("tradewind_unreadable_timers", "", {{"group", "loyalty"}}).value();
  };
  EXPECT_TRUE(testing::Eventually([&] { return unreadable() == 2; }));
  EXPECT_EQ(*test.mesh.store().reader().CountKept("loyalty", store::KeptState::kDead), 0);
}

TEST(WorkerTimer, FiresBehindManyThatCannotBeRead) {
  Fixture test;
  store::Batch batch;
  for (int i = 0; i < 30; ++i) {
    batch.timers_set.push_back({.task = {test.group.name(), bus::PartitionOf("u-1", kPartitions)},
                                .key = "u-1",
                                .name = std::to_string(i),
                                .due = absl::UnixEpoch(),
                                .record = "\xff\xff"});
  }
  ASSERT_TRUE((*test.mesh.store().OpenSession())->Commit(batch).ok());
  WorkerConfig config = kQuick;
  config.batch_messages = 8;
  const auto worker = test.mesh.Start(test.group, {0, 1, 2, 3}, config);
  test.Send("soon a");
  EXPECT_THAT(test.Wait(2), ElementsAre("soon a", "fired a"));
}

// One by one they are batches of their own, and yet gathered together.
TEST(WorkerTimer, DoesNotFireBehindWhatCancelsItOneByOne) {
  Fixture test;
  {
    const auto session = *test.mesh.store().OpenSession();
    const store::TaskId task{"loyalty", bus::PartitionOf("u-1", kPartitions)};
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(session->TakeTask(task, 0).ok());
  }
  WorkerConfig config = kQuick;
  config.timer_tick = absl::Milliseconds(300);
  test.delay = absl::Milliseconds(130);
  const auto worker = test.mesh.Start(test.group, {0, 1, 2, 3}, config);
  test.Send("set a");
  test.Send("cancellater a");
  EXPECT_THAT(test.Wait(2), ElementsAre("set a", "cancellater a"));
  test.delay = absl::ZeroDuration();
  test.Send("set b");
  EXPECT_THAT(test.Wait(4), ElementsAre("set a", "cancellater a", "set b", "fired b"));
}

TEST(WorkerTimer, FiresThoughABatchHadNoTimeForIt) {
  Fixture test;
  WorkerConfig config = kQuick;
  config.batch_time = absl::Nanoseconds(1);
  const auto worker = test.mesh.Start(test.group, {0, 1, 2, 3}, config);
  for (int i = 0; i < 50; ++i) test.Send("soon " + std::to_string(i));
  test.Wait(100);
}

}  // namespace
}  // namespace tradewind::runtime
