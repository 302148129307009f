// Queues of keys over either kind of store: how they drain, what a person asks of them, keys of any length, and what
// handlers have only read.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <mutex>
#include <semaphore>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "google/protobuf/wrappers.pb.h"

#include "tradewind/order/v1/events.pb.h"
#include "tradewind/runtime/worker_stores.h"
#include "tradewind/runtime/worker_test_group.h"
#include "tradewind/testing/eventually.h"
#include "tradewind/testing/forwarding_session.h"
#include "tradewind/user/v1/events.pb.h"

namespace tradewind::runtime {
namespace {

using google::protobuf::Int64Value;
using ::testing::ElementsAre;
using testing::Eventually;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using user::v1::UserRegistered;

// A handler or an effect on UserRegistered: "bad" fails while `broken`, "block" waits to be released and then fails
// while `broken`; every other one ends well and emits an event.
struct Fixture {
  explicit Fixture(bool effects = false) : group(effects ? "loyalty.effects" : "loyalty") {
    group.AddOutput(order::v1::OrderCreated::descriptor());
    if (effects) {
      group.AddEffect({.effect = [this](const google::protobuf::Message& message,
                                        EffectContext& context) { return Run(message, context); },
                       .prototype = &UserRegistered::default_instance()});
    } else {
      group.Add(
          {.run = [this](const google::protobuf::Message& message, Context& context) { return Run(message, context); },
           .prototype = &UserRegistered::default_instance()});
    }
  }
  ~Fixture() { release.release(1000); }

  template <typename C>
  Outcome Run(const google::protobuf::Message& message, C& context) {
    const std::string name = static_cast<const UserRegistered&>(message).display_name();
    {
      const std::lock_guard lock(mutex);
      begun.push_back(name);
    }
    if (name == "block") release.acquire();
    if ((name == "bad" || name == "block") && broken) return Retry(absl::ZeroDuration(), "broken on purpose");
    order::v1::OrderCreated event;
    event.set_order_id(name);
    context.Emit(event);
    const std::lock_guard lock(mutex);
    ended.push_back(name);
    return Ack();
  }

  Mesh& mesh() { return site->mesh(); }
  void Send(const std::string& key, const std::string& name) { mesh().Send(Registered(key, name), key); }
  std::vector<std::string> Begun() {
    const std::lock_guard lock(mutex);
    return begun;
  }
  std::vector<std::string> Ended() {
    const std::lock_guard lock(mutex);
    return ended;
  }
  size_t CountBegun(const std::string& name) {
    const auto all = Begun();
    return static_cast<size_t>(std::count(all.begin(), all.end(), name));
  }
  int64_t Count(store::KeptState state) { return *mesh().store().reader().CountKept(group.name(), state); }
  std::vector<store::KeptRecord> List(const store::KeptFilter& filter) {
    return *mesh().store().reader().ListKept(filter, 0, 10'000);
  }

  std::unique_ptr<StoreMesh> site = MakeStoreMesh();
  Group group;
  std::mutex mutex;
  std::vector<std::string> begun;
  std::vector<std::string> ended;
  std::counting_semaphore<> release{0};
  std::atomic<bool> broken{true};
};

struct Counts {
  std::atomic<int> commits = 0;
  std::atomic<int> looks = 0;
  // Records of queues that one commit has dealt with, at most.
  std::atomic<size_t> most_queued = 0;
};

class CountingSession final : public testing::ForwardingSession {
 public:
  CountingSession(std::unique_ptr<store::Session> session, Counts& counts)
      : ForwardingSession(*session), session_(std::move(session)), counts_(counts) {}
  absl::StatusOr<store::CommitResult> Commit(const store::Batch& batch) override {
    ++counts_.commits;
    counts_.most_queued = std::max(counts_.most_queued.load(), batch.kept_removed.size() + batch.kept_updated.size());
    return ForwardingSession::Commit(batch);
  }
  absl::StatusOr<std::vector<store::KeptRecord>> LoadQueues(const store::TaskId& task,
                                                            absl::Span<const std::string> keys, int64_t limit,
                                                            int64_t max_bytes) override {
    ++counts_.looks;
    return ForwardingSession::LoadQueues(task, keys, limit, max_bytes);
  }

