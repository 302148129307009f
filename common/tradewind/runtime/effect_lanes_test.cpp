#include "tradewind/runtime/effect_lanes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <semaphore>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/clock.h"

#include "tradewind/clock/steady_now.h"
#include "tradewind/runtime/effect_context.h"
#include "tradewind/user/v1/events.pb.h"

namespace tradewind::runtime {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using user::v1::UserRegistered;

Input MakeInput(const std::string& key, const std::string& name) {
  UserRegistered event;
  event.set_display_name(name);
  Input input{.task = nullptr,
              .record = bus::Record::FromContent({.topic = "user.events.v1",
                                                  .key = key,
                                                  .value = event.SerializeAsString(),
                                                  .headers = {{"ce_specversion", "1.0"},
                                                              {"ce_id", name},
                                                              {"ce_source", "/test"},
                                                              {"ce_type", "tradewind.user.v1.UserRegistered"}}}),
              .envelope = bus::Envelope()};
  input.envelope = bus::ParseEnvelope(input.record);
  return input;
}

// Runs `effect` with the display_name of each message.
Handler MakeHandler(std::function<Outcome(const std::string&, EffectContext&)> effect) {
  return {.effect =
              [effect = std::move(effect)](const google::protobuf::Message& message, EffectContext& context) {
                return effect(static_cast<const UserRegistered&>(message).display_name(), context);
              },
          .prototype = &UserRegistered::default_instance()};
}

Task MakeTask(int32_t partition, uint64_t epoch = 1) {
  Task task;
  task.id = {"loyalty", partition};
  task.epoch = epoch;
  return task;
}

std::vector<EffectLanes::Finished> CollectAll(EffectLanes& lanes, size_t count, absl::Time now = absl::InfinitePast()) {
  std::vector<EffectLanes::Finished> all;
  const absl::Time deadline = absl::Now() + absl::Seconds(10);
  while (all.size() < count && absl::Now() < deadline) {
    for (auto& one : lanes.Collect(now, 1000)) all.push_back(std::move(one));
    std::this_thread::yield();
  }
  EXPECT_EQ(all.size(), count);
  return all;
}

std::vector<std::string> Ids(const std::vector<EffectLanes::Finished>& finished) {
  std::vector<std::string> ids;
  for (const auto& one : finished) ids.emplace_back(one.input.envelope->id);
  return ids;
}

TEST(EffectLanes, RunsAKeyInOrderAndManyKeysAtOnce) {
  std::mutex mutex;
  std::map<std::string, std::vector<std::string>> seen;
  std::map<std::string, int> inside;
  bool overlapped = false;
  std::atomic<int> running{0};
  std::atomic<int> most{0};
  const Handler handler = MakeHandler([&](const std::string& name, EffectContext& context) {
    const std::string key(context.key());
    {
      const std::lock_guard lock(mutex);
      overlapped = overlapped || inside[key]++ > 0;
      seen[key].push_back(name);
    }
    int now = ++running;
    for (int known = most; known < now && !most.compare_exchange_weak(known, now);) {
    }
    std::this_thread::yield();
    --running;
    const std::lock_guard lock(mutex);
    --inside[key];
    return Ack();
  });
  EffectLanes lanes(8, 1);
  const Task task = MakeTask(0);
  std::map<std::string, std::vector<std::string>> expected;
  for (int i = 0; i < 2000; ++i) {
    const std::string key = "k" + std::to_string(i % 20);
    expected[key].push_back(std::to_string(i));
    lanes.Add(task, handler, MakeInput(key, std::to_string(i)));
  }
  CollectAll(lanes, 2000);
  EXPECT_EQ(seen, expected);
  EXPECT_FALSE(overlapped);
  EXPECT_GT(most, 1);
  EXPECT_EQ(lanes.size(0), 0U);
  EXPECT_FALSE(lanes.busy());
}

TEST(EffectLanes, StopsAKeyThatFailedAndNoOther) {
  const Handler handler = MakeHandler([&](const std::string& name, EffectContext&) {
    return name == "bad" ? Retry(absl::ZeroDuration(), "on purpose") : Ack();
  });
  EffectLanes lanes(4, 1);
  const Task task = MakeTask(0);
  for (const char* name : {"bad", "second", "third"}) lanes.Add(task, handler, MakeInput("a", name));
  for (const char* name : {"1", "2", "3"}) lanes.Add(task, handler, MakeInput("b", name));
  const auto finished = CollectAll(lanes, 4);
  EXPECT_THAT(Ids(finished), ::testing::UnorderedElementsAre("bad", "1", "2", "3"));
  EXPECT_EQ(lanes.size(0), 2U);
  const auto waiting = lanes.TakeWaiting(0, "a");
  ASSERT_THAT(waiting, SizeIs(2));
  EXPECT_EQ(waiting[0].envelope->id, "second");
  EXPECT_EQ(waiting[1].envelope->id, "third");
  lanes.Add(task, handler, MakeInput("a", "again"));
  EXPECT_THAT(Ids(CollectAll(lanes, 1)), ElementsAre("again"));
}

TEST(EffectLanes, KeepsToTheConcurrencyOfAHandlerInATask) {
  std::counting_semaphore<> release(0);
  std::atomic<int> running{0};
  Handler handler = MakeHandler([&](const std::string&, EffectContext&) {
    ++running;
    release.acquire();
    return Ack();
  });
  handler.concurrency = 2;
  EffectLanes lanes(16, 1);
  const auto add = [&](int32_t partition, int count) {
    for (int i = 0; i < count; ++i) {
      lanes.Add(MakeTask(partition), handler, MakeInput(std::to_string(i), std::to_string(i)));
    }
  };
  add(0, 6);
  while (running < 2) std::this_thread::yield();
  // Each that ends lets exactly one more in.
  for (int begun = 3; begun <= 6; ++begun) {
    EXPECT_EQ(running, begun - 1);
    release.release();
    while (running < begun) std::this_thread::yield();
  }
  // Another task has a limit of its own.
  add(1, 2);
  while (running < 8) std::this_thread::yield();
  release.release(4);
  CollectAll(lanes, 8);
}

TEST(EffectLanes, GivesUpAnAttemptThatIsPastItsDeadlineAndLetsItsKeyWait) {
  std::binary_semaphore release(0);
  std::atomic<int> begun{0};
  Handler handler = MakeHandler([&](const std::string& name, EffectContext& context) {
    EXPECT_LT(context.deadline(), absl::Now() + absl::Seconds(31));
    ++begun;
    if (name == "stuck") release.acquire();
    return Ack();
  });
  EffectLanes lanes(2, 1);
  const Task task = MakeTask(0);
  lanes.Add(task, handler, MakeInput("a", "stuck"));
  lanes.Add(task, handler, MakeInput("a", "behind"));
  while (begun < 1) std::this_thread::yield();
  EXPECT_THAT(lanes.Collect(clock::SteadyNow(), 1000), IsEmpty());
  const auto finished = CollectAll(lanes, 1, clock::SteadyNow() + absl::Seconds(31));
  EXPECT_EQ(finished[0].result.outcome.kind(), Outcome::Kind::kRetry);
  EXPECT_EQ(finished[0].result.outcome.reason(), "no answer within 30s");
  EXPECT_THAT(lanes.TakeWaiting(0, "a"), SizeIs(1));
  // Another attempt waits for the stuck one, and other keys do not.
  lanes.Add(task, handler, MakeInput("a", "again"));
  lanes.Add(task, handler, MakeInput("b", "other"));
  EXPECT_THAT(Ids(CollectAll(lanes, 1)), ElementsAre("other"));
  EXPECT_EQ(begun, 2);
  release.release();
  EXPECT_THAT(Ids(CollectAll(lanes, 1)), ElementsAre("again"));
}

TEST(EffectLanes, DropsTheOutcomesOfATaskThatIsGoneAndNeverRunsItsKeyTwiceAtOnce) {
  std::counting_semaphore<> release(0);
  std::atomic<int> running{0};
  std::atomic<int> begun{0};
  Handler handler = MakeHandler([&](const std::string&, EffectContext&) {
    EXPECT_EQ(++running, 1);
    ++begun;
    release.acquire();
    --running;
    return Ack();
  });
  EffectLanes lanes(4, 1);
  lanes.Add(MakeTask(0, 1), handler, MakeInput("a", "first"));
  lanes.Add(MakeTask(0, 1), handler, MakeInput("a", "waiting"));
  while (begun < 1) std::this_thread::yield();
  lanes.Forget(0);
  EXPECT_EQ(lanes.size(0), 0U);
  lanes.Add(MakeTask(0, 2), handler, MakeInput("a", "first"));
  release.release(2);
  const auto finished = CollectAll(lanes, 1);
  EXPECT_EQ(finished[0].epoch, 2U);
  EXPECT_EQ(begun, 2);
}

TEST(EffectLanes, SettlesWhatRunsAndDropsWhatWaits) {
  std::binary_semaphore release(0);
  std::atomic<int> begun{0};
  Handler handler = MakeHandler([&](const std::string& name, EffectContext& context) {
    ++begun;
    if (name == "slow") release.acquire();
    while (name == "patient" && !context.stopping()) std::this_thread::yield();
    return Ack();
  });
  EffectLanes lanes(4, 1);
  lanes.Add(MakeTask(0), handler, MakeInput("a", "slow"));
  lanes.Add(MakeTask(0), handler, MakeInput("a", "waiting"));
  lanes.Add(MakeTask(1), handler, MakeInput("a", "patient"));
  while (begun < 2) std::this_thread::yield();
  const std::vector<int32_t> first{0};
  lanes.Settle(first, absl::ZeroDuration());
  EXPECT_THAT(lanes.Collect(absl::InfinitePast(), 1000), IsEmpty());
  release.release();
  lanes.Settle(first, absl::InfiniteDuration());
  EXPECT_THAT(Ids(lanes.Collect(absl::InfinitePast(), 1000)), ElementsAre("slow"));
  lanes.Stop();
  const std::vector<int32_t> second{1};
  lanes.Settle(second, absl::InfiniteDuration());
  EXPECT_THAT(Ids(lanes.Collect(absl::InfinitePast(), 1000)), ElementsAre("patient"));
}

TEST(EffectLanes, TellsWhatCannotBeParsed) {
  const Handler handler = MakeHandler([](const std::string&, EffectContext&) { return Ack(); });
  EffectLanes lanes(1, 1);
  Input input{.task = nullptr,
              .record = bus::Record::FromContent({.topic = "t", .key = "a", .value = "\xff\xff"}),
              .envelope = bus::Envelope()};
  lanes.Add(MakeTask(0), handler, std::move(input));
  const auto finished = CollectAll(lanes, 1);
  EXPECT_TRUE(finished[0].result.undecodable);
  EXPECT_EQ(finished[0].result.outcome.kind(), Outcome::Kind::kDead);
}

TEST(EffectLanes, LeavesEachHandlerAShareOfTheThreads) {
  std::counting_semaphore<> release{0};
  std::atomic<int> hanging{0};
  const Handler hangs = MakeHandler([&](const std::string&, EffectContext&) {
    ++hanging;
    release.acquire();
    return Ack();
  });
  const Handler ends = MakeHandler([](const std::string&, EffectContext&) { return Ack(); });
  EffectLanes lanes(4, 2);
  const Task task = MakeTask(0);
  for (int i = 0; i < 10; ++i) lanes.Add(task, hangs, MakeInput("h" + std::to_string(i), "hangs"));
  for (int i = 0; i < 10; ++i) lanes.Add(task, ends, MakeInput("e" + std::to_string(i), "ends"));
  // All of the one end though the other waits with ten; and that has all threads but the share of one.
  CollectAll(lanes, 10);
  EXPECT_EQ(hanging, 3);
  release.release(1000);
  CollectAll(lanes, 10);
}

TEST(EffectLanes, StartsWhatIsHeldBackOnlyWhenTold) {
  const Handler handler = MakeHandler([](const std::string&, EffectContext&) { return Ack(); });
  EffectLanes lanes(4, 1);
  lanes.HoldBack(0, true);
  const auto none = [](const Input&) { return false; };
  EXPECT_EQ(lanes.NextHeldBack(0, none), nullptr);
  const Task task = MakeTask(0);
  for (const char* name : {"1", "2", "3"}) lanes.Add(task, handler, MakeInput(name, name));
  // Those of another partition go on.
  lanes.Add(MakeTask(1), handler, MakeInput("other", "other"));
  EXPECT_THAT(Ids(CollectAll(lanes, 1)), ElementsAre("other"));
  ASSERT_NE(lanes.NextHeldBack(0, none), nullptr);
  EXPECT_EQ(lanes.NextHeldBack(0, none)->envelope->id, "1");
  lanes.StartHeldBack(0);
  EXPECT_THAT(Ids(CollectAll(lanes, 1)), ElementsAre("1"));
  const auto is_third = [](const Input& input) { return input.envelope->id == "3"; };
  ASSERT_NE(lanes.NextHeldBack(0, is_third), nullptr);
  lanes.EndHeldBack(0, {.outcome = Dead("not run")});
  const auto ended = CollectAll(lanes, 1);
  EXPECT_THAT(Ids(ended), ElementsAre("3"));
  EXPECT_EQ(ended[0].result.outcome.kind(), Outcome::Kind::kDead);
  lanes.HoldBack(0, false);
  EXPECT_THAT(Ids(CollectAll(lanes, 1)), ElementsAre("2"));
}

}  // namespace
}  // namespace tradewind::runtime
