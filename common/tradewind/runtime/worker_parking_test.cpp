// Messages that fail: they hold back their own key, in order, and nothing else.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/time/clock.h"

#include "tradewind/order/v1/events.pb.h"
#include "tradewind/runtime/kept_record.h"
#include "tradewind/runtime/worker_harness.h"
#include "tradewind/runtime/worker_test_group.h"
#include "tradewind/telemetry/metrics.h"
#include "tradewind/testing/eventually.h"
#include "tradewind/testing/forwarding_session.h"
#include "tradewind/user/v1/events.pb.h"

namespace tradewind::runtime {
namespace {

using ::testing::ElementsAre;
using testing::Eventually;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using user::v1::UserRegistered;

// What handlers saw, by "key:name". Handlers run on the worker's thread, tests look from theirs.
class Seen {
 public:
  void Add(const Context& context, const UserRegistered& event) {
    const std::lock_guard lock(mutex_);
    seen_.push_back(std::string(context.key()) + ":" + event.display_name());
  }
  std::vector<std::string> all() const {
    const std::lock_guard lock(mutex_);
    return seen_;
  }
  // Only those of one key.
  std::vector<std::string> of(const std::string& key) const {
    std::vector<std::string> own = all();
    std::erase_if(own, [&](const std::string& entry) { return !entry.starts_with(key + ":"); });
    return own;
  }
  bool Has(const std::string& entry) const {
    const auto entries = all();
    return std::find(entries.begin(), entries.end(), entry) != entries.end();
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> seen_;
};

// Takes UserRegistered; one whose display_name is "bad" fails while `broken`.
struct Fixture {
  Fixture() : group("loyalty") {
    group.AddOutput(order::v1::OrderCreated::descriptor());
    group.Add({.run =
                   [this](const google::protobuf::Message& message, Context& context) {
                     const auto& event = static_cast<const UserRegistered&>(message);
                     // What a failed attempt emits must not come out.
                     order::v1::OrderCreated created;
                     created.set_order_id(std::string(context.key()));
                     context.Emit(created);
                     if (event.display_name() == "bad" && broken) {
                       ++failures;
                       return Retry(absl::ZeroDuration(), "broken on purpose");
                     }
                     if (event.display_name() == "hopeless") return Dead("never");
                     seen.Add(context, event);
                     return Ack();
                   },
               .prototype = &UserRegistered::default_instance()});
  }

  void Send(const std::string& key, const std::string& name) { mesh.Send(Registered(key, name), key); }
  int64_t Count(store::KeptState state) { return *mesh.store().reader().CountKept(group.name(), state); }
  std::vector<store::KeptRecord> List(const store::KeptFilter& filter) {
    return *mesh.store().reader().ListKept(filter, 0, 1000);
  }