 private:
  std::unique_ptr<store::Session> session_;
  Counts& counts_;
};

SessionWrapper CountedBy(Counts& counts) {
  return [&counts](std::unique_ptr<store::Session> session) {
    return std::make_unique<CountingSession>(std::move(session), counts);
  };
}

// Bytes that no compression makes shorter.
std::string LongKey(size_t size) {
  std::string key;
  uint32_t state = 2'463'534'242U;
  while (key.size() < size) {
    state ^= state << 13U;
    state ^= state >> 17U;
    state ^= state << 5U;
    key.push_back(static_cast<char>('a' + state % 26));
  }
  return key;
}

// A key other than "u-1" of the same partition.
std::string Neighbour() {
  std::string other = "n-0";
  for (int i = 1; bus::PartitionOf(other, kPartitions) != bus::PartitionOf("u-1", kPartitions); ++i) {
    other = "n-" + std::to_string(i);
  }
  return other;
}

TEST(WorkerQueue, KeepsAMessageOfALongKeyLikeAnyOther) {
  Fixture test;
  const std::string key = LongKey(4000);
  auto worker = test.mesh().Start(test.group, {0, 1, 2, 3}, Patient());
  for (const char* name : {"bad", "second"}) test.Send(key, name);
  test.Send("u-1", "other");
  ASSERT_TRUE(Eventually([&] { return test.Count(store::KeptState::kParked) == 2; }));
  ASSERT_TRUE(Eventually([&] { return test.Ended().size() == 1; }));
  EXPECT_EQ(test.List({.key = key}).size(), 2U);
  ASSERT_TRUE(worker->Stop().ok());
  test.broken = false;
  worker = test.mesh().Start(test.group, {0, 1, 2, 3}, Patient());
  test.Send(key, "third");
  ASSERT_TRUE(Eventually([&] { return test.Ended().size() == 4; }));
  EXPECT_THAT(test.Ended(), ElementsAre("other", "bad", "second", "third"));
  EXPECT_TRUE(worker->Stop().ok());
}

TEST(WorkerQueue, DrainsAKeyByTheBatch) {
  Fixture test;
  Counts counts;
  const auto worker = test.mesh().Start(test.group, {0, 1, 2, 3}, Patient(), CountedBy(counts));
  test.Send("u-1", "bad");
  constexpr size_t kBehind = 1000;
  for (size_t i = 0; i < kBehind; ++i) test.Send("u-1", std::to_string(i));
  ASSERT_TRUE(Eventually([&] { return test.Count(store::KeptState::kParked) == kBehind + 1; }));
  counts.commits = 0;
  test.broken = false;
  ASSERT_TRUE(Eventually([&] { return test.Ended().size() == kBehind + 1; }));
  ASSERT_TRUE(Eventually([&] { return test.Count(store::KeptState::kParked) == 0; }));
  // Half a batch of 500 at a time, and what a failing attempt or a quiet moment adds.
  EXPECT_LT(counts.commits, 20);
  EXPECT_EQ(test.Ended().front(), "bad");
  EXPECT_EQ(test.Ended().back(), std::to_string(kBehind - 1));
}

TEST(WorkerQueue, TakesNoMoreThanHalfABatchFromTheStore) {
  Fixture test;
  Counts counts;
  WorkerConfig small = Patient();
  small.batch_messages = 20;
  const auto worker = test.mesh().Start(test.group, {0, 1, 2, 3}, small, CountedBy(counts));
  for (int key = 0; key < 30; ++key) {
    for (const char* name : {"bad", "a", "b", "c"}) test.Send("u-" + std::to_string(key), name);
  }
  ASSERT_TRUE(Eventually([&] { return test.Count(store::KeptState::kParked) == 120; }));
  test.broken = false;
  ASSERT_TRUE(Eventually([&] { return test.Ended().size() == 120; }));
  EXPECT_TRUE(Eventually([&] { return test.Count(store::KeptState::kParked) == 0; }));
  // All of it where 30 keys are due.
  EXPECT_EQ(counts.most_queued, 10U);
}

// Each message takes longer than a batch may: each is committed alone, from the topic as from a queue.
TEST(WorkerQueue, EndsABatchThatTakesTooLong) {
  Fixture test;
  Counts counts;
  WorkerConfig config = Patient();
  config.batch_time = absl::Nanoseconds(1);
  test.Send("u-1", "bad");
  for (int i = 0; i < 50; ++i) test.Send("u-1", "queued");
  for (int i = 0; i < 50; ++i) test.Send(Neighbour(), "other");
  const auto worker = test.mesh().Start(test.group, {0, 1, 2, 3}, config, CountedBy(counts));
  ASSERT_TRUE(Eventually([&] { return test.Ended().size() == 50; }));
  test.broken = false;
  ASSERT_TRUE(Eventually([&] { return test.Ended().size() == 101; }));
  ASSERT_TRUE(Eventually([&] { return test.Count(store::KeptState::kParked) == 0; }));
  EXPECT_GE(counts.commits, 101);
  ASSERT_TRUE(worker->Stop().ok());
  const std::vector<std::string> ended = test.Ended();
  EXPECT_EQ(ended.size(), 101U);
  // In the order of their key, although the first failed in batches that took others out of its queue.
  EXPECT_LT(std::find(ended.begin(), ended.end(), "bad"), std::find(ended.begin(), ended.end(), "queued"));
  EXPECT_THAT(test.mesh().kafka().ReadAll(kEvents), SizeIs(101));
}

TEST(WorkerQueue, PutsTheNextEffectsOfAQueueIntoTheLaneTogether) {
  Fixture test(/*effects=*/true);
  Counts counts;
  const auto worker = test.mesh().Start(test.group, {0, 1, 2, 3}, Patient(), CountedBy(counts));
  test.Send("u-1", "bad");
  ASSERT_TRUE(Eventually([&] { return test.Count(store::KeptState::kParked) == 1; }));
  constexpr size_t kBehind = 160;
  for (size_t i = 0; i < kBehind; ++i) test.Send("u-1", std::to_string(i));
  ASSERT_TRUE(Eventually([&] { return test.Count(store::KeptState::kParked) == kBehind + 1; }));
  test.broken = false;
  ASSERT_TRUE(Eventually([&] { return test.Ended().size() >= 1; }));
  counts.looks = 0;
  ASSERT_TRUE(Eventually([&] { return test.Ended().size() == kBehind + 1; }));
  // Sixteen a look.
  EXPECT_LT(counts.looks, 40);
  EXPECT_EQ(test.Ended().front(), "bad");
  for (size_t i = 0; i < kBehind; ++i) EXPECT_EQ(test.Ended()[i + 1], std::to_string(i));
  ASSERT_TRUE(Eventually([&] { return test.Count(store::KeptState::kParked) == 0; }));
  ASSERT_TRUE(worker->Stop().ok());
  EXPECT_THAT(test.mesh().kafka().ReadAll(kEvents), SizeIs(kBehind + 1));
}

TEST(WorkerQueue, KeepsSixteenOfASlowKeyInItsLane) {
  Fixture test(/*effects=*/true);
  test.broken = false;
  WorkerConfig small = Patient();
  small.effect_backlog = 30;
  const auto worker = test.mesh().Start(test.group, {0, 1, 2, 3}, small);
  test.Send("u-1", "block");
  std::vector<std::string> expected{"block"};
  for (int i = 0; i < 60; ++i) {
    test.Send("u-1", std::to_string(i));
    expected.push_back(std::to_string(i));
  }
  ASSERT_TRUE(Eventually([&] { return test.Count(store::KeptState::kParked) == 61 - 16; }));
  // The slow key has more than the backlog, and takes nobody's place.
  test.Send(Neighbour(), "other");
  ASSERT_TRUE(Eventually([&] { return test.Ended().size() == 1; }));
  test.release.release();
  ASSERT_TRUE(Eventually([&] { return test.Ended().size() == 62; }));
  expected.insert(expected.begin(), "other");
  EXPECT_EQ(test.Ended(), expected);
  ASSERT_TRUE(Eventually([&] { return test.Count(store::KeptState::kParked) == 0; }));
  ASSERT_TRUE(worker->Stop().ok());
  EXPECT_THAT(test.mesh().kafka().ReadAll(kEvents), SizeIs(62));
}

TEST(WorkerQueue, KeepsTheOrderOfAFullLaneWhoseFirstFails) {
  for (const bool restarts : {false, true}) {
    Fixture test(/*effects=*/true);
    auto worker = test.mesh().Start(test.group, {0, 1, 2, 3}, Patient());
    test.Send("u-1", "block");
    std::vector<std::string> expected{"block"};
    for (int i = 0; i < 40; ++i) {
      test.Send("u-1", std::to_string(i));
      expected.push_back(std::to_string(i));
    }
    ASSERT_TRUE(Eventually([&] { return test.Count(store::KeptState::kParked) == 41 - 16; }));
    if (restarts) {
      // As a crash leaves it: what was under way is read again.
      worker->source().Lose({0, 1, 2, 3});
      worker->source().Assign({0, 1, 2, 3});
    }
    test.release.release();
    ASSERT_TRUE(Eventually([&] { return test.CountBegun("block") >= 2; }));
    test.broken = false;
    test.release.release(100);
    ASSERT_TRUE(Eventually([&] { return test.Ended().size() >= expected.size(); }));
    ASSERT_TRUE(Eventually([&] { return test.Count(store::KeptState::kParked) == 0; }));
    // What ran twice, as it may over a crash, is looked at once.
    std::vector<std::string> ended = test.Ended();
    ended.erase(std::unique(ended.begin(), ended.end()), ended.end());
    EXPECT_EQ(ended, expected);
    EXPECT_TRUE(worker->Stop().ok());
  }
}

TEST(WorkerQueue, RunsNoEffectTwiceWhenAnotherRecordIsRetried) {
  Fixture test(/*effects=*/true);
  const auto worker = test.mesh().Start(test.group, {0, 1, 2, 3}, Patient());
  // It fails once, so that it runs from its queue, and then blocks.
  test.release.release();
  test.Send("u-1", "block");
  ASSERT_TRUE(Eventually([&] { return test.CountBegun("block") == 2; }));
  test.broken = false;
  // Another record of the same task.
  test.mesh().kafka().Append(
      {.topic = kUserEvents, .partition = bus::PartitionOf("u-1", kPartitions), .value = "no headers"});
  ASSERT_TRUE(Eventually([&] { return test.Count(store::KeptState::kDead) == 1; }));
  ASSERT_EQ(*test.mesh().store().Request({.state = store::KeptState::kDead}, store::KeptAction::kRetry), 1);
  // It is dead once more.
  ASSERT_TRUE(test.mesh().kafka().WaitForRecords(kDead, 2));
  // And so that the queue that runs is looked at in any case: of itself too.
  ASSERT_EQ(*test.mesh().store().Request({.key = "u-1"}, store::KeptAction::kRetry), 1);
  ASSERT_EQ(*test.mesh().store().Request({.state = store::KeptState::kDead}, store::KeptAction::kSkip), 1);
  ASSERT_TRUE(Eventually([&] { return test.Count(store::KeptState::kDead) == 0; }));
  test.release.release();
  ASSERT_TRUE(Eventually([&] { return test.Count(store::KeptState::kParked) == 0; }));
  ASSERT_TRUE(worker->Stop().ok());
  EXPECT_EQ(test.CountBegun("block"), 2U);
  EXPECT_THAT(test.mesh().kafka().ReadAll(kEvents), SizeIs(1));
}

TEST(WorkerQueue, SkipsARecordThatWasHandledWhenItWasAsked) {
  for (const bool effects : {false, true}) {
    Fixture test(effects);
    const auto worker = test.mesh().Start(test.group, {0, 1, 2, 3}, Patient());
    test.release.release();
    for (const char* name : {"block", "second"}) test.Send("u-1", name);
    ASSERT_TRUE(Eventually([&] { return test.CountBegun("block") == 2; }));
    const auto queue = test.List({});
    ASSERT_FALSE(queue.empty());
    ASSERT_EQ(*test.mesh().store().Request({.id = queue[0].id}, store::KeptAction::kSkip), 1);
    // It fails now, and is not handled again all the same.
    test.release.release();
    ASSERT_TRUE(Eventually([&] { return test.Ended().size() == 1; }));
    EXPECT_THAT(test.Ended(), ElementsAre("second"));
    ASSERT_TRUE(Eventually([&] { return test.List({}).empty(); }));
    EXPECT_TRUE(worker->Stop().ok());
    EXPECT_THAT(test.mesh().kafka().ReadAll(kEvents), SizeIs(1));
  }
}

// Changes an aggregate that a batch has only read, just before that batch is committed for the first time.
class MeddlingSession final : public testing::ForwardingSession {
 public:
  MeddlingSession(std::unique_ptr<store::Session> session, store::Store& store)
      : ForwardingSession(*session), session_(std::move(session)), other_(*store.OpenSession()) {}
  absl::StatusOr<store::CommitResult> Commit(const store::Batch& batch) override {
    if (!batch.aggregates.empty() && !done_) {
      done_ = true;
      Int64Value value;
      value.set_value(7);
      const std::string bytes = value.SerializeAsString();
      store::Batch meddling;
      store::AggregateWrite& write = meddling.aggregates.emplace_back();
      write.kind = Int64Value::descriptor()->full_name();
      write.key = "shared";
      write.value = bytes;
      EXPECT_TRUE(other_->Commit(meddling).ok());
    }
    return ForwardingSession::Commit(batch);
  }

