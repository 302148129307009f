// Answers to requests, over either kind of store: they wait for nobody's query, and are kept for as long as the
// progress of their task asks for.
#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tradewind/bus/envelope.h"
#include "tradewind/order/v1/order.pb.h"
#include "tradewind/runtime/worker_stores.h"
#include "tradewind/runtime/worker_test_group.h"
#include "tradewind/telemetry/metrics.h"
#include "tradewind/testing/eventually.h"
#include "tradewind/testing/forwarding_session.h"
#include "tradewind/user/v1/events.pb.h"

namespace tradewind::runtime {
namespace {

using testing::Eventually;
using user::v1::UserRegistered;

// Forgets answers as soon as it may.
WorkerConfig Forgetful(absl::Duration retention = absl::Milliseconds(1)) {
  WorkerConfig config = kQuick;
  config.request_retention = retention;
  return config;
}

// Answers two commands, whose keys lie in different partitions.
struct Fixture {
  Fixture() {
    const auto worker = mesh().Start(group);
    mesh().Send(Create(one), one, {.request_id = one, .correlation_id = 1});
    mesh().Send(Create(other), other, {.request_id = other, .correlation_id = 2});
    mesh().WaitForReplies(2);
    EXPECT_TRUE(worker->Stop().ok());
    EXPECT_TRUE(Remembers(one));
    EXPECT_TRUE(Remembers(other));
  }

  Mesh& mesh() { return site->mesh(); }
  static int32_t PartitionOf(const std::string& key) { return bus::PartitionOf(key, kPartitions); }
  bool Remembers(const std::string& request_id) {
    const store::RequestKey key{"", "/test/Method", request_id};
    return (*mesh().store().OpenSession())->LoadRequests({&key, 1})->at(0).has_value();
  }
  double HeldBackSeconds() const {
    return telemetry::NewGauge("tradewind_requests_held_back_seconds", "", {{"group", group.name()}}).value();
  }

  std::unique_ptr<StoreMesh> site = MakeStoreMesh();
  Group group = CountingGroup();
  const std::string one = "o-1";
  const std::string other = KeyBeside(one);
};

TEST(WorkerAnswers, AStoppedTaskKeepsItsOwnAlone) {
  Fixture test;
  for (int i = 0; i < 3; ++i) test.mesh().Send(Create(test.one), test.one);
  test.mesh().kafka().DeleteBefore(kCommands, Fixture::PartitionOf(test.one), 3);
  const auto worker = test.mesh().Start(test.group, {0, 1, 2, 3}, Forgetful());
  EXPECT_TRUE(Eventually([&] { return !test.Remembers(test.other); }));
  EXPECT_TRUE(Eventually([&] { return test.HeldBackSeconds() > 0; }));
  EXPECT_TRUE(test.Remembers(test.one));
}

TEST(WorkerAnswers, AnotherInstanceLeavesThemAlone) {
  Fixture test;
  const auto worker = test.mesh().Start(test.group, {Fixture::PartitionOf(test.other)}, Forgetful());
  EXPECT_TRUE(Eventually([&] { return !test.Remembers(test.other); }));
  EXPECT_TRUE(test.Remembers(test.one));
}

TEST(WorkerAnswers, ATaskThatNeverCatchesUpForgetsAtLast) {
  Fixture test;
  // The end of this log is never reached.
  test.mesh().kafka().AppendGap(kCommands, Fixture::PartitionOf(test.one), 1);
  const auto worker = test.mesh().Start(test.group, {0, 1, 2, 3}, Forgetful(absl::Seconds(1)));
  EXPECT_TRUE(Eventually([&] { return !test.Remembers(test.other); }));
  EXPECT_TRUE(test.Remembers(test.one));
  EXPECT_TRUE(Eventually([&] { return !test.Remembers(test.one); }));
}

TEST(WorkerAnswers, ARecordTimeInTheFutureKeepsNothing) {
  Fixture test;
  auto worker = test.mesh().Start(test.group);
  test.mesh().Send(Create(test.one), test.one,
                   {.request_id = "early", .timestamp_ms = std::numeric_limits<int64_t>::max()});
  EXPECT_TRUE(Eventually([&] { return test.Remembers("early"); }));
  ASSERT_TRUE(worker->Stop().ok());
  worker = test.mesh().Start(test.group, {0, 1, 2, 3}, Forgetful());
  EXPECT_TRUE(Eventually([&] { return !test.Remembers("early"); }));
}

TEST(WorkerAnswers, ARecordTimeInThePastHastensNothing) {
  Fixture test;
  const auto worker = test.mesh().Start(test.group, {0, 1, 2, 3}, Forgetful(absl::Milliseconds(300)));
  size_t sent = 0;
  const auto send = [&](const std::string& id, int64_t timestamp_ms) {
    test.mesh().Send(Create(test.one), test.one, {.request_id = id, .timestamp_ms = timestamp_ms});
    EXPECT_TRUE(test.mesh().kafka().WaitForRecords(kEvents, 2 + ++sent));
  };
  // Until the first is forgotten: by then others have been left that were younger.
  int pairs = 0;
  ASSERT_TRUE(Eventually([&] {
    send("now " + std::to_string(pairs), 0);
    send("late " + std::to_string(pairs), 1);
    ++pairs;
    return !test.Remembers("now 0");
  }));
  // What came later is not forgotten sooner.
  for (int i = pairs - 1; i >= 0 && test.Remembers("now " + std::to_string(i)); --i) {
    if (test.Remembers("late " + std::to_string(i))) continue;
    EXPECT_FALSE(test.Remembers("now " + std::to_string(i))) << i << " of " << pairs;
  }
}

// Counts what was set aside only once it is let, and notes how often that went well.
class CountingSession final : public testing::ForwardingSession {
 public:
  CountingSession(std::unique_ptr<store::Session> session, std::latch& let, std::atomic<int>& counted)
      : ForwardingSession(*session), session_(std::move(session)), let_(let), counted_(counted) {}
  absl::StatusOr<store::KeptCounts> CountKept(std::string_view group) override {
    let_.wait();
    auto counts = ForwardingSession::CountKept(group);
    if (counts.ok()) ++counted_;
    return counts;
  }

