// How many bytes of effects a task has in its lanes, whether they come from a topic, from queues in the store or from
// an owner before, and that the order of a key is kept where they are full.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <mutex>
#include <semaphore>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/clock.h"

#include "tradewind/bus/envelope.h"
#include "tradewind/runtime/effect_lanes.h"
#include "tradewind/runtime/kept_record.h"
#include "tradewind/runtime/task_progress.h"
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

// Bytes of a large message, and how many of them fill the lanes of a task of SmallLanes.
constexpr size_t kLarge = 10'000;
constexpr size_t kFewLarge = 5;

WorkerConfig SmallLanes() {
  WorkerConfig config = kQuick;
  config.effect_bytes = static_cast<int64_t>(kFewLarge * kLarge);
  config.batch_messages = 1;
  // The queues are looked at before each batch.
  config.timer_tick = absl::Nanoseconds(1);
  return config;
}

// Returns a registration that has `padding` bytes more than it needs.
UserRegistered Padded(const std::string& key, const std::string& name, size_t padding) {
  UserRegistered event = Registered(key, name);
  event.set_locale(std::string(padding, ' '));
  return event;
}

// An effect on UserRegistered: "block" waits to be released, every other one ends at once.
struct Fixture {
  Fixture() : group("loyalty.effects") {
    group.AddEffect({.effect =
                         [this](const google::protobuf::Message& message, EffectContext& context) {
                           return Run(static_cast<const UserRegistered&>(message).display_name(), context);
                         },
                     .prototype = &UserRegistered::default_instance(),
                     .timeout = absl::Hours(1)});
  }
  // No effect may be left that uses the fixture.
  ~Fixture() { release.release(1000); }

  Outcome Run(const std::string& name, EffectContext& context) {
    const std::string entry = std::string(context.key()) + ":" + name;
    {
      const std::lock_guard lock(mutex);
      begun.push_back(entry);
    }
    if (name == "block") release.acquire();
    const std::lock_guard lock(mutex);
    ended.push_back(entry);
    return Ack();
  }

