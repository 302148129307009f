// Effects in a worker: run once their message is on record, tracked out of order, repeated after a crash, parked when
// they fail.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <mutex>
#include <semaphore>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/clock.h"

#include "tradewind/order/v1/events.pb.h"
#include "tradewind/runtime/worker_harness.h"
#include "tradewind/runtime/worker_test_group.h"
#include "tradewind/testing/eventually.h"
#include "tradewind/user/v1/events.pb.h"

namespace tradewind::runtime {
namespace {

using ::testing::ElementsAre;
using testing::Eventually;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using user::v1::UserRegistered;

// An effect on UserRegistered: "block" waits to be released, "bad" fails while `broken`, "tell" emits an event.
struct Fixture {
  Fixture() : group("loyalty.effects") {
    group.AddOutput(order::v1::OrderCreated::descriptor());
    group.AddEffect({.effect =
                         [this](const google::protobuf::Message& message, EffectContext& context) {
                           return Run(static_cast<const UserRegistered&>(message).display_name(), context);
                         },
                     .prototype = &UserRegistered::default_instance()});
  }
  // No effect may be left that uses the fixture.
  ~Fixture() { release.release(1000); }

  Outcome Run(const std::string& name, EffectContext& context) {
    const std::string entry = std::string(context.key()) + ":" + name;
    {
      const std::lock_guard lock(mutex);
      begun.push_back(entry);
      ids.push_back(std::string(context.idempotency_key()));
    }
    if (name == "block") release.acquire();
    if (name == "bad" && broken) return Retry(absl::ZeroDuration(), "broken on purpose");
    if (name == "hopeless") return Dead("never");
    if (name == "tell") {
      order::v1::OrderCreated event;
      event.set_order_id(std::string(context.key()));
      context.Emit(event);
    }
    const std::lock_guard lock(mutex);
    ended.push_back(entry);
    return Ack();
  }

  void Send(const std::string& key, const std::string& name) { mesh.Send(Registered(key, name), key); }
  // Ten may wait, and there are forty behind one that blocks.
  auto StartCrowded() {
    WorkerConfig small = kQuick;
    small.effect_backlog = 10;
    small.batch_messages = 1;
    auto worker = mesh.Start(group, {0, 1, 2, 3}, small);
    Send("u-1", "block");
    for (int i = 0; i < 40; ++i) Send("u-1", std::to_string(i));
    return worker;
  }
  std::vector<std::string> Begun() {
    const std::lock_guard lock(mutex);
    return begun;
  }
  std::vector<std::string> Ended(const std::string& key = "") {
    const std::lock_guard lock(mutex);
    std::vector<std::string> own = ended;
    if (!key.empty()) std::erase_if(own, [&](const std::string& one) { return !one.starts_with(key + ":"); });
    return own;
  }
  int64_t Count(store::KeptState state) { return *mesh.store().reader().CountKept(group.name(), state); }
  // A key other than `key` of the same partition.
  static std::string Neighbour(const std::string& key) {
    for (int i = 0;; ++i) {
      const std::string other = "n-" + std::to_string(i);
      if (other != key && bus::PartitionOf(other, kPartitions) == bus::PartitionOf(key, kPartitions)) return other;
    }
  }

