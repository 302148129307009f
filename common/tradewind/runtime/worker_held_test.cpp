// Events behind a gap, over either kind of store: many of them, in order, and what holds them is bounded.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "tradewind/bus/envelope.h"
#include "tradewind/order/v1/events.pb.h"
#include "tradewind/runtime/worker_stores.h"
#include "tradewind/runtime/worker_test_group.h"
#include "tradewind/telemetry/metrics.h"
#include "tradewind/testing/eventually.h"
#include "tradewind/testing/forwarding_session.h"
#include "tradewind/user/v1/events.pb.h"

namespace tradewind::runtime {
namespace {

using ::testing::ElementsAre;
using testing::Eventually;
using user::v1::UserRegistered;

size_t BytesOf(const std::vector<store::KeptRecord>& records) {
  size_t bytes = 0;
  for (const store::KeptRecord& kept : records) bytes += kept.record.size();
  return bytes;
}

class WatchingSession final : public testing::ForwardingSession {
 public:
  struct Seen {
    std::atomic<int> loads = 0;
    // Of the records of one load.
    std::atomic<size_t> most_loaded = 0;
    std::atomic<size_t> most_removed = 0;
  };
  WatchingSession(std::unique_ptr<store::Session> session, Seen& seen)
      : ForwardingSession(*session), session_(std::move(session)), seen_(seen) {}
  absl::StatusOr<std::vector<store::KeptRecord>> LoadKept(const store::TaskId& task, store::KeptState state,
                                                          int64_t after, int64_t limit, int64_t max_bytes) override {
    ++seen_.loads;
    auto records = ForwardingSession::LoadKept(task, state, after, limit, max_bytes);
    if (records.ok()) seen_.most_loaded = std::max<size_t>(seen_.most_loaded, BytesOf(*records));
    return records;
  }
  absl::StatusOr<store::CommitResult> Commit(const store::Batch& batch) override {
    seen_.most_removed = std::max<size_t>(seen_.most_removed, batch.kept_removed.size());
    return ForwardingSession::Commit(batch);
  }

 private:
  std::unique_ptr<store::Session> session_;
  Seen& seen_;
};

struct Fixture {
  Fixture() : group("loyalty") {
    group.Add({.run =
                   [this](const google::protobuf::Message& message, Context&) {
                     const std::lock_guard lock(mutex);
                     const std::string name = static_cast<const UserRegistered&>(message).display_name();
                     if (name == "refused") throw std::runtime_error("refused on purpose");
                     seen.push_back(name);
                     return Ack();
                   },
               .prototype = &UserRegistered::default_instance()});
  }
  Mesh& mesh() { return site->mesh(); }
  std::unique_ptr<RunningWorker> Start(const WorkerConfig& config = kQuick) {
    return mesh().Start(group, {0, 1, 2, 3}, config, [this](std::unique_ptr<store::Session> session) {
      return std::make_unique<WatchingSession>(std::move(session), watched);
    });
  }
  // `padding` is a number of bytes, to make it large.
  void SendChained(uint64_t number, size_t padding = 0) {
    mesh().SendChained(Registered("u-1", std::to_string(number) + std::string(padding, ' ')), "u-1", "/user/0",
                       {5, number}, {5, number - 1});
  }
  int64_t Held() { return *mesh().store().reader().CountKept(group.name(), store::KeptState::kHeld); }
  std::vector<std::string> Seen() {
    const std::lock_guard lock(mutex);
    return seen;
  }