 private:
  const std::unique_ptr<store::Session> session_;
  std::latch& let_;
  std::atomic<int>& counted_;
};

// Who asks for long lists could else stop all commands.
TEST(WorkerAnswers, ComeWhileEveryConnectionForQueriesIsBusy) {
  const auto site = MakeStoreMesh();
  const Group group = CountingGroup();
  std::latch let{1};
  std::atomic<int> counted = 0;
  const auto worker = site->mesh().Start(group, {0, 1, 2, 3}, kQuick, [&](std::unique_ptr<store::Session> session) {
    return std::make_unique<CountingSession>(std::move(session), let, counted);
  });
  auto held = site->HoldReaders();
  EXPECT_TRUE(held->all_held());
  let.count_down();
  site->mesh().Send(Create("o-1"), "o-1", {.request_id = "any", .correlation_id = 1});
  EXPECT_EQ(site->mesh().WaitForReplies(1).size(), 1U);
  EXPECT_TRUE(Eventually([&] { return counted > 0; }));
  // All the time.
  EXPECT_TRUE(held->all_held());
  held.reset();
  EXPECT_TRUE(worker->Stop().ok());
}

// Takes an event from outside of each of two keys, which lie in different partitions, once by its id.
struct Inbox {
  Inbox() {
    group.FindToChange(UserRegistered::descriptor()->full_name())->inbox = true;
    const auto worker = mesh().Start(group);
    for (const std::string& key : {one, other}) Send(key);
    EXPECT_TRUE(mesh().kafka().WaitForRecords(kEvents, 2));
    EXPECT_TRUE(worker->Stop().ok());
    for (const std::string& key : {one, other}) EXPECT_TRUE(Remembers(key));
  }

  Mesh& mesh() { return site->mesh(); }
  void Send(const std::string& key) {
    mesh().kafka().Append({.topic = kUserEvents,
                           .partition = bus::PartitionOf(key, kPartitions),
                           .key = key,
                           .value = Registered(key, "name").SerializeAsString(),
                           .headers = {{"ce_specversion", "1.0"},
                                       {"ce_id", key},
                                       {"ce_source", "/shop"},
                                       {"ce_type", UserRegistered::descriptor()->full_name()}}});
  }
  bool Remembers(const std::string& key) {
    const std::string id = std::string("/shop") + '\0' + key;
    const store::RequestKey row{group.name(), "inbox", id};
    return (*mesh().store().OpenSession())->LoadRequests({&row, 1})->at(0).has_value();
  }

  std::unique_ptr<StoreMesh> site = MakeStoreMesh();
  std::vector<std::string> seen;
  Group group = RecordingGroup(seen);
  const std::string one = "o-1";
  const std::string other = KeyBeside(one);
};

TEST(WorkerAnswers, AStoppedTaskKeepsItsOwnInboxAlone) {
  Inbox test;
  for (int i = 0; i < 3; ++i) test.Send(test.one);
  test.mesh().kafka().DeleteBefore(kUserEvents, bus::PartitionOf(test.one, kPartitions), 3);
  const auto worker = test.mesh().Start(test.group, {0, 1, 2, 3}, Forgetful());
  EXPECT_TRUE(Eventually([&] { return !test.Remembers(test.other); }));
  EXPECT_TRUE(test.Remembers(test.one));
}

TEST(WorkerAnswers, InboxesOfTasksThatReadOnAreForgotten) {
  Inbox test;
  const auto worker = test.mesh().Start(test.group, {0, 1, 2, 3}, Forgetful());
  EXPECT_TRUE(Eventually([&] { return !test.Remembers(test.one) && !test.Remembers(test.other); }));
}

}  // namespace
}  // namespace tradewind::runtime