  Mesh mesh;
  Group group;
  std::mutex mutex;
  std::vector<std::string> begun;
  std::vector<std::string> ended;
  std::vector<std::string> ids;
  std::counting_semaphore<> release{0};
  std::atomic<bool> broken{true};
};

TEST(WorkerEffect, RunsTheKeysOfAPartitionAtOnceAndEachInOrder) {
  Fixture test;
  const std::string other = Fixture::Neighbour("u-1");
  const auto worker = test.mesh.Start(test.group, {0, 1, 2, 3}, kQuick);
  test.Send("u-1", "block");
  test.Send("u-1", "second");
  for (const char* name : {"1", "2", "3"}) test.Send(other, name);
  ASSERT_TRUE(Eventually([&] { return test.Ended(other).size() == 3; }));
  EXPECT_THAT(test.Ended("u-1"), IsEmpty());
  test.release.release();
  ASSERT_TRUE(Eventually([&] { return test.Ended("u-1").size() == 2; }));
  EXPECT_THAT(test.Ended("u-1"), ElementsAre("u-1:block", "u-1:second"));
}

TEST(WorkerEffect, RunsWhatHadNotEndedAgainAfterARestartAndNothingElse) {
  Fixture test;
  const std::string other = Fixture::Neighbour("u-1");
  auto worker = test.mesh.Start(test.group, {0, 1, 2, 3}, kQuick);
  test.Send("u-1", "block");
  test.Send(other, "1");
  test.Send("u-1", "second");
  test.Send(other, "tell");
  // Published once both of the other key are on record.
  ASSERT_TRUE(test.mesh.kafka().WaitForRecords(kEvents, 1));
  ASSERT_TRUE(Eventually([&] { return test.Begun().size() == 3; }));
  worker->source().Lose({bus::PartitionOf("u-1", kPartitions)});
  ASSERT_TRUE(Eventually([&] { return !worker->source().owns(bus::PartitionOf("u-1", kPartitions)); }));
  test.release.release();
  ASSERT_TRUE(Eventually([&] { return test.Ended().size() == 3; }));
  EXPECT_TRUE(worker->Stop().ok());
  worker = test.mesh.Start(test.group, {0, 1, 2, 3}, kQuick);
  test.release.release();
  ASSERT_TRUE(Eventually([&] { return test.Ended("u-1").size() == 3; }));
  test.Send(other, "3");
  ASSERT_TRUE(Eventually([&] { return test.Ended().back() == other + ":3"; }));
  EXPECT_THAT(test.Ended("u-1"), ElementsAre("u-1:block", "u-1:block", "u-1:second"));
  // The first attempt's key is the second's. What began first is either key's: they run at once.
  const std::lock_guard lock(test.mutex);
  const auto first = std::find(test.begun.begin(), test.begun.end(), "u-1:block") - test.begun.begin();
  EXPECT_EQ(std::count(test.ids.begin(), test.ids.end(), test.ids[first]), 2);
}

TEST(WorkerEffect, LeavesNothingHalfDoneWhenItStopsInOrder) {
  Fixture test;
  auto worker = test.mesh.Start(test.group, {0, 1, 2, 3}, kQuick);
  test.Send("u-1", "block");
  test.Send("u-1", "second");
  ASSERT_TRUE(Eventually([&] { return test.Begun().size() == 1; }));
  std::thread stopper([&] { EXPECT_TRUE(worker->Stop().ok()); });
  test.release.release();
  stopper.join();
  worker = test.mesh.Start(test.group, {0, 1, 2, 3}, kQuick);
  ASSERT_TRUE(Eventually([&] { return test.Ended().size() == 2; }));
  EXPECT_THAT(test.Begun(), ElementsAre("u-1:block", "u-1:second"));
}

// It waits in the queue of the key it came under; its turn there is to be passed on, and it runs under its own.
TEST(WorkerEffect, OneForAnotherKeyIsPassedOnFromAQueueToo) {
  Fixture test;
  test.group.AddEffect({.effect = [&test](const google::protobuf::Message&,
                                          EffectContext& context) { return test.Run("rekeyed", context); },
                        .prototype = &order::v1::OrderCreated::default_instance()});
  test.group.Rekey(order::v1::OrderCreated::descriptor()->full_name(),
                   [](const google::protobuf::Message&) { return std::string("team"); });
  const auto worker = test.mesh.Start(test.group, {0, 1, 2, 3}, Patient());
  test.Send("u-1", "bad");
  ASSERT_TRUE(Eventually([&] { return test.Count(store::KeptState::kParked) == 1; }));
  order::v1::OrderCreated behind;
  behind.set_order_id("u-1");
  test.mesh.Send(behind, "u-1");
  ASSERT_TRUE(Eventually([&] { return test.Count(store::KeptState::kParked) == 2; }));
  test.broken = false;
  ASSERT_TRUE(Eventually([&] { return test.Ended().size() == 2; }));
  EXPECT_THAT(test.Ended(), ElementsAre("u-1:bad", "team:rekeyed"));
}

TEST(WorkerEffect, ParksAKeyThatFailsWithWhatWaitsBehindIt) {
  Fixture test;
  const std::string other = Fixture::Neighbour("u-1");
  const auto worker = test.mesh.Start(test.group, {0, 1, 2, 3}, Patient());
  for (const char* name : {"bad", "second", "third"}) test.Send("u-1", name);
  test.Send(other, "1");
  ASSERT_TRUE(Eventually([&] { return test.Count(store::KeptState::kParked) == 3; }));
  test.Send("u-1", "fourth");
  test.Send(other, "2");
  ASSERT_TRUE(Eventually([&] { return test.Ended(other).size() == 2; }));
  ASSERT_TRUE(Eventually([&] { return test.Count(store::KeptState::kParked) == 4; }));
  test.broken = false;
  ASSERT_TRUE(Eventually([&] { return test.Ended("u-1").size() == 4; }));
  EXPECT_THAT(test.Ended("u-1"), ElementsAre("u-1:bad", "u-1:second", "u-1:third", "u-1:fourth"));
  ASSERT_TRUE(Eventually([&] { return test.Count(store::KeptState::kParked) == 0; }));
}

TEST(WorkerEffect, KeepsTheOrderOfAKeyThatFailsOverARestart) {
  Fixture test;
  WorkerConfig slow = kQuick;
  slow.first_retry = absl::Milliseconds(300);
  slow.longest_retry = absl::Milliseconds(300);
  auto worker = test.mesh.Start(test.group, {0, 1, 2, 3}, slow);
  for (const char* name : {"bad", "second", "third"}) test.Send("u-1", name);
  ASSERT_TRUE(Eventually([&] { return test.Count(store::KeptState::kParked) == 3; }));
  ASSERT_TRUE(worker->Stop().ok());
  test.broken = false;
  worker = test.mesh.Start(test.group, {0, 1, 2, 3}, slow);
  test.Send("u-1", "fourth");
  ASSERT_TRUE(Eventually([&] { return test.Ended("u-1").size() == 4; }));
  EXPECT_THAT(test.Ended("u-1"), ElementsAre("u-1:bad", "u-1:second", "u-1:third", "u-1:fourth"));
}

TEST(WorkerEffect, ADeadEffectHoldsItsKeyUntilItIsSkipped) {
  Fixture test;
  const auto worker = test.mesh.Start(test.group, {0, 1, 2, 3}, kQuick);
  for (const char* name : {"bad", "second"}) test.Send("u-1", name);
  ASSERT_TRUE(test.mesh.kafka().WaitForRecords(kDead, 1));
  EXPECT_THAT(test.Begun(), SizeIs(3));
  ASSERT_TRUE(Eventually([&] { return test.Count(store::KeptState::kDead) == 1; }));
  EXPECT_EQ(*test.mesh.store().Request({.key = "u-1", .failed_only = true}, store::KeptAction::kSkip), 1);
  ASSERT_TRUE(Eventually([&] { return test.Ended("u-1").size() == 1; }));
  EXPECT_THAT(test.Ended("u-1"), ElementsAre("u-1:second"));
}

TEST(WorkerEffect, PublishesWhatAnEffectEmitsOnceItHasEnded) {
  Fixture test;
  const auto worker = test.mesh.Start(test.group, {0, 1, 2, 3}, kQuick);
  test.Send("u-1", "tell");
  ASSERT_TRUE(test.mesh.kafka().WaitForRecords(kEvents, 1));
}

// A record that came from Kafka keeps all that was fetched with it in memory.
TEST(WorkerEffect, KeepsNoRecordOfKafkaWhileEffectsWait) {
  Fixture test;
  for (const char* name : {"block", "second", "third"}) test.Send("u-1", name);
  const auto worker = test.mesh.Start(test.group, {0, 1, 2, 3}, kQuick);
  ASSERT_TRUE(Eventually([&] { return test.Begun().size() == 1; }));
  EXPECT_TRUE(Eventually([&] { return worker->source().records_alive() == 0; }));
  test.release.release();
  ASSERT_TRUE(Eventually([&] { return test.Ended("u-1").size() == 3; }));
  EXPECT_THAT(test.Ended("u-1"), ElementsAre("u-1:block", "u-1:second", "u-1:third"));
}

TEST(WorkerEffect, ReadsNothingMoreWhileTooManyWait) {
  Fixture test;
  const auto worker = test.StartCrowded();
  ASSERT_TRUE(Eventually([&] { return worker->source().paused(bus::PartitionOf("u-1", kPartitions)); }));
  test.release.release();
  ASSERT_TRUE(Eventually([&] { return test.Ended("u-1").size() == 41; }));
}

// As when a broker is away at that very moment.
TEST(WorkerEffect, ReadsOnLaterWhereReadingCannotGoOnAtOnce) {
  Fixture test;
  const auto worker = test.StartCrowded();
  ASSERT_TRUE(Eventually([&] { return worker->source().paused(bus::PartitionOf("u-1", kPartitions)); }));
  worker->source().FailResume(3);
  test.release.release();
  ASSERT_TRUE(Eventually([&] { return test.Ended("u-1").size() == 41; }));
  EXPECT_TRUE(worker->Stop().ok());
}

TEST(WorkerEffect, RefusesAGroupWithEffectsAndOtherHandlers) {
  Group group = CountingGroup();
  group.AddEffect({.effect = [](const google::protobuf::Message&, EffectContext&) { return Ack(); },
                   .prototype = &UserRegistered::default_instance()});
  EXPECT_EQ(group.status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace tradewind::runtime