 private:
  std::unique_ptr<store::Session> session_;
  std::unique_ptr<store::Session> other_;
  bool done_ = false;
};

TEST(WorkerQueue, DecidesAgainWhenWhatItOnlyReadHasChanged) {
  const auto site = MakeStoreMesh();
  Group group("loyalty");
  group.Add({.run =
                 [](const google::protobuf::Message&, Context& context) {
                   context.Load<Int64Value>(context.key())->set_value(context.Load<Int64Value>("shared")->value() + 1);
                   return Ack();
                 },
             .prototype = &UserRegistered::default_instance()});
  const auto worker = site->mesh().Start(group, {0, 1, 2, 3}, kQuick, [&](std::unique_ptr<store::Session> session) {
    return std::make_unique<MeddlingSession>(std::move(session), site->mesh().store());
  });
  site->mesh().Send(Registered("u-1", "anyone"), "u-1");
  store::Reader& reader = site->mesh().store().reader();
  const auto own = [&] { return *reader.Get(Int64Value::descriptor()->full_name(), "u-1"); };
  ASSERT_TRUE(Eventually([&] { return own().has_value(); }));
  Int64Value value;
  ASSERT_TRUE(value.ParseFromString(own()->value));
  EXPECT_EQ(value.value(), 8);
  EXPECT_TRUE(worker->Stop().ok());
}

}  // namespace
}  // namespace tradewind::runtime