  std::unique_ptr<StoreMesh> site = MakeStoreMesh();
  Group group;
  WatchingSession::Seen watched;
  std::mutex mutex;
  std::vector<std::string> seen;
};

std::vector<std::string> Numbers(int count) {
  std::vector<std::string> numbers;
  for (int i = 1; i <= count; ++i) numbers.push_back(std::to_string(i));
  return numbers;
}

TEST(WorkerHeld, ClosesALongGapInBatchesOfTheUsualSize) {
  Fixture test;
  WorkerConfig config = kQuick;
  config.batch_messages = 40;
  auto worker = test.Start(config);
  constexpr int kCount = 300;
  test.SendChained(1);
  for (uint64_t i = 3; i <= kCount; ++i) test.SendChained(i);
  ASSERT_TRUE(Eventually([&] { return test.Held() == kCount - 2; }));
  // What is added is not read again: once for each of the four tasks at their takeover.
  EXPECT_EQ(test.watched.loads, 4);
  // Over a restart.
  ASSERT_TRUE(worker->Stop().ok());
  worker = test.Start(config);
  test.SendChained(2);
  test.SendChained(kCount + 1);
  ASSERT_TRUE(Eventually([&] { return test.Seen().size() == kCount + 1; }));
  EXPECT_EQ(test.Seen(), Numbers(kCount + 1));
  ASSERT_TRUE(Eventually([&] { return test.Held() == 0; }));
  EXPECT_LE(test.watched.most_removed, 40U);
  EXPECT_TRUE(worker->Stop().ok());
}

TEST(WorkerHeld, LoadsLargeEventsAFewAtATime) {
  Fixture test;
  auto worker = test.Start();
  constexpr size_t kLarge = 500 << 10;
  test.SendChained(1);
  for (uint64_t i = 3; i <= 22; ++i) test.SendChained(i, kLarge);
  ASSERT_TRUE(Eventually([&] { return test.Held() == 20; }));
  ASSERT_TRUE(worker->Stop().ok());
  worker = test.Start();
  test.SendChained(2);
  EXPECT_TRUE(Eventually([&] { return test.Seen().size() == 22; }));
  EXPECT_LE(test.watched.most_loaded, (4U << 20) + kLarge + 1000);
  EXPECT_TRUE(worker->Stop().ok());
}

TEST(WorkerHeld, TakesWhatCameOutOfOrderInTheOrderOfTheChain) {
  Fixture test;
  const auto worker = test.Start();
  for (const uint64_t number : {1, 4, 7, 5, 3, 8, 5, 4}) test.SendChained(number);
  // Each of the two that came again is held once.
  ASSERT_TRUE(Eventually([&] { return test.Held() == 5; }));
  test.SendChained(6);
  test.SendChained(2);
  ASSERT_TRUE(Eventually([&] { return test.Seen().size() == 8; }));
  EXPECT_EQ(test.Seen(), Numbers(8));
  EXPECT_TRUE(Eventually([&] { return test.Held() == 0; }));
  EXPECT_TRUE(worker->Stop().ok());
}

TEST(WorkerHeld, ReadsNothingMoreOfATopicOfWhichTooMuchIsHeld) {
  Fixture test;
  test.group.AddCommand({.run =
                             [&test](const google::protobuf::Message&, Context&) {
                               const std::lock_guard lock(test.mutex);
                               test.seen.push_back("command");
                               return Ack();
                             },
                         .prototype = &order::v1::CreateOrderRequest::default_instance()});
  WorkerConfig config = kQuick;
  config.max_held_events = 10;
  config.batch_messages = 1;
  const auto worker = test.Start(config);
  test.SendChained(1);
  for (uint64_t i = 3; i <= 40; ++i) test.SendChained(i);
  ASSERT_TRUE(Eventually([&] { return test.Held() == 10; }));
  // Another topic of the same task goes on, and the one that is stopped stays so.
  for (int i = 0; i < 3; ++i) test.mesh().Send(Create("u-1"), "u-1");
  ASSERT_TRUE(Eventually([&] { return test.Seen().size() == 4; }));
  EXPECT_EQ(test.Held(), 10);
  const auto paused = [&] {
    return telemetry::NewGauge("tradewind_topics_paused_by_gaps", "", {{"group", test.group.name()}}).value();
  };
  EXPECT_TRUE(Eventually([&] { return paused() == 1; }));
  const auto held = test.mesh().store().reader().ListKept({.state = store::KeptState::kHeld}, 0, 1);
  ASSERT_EQ(*test.mesh().store().Request({.id = held->at(0).id}, store::KeptAction::kRetry), 1);
  ASSERT_TRUE(Eventually([&] { return test.Seen().size() == 4 + 38; }));
  EXPECT_TRUE(Eventually([&] { return test.Held() == 0 && paused() == 0; }));
  EXPECT_TRUE(worker->Stop().ok());
}

// The row is kept as dead in the transaction that holds the event back.
TEST(WorkerHeld, KnowsItsEventsBesideAnUnreadableOutboxRow) {
  Fixture test;
  auto worker = test.Start();
  test.SendChained(1);
  ASSERT_TRUE(Eventually([&] { return test.Seen().size() == 1; }));
  ASSERT_TRUE(worker->Stop().ok());
  CommitForTask(test.mesh(), TaskOf(test.group, "u-1"),
                [](const store::TakenTask&, store::TaskCommit& commit) { commit.outbox = "\xff\xff"; });
  test.SendChained(3);
  worker = test.Start();
  store::Reader& reader = test.mesh().store().reader();
  const auto dead = [&] { return *reader.CountKept(test.group.name(), store::KeptState::kDead); };
  ASSERT_TRUE(Eventually([&] { return test.Held() == 1 && dead() == 1; }));
  test.SendChained(2);
  ASSERT_TRUE(Eventually([&] { return test.Seen().size() == 3; }));
  EXPECT_EQ(test.Seen(), Numbers(3));
  EXPECT_TRUE(Eventually([&] { return test.Held() == 0; }));
  // It stays, until somebody skips it.
  EXPECT_EQ(dead(), 1);
  EXPECT_TRUE(worker->Stop().ok());
}

// Refuses any batch with a timer, as a store would what it cannot hold.
class RefusingSession final : public testing::ForwardingSession {
 public:
  explicit RefusingSession(std::unique_ptr<store::Session> session)
      : ForwardingSession(*session), session_(std::move(session)) {}
  absl::StatusOr<store::CommitResult> Commit(const store::Batch& batch) override {
    for (const store::AggregateWrite& write : batch.aggregates) {
      if (write.key == "refused") return absl::InvalidArgumentError("refused on purpose");
    }
    return ForwardingSession::Commit(batch);
  }