  void Send(const std::string& key, const std::string& name, size_t padding = 0) {
    mesh.Send(Padded(key, name, padding), key);
  }
  // Returns `count` keys of the partition of these tests.
  std::vector<std::string> Keys(size_t count) const {
    std::vector<std::string> keys;
    for (size_t i = 1; keys.size() < count; ++i) {
      const std::string key = "u-" + std::to_string(i);
      if (bus::PartitionOf(key, kPartitions) == partition) keys.push_back(key);
    }
    return keys;
  }
  // Sends large messages that block, each under a key of its own.
  void SendLarge(size_t count) {
    for (const std::string& key : Keys(count)) Send(key, "block", kLarge);
  }
  // Effects of the partition that are on record as under way.
  size_t Pending() {
    const auto progress = TaskProgress::Parse(*mesh.store().reader().ProgressOf({group.name(), partition}));
    return progress->inputs().empty() ? 0 : progress->inputs()[0].pending().size();
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
  int64_t CountParked() { return *mesh.store().reader().CountKept(group.name(), store::KeptState::kParked); }

  Mesh mesh;
  Group group;
  const int32_t partition = bus::PartitionOf("u-1", kPartitions);
  std::mutex mutex;
  std::vector<std::string> begun;
  std::vector<std::string> ended;
  std::counting_semaphore<> release{0};
};

TEST(WorkerLanes, ReadsNothingMoreWhileTooManyBytesWait) {
  Fixture test;
  const auto worker = test.mesh.Start(test.group, {0, 1, 2, 3}, SmallLanes());
  test.SendLarge(40);
  ASSERT_TRUE(Eventually([&] { return worker->source().paused(test.partition); }));
  EXPECT_EQ(test.Pending(), kFewLarge);
  test.release.release(40);
  ASSERT_TRUE(Eventually([&] { return test.Ended().size() == 40; }));
  EXPECT_TRUE(worker->Stop().ok());
}

// However many an owner with more room has left behind.
TEST(WorkerLanes, ReadsWhatWasUnderWayAgainALittleAtATime) {
  Fixture test;
  auto worker = test.mesh.Start(test.group, {0, 1, 2, 3}, kQuick);
  test.SendLarge(40);
  ASSERT_TRUE(Eventually([&] { return test.Pending() == 40 && test.Begun().size() == 8; }));
  worker->source().Lose({0, 1, 2, 3});
  ASSERT_TRUE(Eventually([&] { return !worker->source().owns(test.partition); }));
  test.release.release(8);
  ASSERT_TRUE(Eventually([&] { return test.Ended().size() == 8; }));
  ASSERT_TRUE(worker->Stop().ok());
  worker = test.mesh.Start(test.group, {0, 1, 2, 3}, SmallLanes());
  ASSERT_TRUE(Eventually([&] { return worker->source().paused(test.partition); }));
  ASSERT_TRUE(Eventually([&] { return test.Begun().size() == 8 + kFewLarge; }));
  test.release.release(40);
  ASSERT_TRUE(Eventually([&] { return test.Pending() == 0; }));
  EXPECT_THAT(test.Ended(), SizeIs(8 + 40));
  EXPECT_TRUE(worker->Stop().ok());
}

TEST(WorkerLanes, KeepsFewBytesOfASlowKeyInItsLane) {
  Fixture test;
  const auto worker = test.mesh.Start(test.group, {0, 1, 2, 3}, kQuick);
  std::vector<std::string> expected;
  for (const char* name : {"block", "2", "3", "4", "5"}) {
    test.Send("u-1", name, EffectLanes::kMaxLaneBytes / 3);
    expected.push_back(std::string("u-1:") + name);
  }
  // Each is a little longer than its padding.
  ASSERT_TRUE(Eventually([&] { return test.CountParked() == 2; }));
  EXPECT_EQ(test.Pending(), 3U);
  test.release.release();
  ASSERT_TRUE(Eventually([&] { return test.Ended().size() == 5; }));
  EXPECT_EQ(test.Ended(), expected);
  ASSERT_TRUE(Eventually([&] { return test.CountParked() == 0; }));
  EXPECT_TRUE(worker->Stop().ok());
}

// What was under way comes before the queue of its key, although it is only read again after more than a minute.
TEST(WorkerLanes, KeepsTheOrderOfAKeyBehindFullLanes) {
  Fixture test;
  const std::string last = test.Keys(kFewLarge + 1).back();
  auto worker = test.mesh.Start(test.group, {0, 1, 2, 3}, kQuick);
  test.SendLarge(kFewLarge);
  test.Send(last, "block", EffectLanes::kMaxLaneBytes);
  test.Send(last, "behind");
  ASSERT_TRUE(Eventually([&] { return test.Begun().size() == 6 && test.CountParked() == 1; }));
  worker->source().Lose({0, 1, 2, 3});
  ASSERT_TRUE(Eventually([&] { return !worker->source().owns(test.partition); }));
  test.release.release(6);
  ASSERT_TRUE(Eventually([&] { return test.Ended().size() == 6; }));
  ASSERT_TRUE(worker->Stop().ok());
  worker = test.mesh.Start(test.group, {0, 1, 2, 3}, SmallLanes());
  ASSERT_TRUE(Eventually([&] { return test.Begun().size() == 11 && worker->source().paused(test.partition); }));
  test.mesh.PassTime(absl::Minutes(2));
  // First the lanes are neither full nor half empty, then they are half empty.
  const std::string beside = KeyBeside("u-1");
  for (size_t pending = 5; pending >= 3; --pending) {
    test.release.release();
    ASSERT_TRUE(Eventually([&] { return test.Pending() == pending; }));
    // Once another task has gone on the queues have been looked at.
    test.Send(beside, "other");
    ASSERT_TRUE(Eventually([&] { return test.Ended(beside).size() == 6 - pending; }));
  }
  test.release.release(3);
  ASSERT_TRUE(Eventually([&] { return test.Ended(last).size() == 3; }));
  EXPECT_THAT(test.Ended(last), ElementsAre(last + ":block", last + ":block", last + ":behind"));
  EXPECT_TRUE(worker->Stop().ok());
}

// Returns a message that waits in the queue of `key`.
store::KeptRecord Queued(const Fixture& test, const std::string& key, const std::string& name, size_t padding = 0) {
  bus::RecordContent record{.topic = kUserEvents, .partition = test.partition, .key = key};
  record.value = Padded(key, name, padding).SerializeAsString();
  record.headers = {{"ce_specversion", "1.0"},
                    {"ce_id", key},
                    {"ce_source", "/test"},
                    {"ce_type", UserRegistered::descriptor()->full_name()}};
  return {.task = {test.group.name(), test.partition},
          .state = store::KeptState::kParked,
          .queued = true,
          .key = key,
          .record = SerializeRecord(bus::Record::FromContent(std::move(record)))};
}

TEST(WorkerLanes, TakesNoMoreFromQueuesThanThereIsRoomFor) {
  Fixture test;
  store::Batch batch;
  batch.now = absl::Now();
  for (const std::string& key : test.Keys(40)) batch.kept.push_back(Queued(test, key, "block", kLarge));
  ASSERT_TRUE((*test.mesh.store().OpenSession())->Commit(batch).ok());
  // All of them are loaded together.
  WorkerConfig config = SmallLanes();
  config.batch_messages = 500;
  const auto worker = test.mesh.Start(test.group, {0, 1, 2, 3}, config);
  ASSERT_TRUE(Eventually([&] { return test.Begun().size() == kFewLarge; }));
  // Once another task has gone on the queues have been looked at again.
  const std::string beside = KeyBeside("u-1");
  for (size_t i = 1; i <= 2; ++i) {
    test.Send(beside, "other");
    ASSERT_TRUE(Eventually([&] { return test.Ended(beside).size() == i; }));
  }
  EXPECT_EQ(test.Begun().size(), kFewLarge + 2);
  test.release.release(40);
  ASSERT_TRUE(Eventually([&] { return test.CountParked() == 0; }));
  EXPECT_THAT(test.Ended(), SizeIs(40 + 2));
  EXPECT_TRUE(worker->Stop().ok());
}

// Where a queue waits for an effect that was under way and whose record is gone.
TEST(WorkerLanes, TakesFromQueuesBehindFullLanesAfterAnHour) {
  Fixture test;
  test.group.FindToChange(UserRegistered::descriptor()->full_name())->timeout = absl::Hours(24);
  test.mesh.kafka().AppendGap(kUserEvents, test.partition, 1);
  const std::string last = test.Keys(kFewLarge + 1).back();
  TaskProgress progress;
  InputProgress& input = progress.AddInput(kUserEvents, 1);
  input.AddPending(0);
  const std::string blob = progress.Serialize(kClusterId);
  const auto session = *test.mesh.store().OpenSession();
  const auto taken = *session->TakeTask({test.group.name(), test.partition}, 0);
  store::Batch batch;
  batch.now = absl::Now();
  batch.kept.push_back(Queued(test, last, "queued"));
  batch.tasks.push_back({.task = {test.group.name(), test.partition},
                         .expected_epoch = taken.epoch,
                         .expected_emit_sequence = taken.emit_sequence,
                         .new_emit_sequence = taken.emit_sequence + 1,
                         .progress = blob});
  ASSERT_EQ(session->Commit(batch)->kind, store::CommitResult::Kind::kCommitted);
  test.SendLarge(kFewLarge);
  const auto worker = test.mesh.Start(test.group, {0, 1, 2, 3}, SmallLanes());
  ASSERT_TRUE(Eventually([&] { return test.Begun().size() == 5 && worker->source().paused(test.partition); }));
  test.release.release();
  ASSERT_TRUE(Eventually([&] { return test.Pending() == 5; }));
  test.mesh.PassTime(absl::Minutes(59));
  const std::string beside = KeyBeside("u-1");
  for (size_t i = 1; i <= 2; ++i) {
    test.Send(beside, "other");
    ASSERT_TRUE(Eventually([&] { return test.Ended(beside).size() == i; }));
  }
  EXPECT_THAT(test.Ended(last), IsEmpty());
  test.mesh.PassTime(absl::Minutes(2));
  EXPECT_TRUE(Eventually([&] { return test.Ended(last).size() == 1; }));
  test.release.release(4);
  EXPECT_TRUE(worker->Stop().ok());
}

// That version sets aside what was under way, before what waits in the queue of its key already.
TEST(WorkerLanes, KeepsTheOrderOfAKeyThroughAVersionWithoutItsHandler) {
  Fixture test;
  auto worker = test.mesh.Start(test.group, {0, 1, 2, 3}, kQuick);
  test.Send("u-1", "block", EffectLanes::kMaxLaneBytes);
  test.Send("u-1", "behind");
  ASSERT_TRUE(Eventually([&] { return test.CountParked() == 1 && test.Begun().size() == 1; }));
  worker->source().Lose({0, 1, 2, 3});
  ASSERT_TRUE(Eventually([&] { return !worker->source().owns(test.partition); }));
  test.release.release();
  ASSERT_TRUE(Eventually([&] { return test.Ended().size() == 1; }));
  ASSERT_TRUE(worker->Stop().ok());
  Group without(test.group.name());
  without.AddEffect({.effect = [](const google::protobuf::Message&, EffectContext&) { return Ack(); },
                     .prototype = &user::v1::UserUpdated::default_instance()});
  worker = test.mesh.Start(without, {0, 1, 2, 3}, kQuick);
  ASSERT_TRUE(Eventually([&] { return test.CountParked() == 2; }));
  ASSERT_TRUE(worker->Stop().ok());
  worker = test.mesh.Start(test.group, {0, 1, 2, 3}, kQuick);
  test.release.release();
  ASSERT_TRUE(Eventually([&] { return test.Ended().size() == 3; }));
  EXPECT_THAT(test.Ended(), ElementsAre("u-1:block", "u-1:block", "u-1:behind"));
  EXPECT_TRUE(worker->Stop().ok());
}

}  // namespace
}  // namespace tradewind::runtime