  Mesh mesh;
  Group group;
  Seen seen;
  std::atomic<bool> broken{true};
  std::atomic<int> failures{0};
};

TEST(WorkerParking, HoldsBackOnlyTheKeyThatFails) {
  Fixture test;
  const auto worker = test.mesh.Start(test.group, {0, 1, 2, 3}, Patient());
  for (const char* name : {"bad", "second", "third"}) test.Send("u-1", name);
  for (int i = 2; i < 20; ++i) test.Send("u-" + std::to_string(i), "other");
  ASSERT_TRUE(Eventually([&] { return test.seen.all().size() == 18; }));
  EXPECT_THAT(test.seen.of("u-1"), IsEmpty());
  // The failed one stands first and two wait behind it.
  ASSERT_TRUE(Eventually([&] { return test.Count(store::KeptState::kParked) == 3; }));
  test.broken = false;
  ASSERT_TRUE(Eventually([&] { return test.Count(store::KeptState::kParked) == 0; }));
  test.Send("u-1", "fourth");
  ASSERT_TRUE(Eventually([&] { return test.seen.Has("u-1:fourth"); }));
  EXPECT_THAT(test.seen.of("u-1"), ElementsAre("u-1:bad", "u-1:second", "u-1:third", "u-1:fourth"));
  ASSERT_TRUE(worker->Stop().ok());
  EXPECT_EQ(test.mesh.kafka().ReadAll(kEvents).size(), 22U);
}

TEST(WorkerParking, DrainsALongQueueInOrderWhileMoreComes) {
  Fixture test;
  WorkerConfig patient = Patient();
  patient.batch_messages = 7;
  const auto worker = test.mesh.Start(test.group, {0, 1, 2, 3}, patient);
  test.Send("u-1", "bad");
  for (int i = 0; i < 45; ++i) test.Send("u-1", std::to_string(i));
  ASSERT_TRUE(Eventually([&] { return test.Count(store::KeptState::kParked) == 46; }));
  test.broken = false;
  std::vector<std::string> expected{"u-1:bad"};
  for (int i = 45; i < 100; ++i) test.Send("u-1", std::to_string(i));
  for (int i = 0; i < 100; ++i) expected.push_back("u-1:" + std::to_string(i));
  ASSERT_TRUE(Eventually([&] { return test.seen.all().size() == expected.size(); }));
  EXPECT_EQ(test.seen.all(), expected);
  EXPECT_TRUE(Eventually([&] { return test.Count(store::KeptState::kParked) == 0; }));
}

TEST(WorkerParking, KeepsQueuesAndAttemptsOverARestart) {
  Fixture test;
  WorkerConfig slow = kQuick;
  slow.first_retry = absl::Hours(1);
  slow.longest_retry = absl::Hours(1);
  auto worker = test.mesh.Start(test.group, {0, 1, 2, 3}, slow);
  for (const char* name : {"bad", "second"}) test.Send("u-1", name);
  ASSERT_TRUE(Eventually([&] { return test.Count(store::KeptState::kParked) == 2; }));
  ASSERT_TRUE(worker->Stop().ok());
  worker = test.mesh.Start(test.group, {0, 1, 2, 3}, kQuick);
  test.Send("u-1", "third");
  ASSERT_TRUE(Eventually([&] { return test.Count(store::KeptState::kParked) == 3; }));
  const auto queue = test.List({.state = store::KeptState::kParked});
  ASSERT_THAT(queue, SizeIs(3));
  EXPECT_EQ(queue[0].attempts, 1);
  EXPECT_GT(queue[0].due, absl::Now() + absl::Minutes(40));
  EXPECT_EQ(queue[1].attempts, 0);
  EXPECT_THAT(test.seen.all(), IsEmpty());
}

TEST(WorkerParking, ADeadMessageHoldsItsKeyUntilItIsSkipped) {
  Fixture test;
  const auto worker = test.mesh.Start(test.group, {0, 1, 2, 3}, kQuick);
  for (const char* name : {"bad", "second", "third"}) test.Send("u-1", name);
  test.Send("u-2", "other");
  ASSERT_TRUE(test.mesh.kafka().WaitForRecords(kDead, 1));
  ASSERT_TRUE(Eventually([&] { return test.Count(store::KeptState::kParked) == 2; }));
  EXPECT_EQ(test.failures, 3);
  EXPECT_THAT(test.seen.all(), ElementsAre("u-2:other"));
  const auto dead = test.List({.state = store::KeptState::kDead});
  ASSERT_THAT(dead, SizeIs(1));
  EXPECT_THAT(dead[0].reason, HasSubstr("gave up after 3 attempts: broken on purpose"));

  EXPECT_EQ(*test.mesh.store().Request({.key = "u-1", .failed_only = true}, store::KeptAction::kSkip), 1);
  ASSERT_TRUE(Eventually([&] { return test.seen.Has("u-1:third"); }));
  EXPECT_THAT(test.seen.of("u-1"), ElementsAre("u-1:second", "u-1:third"));
  EXPECT_EQ(test.Count(store::KeptState::kDead), 0);
}

TEST(WorkerParking, ADeadMessageThatIsRetriedIsFollowedByItsQueue) {
  Fixture test;
  const auto worker = test.mesh.Start(test.group, {0, 1, 2, 3}, kQuick);
  for (const char* name : {"bad", "second", "third"}) test.Send("u-1", name);
  ASSERT_TRUE(test.mesh.kafka().WaitForRecords(kDead, 1));
  ASSERT_TRUE(Eventually([&] { return test.Count(store::KeptState::kParked) == 2; }));
  // Still broken: it uses up its attempts once more and is dead again.
  EXPECT_EQ(*test.mesh.store().Request({.state = store::KeptState::kDead}, store::KeptAction::kRetry), 1);
  ASSERT_TRUE(test.mesh.kafka().WaitForRecords(kDead, 2));
  EXPECT_EQ(test.failures, 6);
  test.broken = false;
  ASSERT_TRUE(Eventually([&] { return test.Count(store::KeptState::kDead) == 1; }));
  EXPECT_EQ(*test.mesh.store().Request({.state = store::KeptState::kDead}, store::KeptAction::kRetry), 1);
  ASSERT_TRUE(Eventually([&] { return test.seen.Has("u-1:third"); }));
  EXPECT_THAT(test.seen.all(), ElementsAre("u-1:bad", "u-1:second", "u-1:third"));
}

TEST(WorkerParking, PassesOverWhatIsDeadWhereTheSubscriptionSaysSo) {
  Fixture test;
  Handler& handler = *test.group.FindToChange(UserRegistered::descriptor()->full_name());
  handler.pass_over_dead = true;
  handler.max_attempts = 2;
  const auto worker = test.mesh.Start(test.group, {0, 1, 2, 3}, kQuick);
  for (const char* name : {"bad", "second", "hopeless", "third"}) test.Send("u-1", name);
  ASSERT_TRUE(Eventually([&] { return test.seen.Has("u-1:third"); }));
  ASSERT_TRUE(test.mesh.kafka().WaitForRecords(kDead, 2));
  EXPECT_THAT(test.seen.all(), ElementsAre("u-1:second", "u-1:third"));
  EXPECT_EQ(test.failures, 2);
  EXPECT_EQ(test.Count(store::KeptState::kDead), 2);
}

TEST(WorkerParking, HandlesAnUndecodableRecordAgainWhenAsked) {
  Fixture test;
  const auto worker = test.mesh.Start(test.group, {0, 1, 2, 3}, kQuick);
  test.mesh.kafka().Append({.topic = kUserEvents, .partition = 0, .value = "no headers"});
  ASSERT_TRUE(test.mesh.kafka().WaitForRecords(kDead, 1));
  ASSERT_TRUE(Eventually([&] { return test.Count(store::KeptState::kDead) == 1; }));
  EXPECT_EQ(*test.mesh.store().Request({.state = store::KeptState::kDead}, store::KeptAction::kRetry), 1);
  ASSERT_TRUE(test.mesh.kafka().WaitForRecords(kDead, 2));
  ASSERT_TRUE(Eventually([&] { return test.Count(store::KeptState::kParked) == 0; }));
  EXPECT_EQ(test.Count(store::KeptState::kDead), 1);
  EXPECT_EQ(*test.mesh.store().Request({.state = store::KeptState::kDead}, store::KeptAction::kSkip), 1);
  EXPECT_TRUE(Eventually([&] { return test.Count(store::KeptState::kDead) == 0; }));
}

// Refuses whatever keeps a record under a key.
class RefusingSession final : public testing::ForwardingSession {
 public:
  RefusingSession(std::unique_ptr<store::Session> session, std::string key)
      : ForwardingSession(*session), session_(std::move(session)), key_(std::move(key)) {}
  absl::StatusOr<store::CommitResult> Commit(const store::Batch& batch) override {
    for (const store::KeptRecord& kept : batch.kept) {
      if (kept.key == key_) return absl::InvalidArgumentError("refused on purpose");
    }
    return ForwardingSession::Commit(batch);
  }