 private:
  std::unique_ptr<store::Session> session_;
};

TEST(WorkerHeld, BlamesTheHeldEventThatTheStoreRefuses) {
  const auto site = MakeStoreMesh();
  Group group("loyalty");
  group.Add({.run =
                 [](const google::protobuf::Message& message, Context& context) {
                   const std::string name = static_cast<const UserRegistered&>(message).display_name();
                   context.Load<order::v1::Order>(name)->set_id(name);
                   return Ack();
                 },
             .prototype = &UserRegistered::default_instance()});
  const auto worker = site->mesh().Start(group, {0, 1, 2, 3}, kQuick, [](std::unique_ptr<store::Session> session) {
    return std::make_unique<RefusingSession>(std::move(session));
  });
  const auto send = [&](const std::string& key, const std::string& name, uint64_t number) {
    site->mesh().SendChained(Registered(key, name), key, "/user/0", {5, number}, {5, number - 1});
  };
  // Two keys of one partition.
  std::string other = "n-0";
  for (int i = 1; bus::PartitionOf(other, kPartitions) != bus::PartitionOf("u-1", kPartitions); ++i) {
    other = "n-" + std::to_string(i);
  }
  send("u-1", "first", 1);
  send("u-1", "refused", 3);
  send("u-1", "behind", 4);
  store::Reader& reader = site->mesh().store().reader();
  ASSERT_TRUE(Eventually([&] { return *reader.CountKept(group.name(), store::KeptState::kHeld) == 2; }));
  send(other, "innocent", 2);
  ASSERT_TRUE(Eventually([&] { return *reader.CountKept(group.name(), store::KeptState::kDead) == 1; }));
  const auto dead = reader.ListKept({.state = store::KeptState::kDead}, 0, 10);
  EXPECT_EQ(dead->at(0).key, "u-1");
  EXPECT_TRUE(reader.Get(order::v1::Order::descriptor()->full_name(), "innocent")->has_value());
  // It waits in the queue of its key now, behind the dead one.
  EXPECT_TRUE(Eventually([&] { return *reader.CountKept(group.name(), store::KeptState::kHeld) == 0; }));
  EXPECT_TRUE(worker->Stop().ok());
}

}  // namespace
}  // namespace tradewind::runtime