 private:
  std::unique_ptr<store::Session> session_;
  const std::string key_;
};

// One request that the store refuses is one record's matter.
TEST(WorkerParking, GivesUpARequestThatTheStoreRefuses) {
  Mesh mesh;
  const Group group = CountingGroup();
  store::Batch batch;
  for (const char* key : {"o-1", "o-2", "o-4"}) {
    bus::RecordContent record{
        .topic = kCommands, .partition = bus::PartitionOf(key, kPartitions), .offset = 7, .key = key};
    batch.kept.push_back({.task = {group.name(), record.partition},
                          .state = store::KeptState::kDead,
                          .key = key,
                          .record = SerializeRecord(bus::Record::FromContent(std::move(record)))});
  }
  ASSERT_TRUE((*mesh.store().OpenSession())->Commit(batch).ok());
  ASSERT_EQ(*mesh.store().Request({.failed_only = true}, store::KeptAction::kRetry), 3);
  const auto worker = mesh.Start(group, {0, 1, 2, 3}, kQuick, [](std::unique_ptr<store::Session> session) {
    return std::make_unique<RefusingSession>(std::move(session), "o-2");
  });
  // The others are dead once more, under ids of their own.
  EXPECT_TRUE(Eventually([&] {
    const auto kept = *mesh.store().reader().ListKept({}, 0, 10);
    return kept.size() == 3 && kept[0].key == "o-2" && kept[0].requested == store::KeptAction::kNone &&
           kept[0].state == store::KeptState::kDead;
  }));
  mesh.Send(Create("o-2"), "o-2");
  EXPECT_TRUE(mesh.kafka().WaitForRecords(kEvents, 1));
  EXPECT_TRUE(worker->Stop().ok());
}

TEST(WorkerParking, TellsTheCallerOfACommandThatWaitsBehindADeadOne) {
  Mesh mesh;
  Group group("order");
  group.AddCommand({.run = [](const google::protobuf::Message&, Context&) { return Dead("never"); },
                    .prototype = &order::v1::CreateOrderRequest::default_instance()});
  const auto worker = mesh.Start(group, {0, 1, 2, 3}, kQuick);
  mesh.Send(Create("o-1"), "o-1", {.correlation_id = 1});
  mesh.Send(Create("o-1"), "o-1", {.correlation_id = 2});
  const auto replies = mesh.WaitForReplies(2);
  EXPECT_EQ(replies[0].error().code(), static_cast<int>(absl::StatusCode::kInternal));
  EXPECT_EQ(replies[1].error().code(), static_cast<int>(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(replies[1].error().message(), HasSubstr("tradewind parked"));
}

TEST(WorkerParking, ReadsNothingMoreWhileTooManyKeysWait) {
  Fixture test;
  WorkerConfig small = Patient();
  small.parked_keys = 10;
  small.batch_messages = 1;
  const auto worker = test.mesh.Start(test.group, {0}, small);
  for (int i = 0; i < 40; ++i) {
    test.mesh.kafka().Append({.topic = kUserEvents,
                              .partition = 0,
                              .key = "u-" + std::to_string(i),
                              .value = Registered("u-" + std::to_string(i), "bad").SerializeAsString(),
                              .headers = {{"ce_specversion", "1.0"},
                                          {"ce_id", std::to_string(i)},
                                          {"ce_source", "/test"},
                                          {"ce_type", "tradewind.user.v1.UserRegistered"}}});
  }
  ASSERT_TRUE(Eventually([&] { return test.failures > 200; }));
  EXPECT_EQ(test.Count(store::KeptState::kParked), 10);
  const auto paused = [&] {
    return telemetry::NewGauge("tradewind_tasks_paused_by_keys", "", {{"group", test.group.name()}}).value();
  };
  EXPECT_TRUE(Eventually([&] { return paused() == 1; }));
  test.broken = false;
  ASSERT_TRUE(Eventually([&] { return test.seen.all().size() == 40; }));
  EXPECT_TRUE(Eventually([&] { return paused() == 0; }));
}

TEST(WorkerParking, GivesUpAGapWhenAsked) {
  Fixture test;
  const auto worker = test.mesh.Start(test.group, {0, 1, 2, 3}, kQuick);
  const auto send = [&](const std::string& name, uint64_t number, uint64_t previous) {
    test.mesh.SendChained(Registered("u-1", name), "u-1", "/user/0", {5, number}, {5, previous});
  };
  send("1", 1, 0);
  send("3", 3, 2);
  send("4", 4, 3);
  send("6", 6, 5);
  send("7", 7, 6);
  ASSERT_TRUE(Eventually([&] { return test.Count(store::KeptState::kHeld) == 4; }));
  const auto held = test.List({.state = store::KeptState::kHeld});
  EXPECT_EQ(*test.mesh.store().Request({.id = held[0].id}, store::KeptAction::kRetry), 1);
  ASSERT_TRUE(Eventually([&] { return test.Count(store::KeptState::kHeld) == 2; }));
  EXPECT_THAT(test.seen.all(), ElementsAre("u-1:1", "u-1:3", "u-1:4"));
  // One that is sent again while it is held is not kept twice.
  send("6", 6, 5);
  // What comes late after all is dropped.
  send("2", 2, 1);
  EXPECT_EQ(*test.mesh.store().Request({.id = held[2].id}, store::KeptAction::kSkip), 1);
  ASSERT_TRUE(Eventually([&] { return test.Count(store::KeptState::kHeld) == 0; }));
  EXPECT_THAT(test.seen.all(), ElementsAre("u-1:1", "u-1:3", "u-1:4", "u-1:7"));
}

TEST(WorkerParking, SkipsSeveralHeldEventsAtOnce) {
  Fixture test;
  const auto worker = test.mesh.Start(test.group, {0, 1, 2, 3}, kQuick);
  const auto send = [&](const std::string& name, uint64_t number, uint64_t previous) {
    test.mesh.SendChained(Registered("u-1", name), "u-1", "/user/0", {5, number}, {5, previous});
  };
  for (const uint64_t number : {1, 3, 4, 5}) send(std::to_string(number), number, number - 1);
  ASSERT_TRUE(Eventually([&] { return test.Count(store::KeptState::kHeld) == 3; }));
  EXPECT_EQ(*test.mesh.store().Request({.state = store::KeptState::kHeld}, store::KeptAction::kSkip), 3);
  ASSERT_TRUE(Eventually([&] { return test.Count(store::KeptState::kHeld) == 0; }));
  send("6", 6, 5);
  ASSERT_TRUE(Eventually([&] { return test.seen.Has("u-1:6"); }));
  EXPECT_THAT(test.seen.all(), ElementsAre("u-1:1", "u-1:6"));
}

}  // namespace
}  // namespace tradewind::runtime
