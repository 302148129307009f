// Keys other than the message's own: aggregates that several tasks share, events taken under another key, events known
// by their id.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <latch>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "google/protobuf/wrappers.pb.h"

#include "tradewind/order/v1/events.pb.h"
#include "tradewind/runtime/worker_harness.h"
#include "tradewind/runtime/worker_test_group.h"
#include "tradewind/telemetry/metrics.h"
#include "tradewind/testing/eventually.h"
#include "tradewind/user/v1/events.pb.h"

namespace tradewind::runtime {
namespace {

using google::protobuf::Int64Value;
using ::testing::ElementsAre;
using testing::Eventually;
using user::v1::UserRegistered;

constexpr char kRekeyed[] = "loyalty.rekeyed.v1";

int64_t Total(Mesh& mesh, const std::string& key) {
  const auto stored = mesh.store().reader().Get(Int64Value::descriptor()->full_name(), key);
  Int64Value total;
  if (stored->has_value()) total.ParseFromString((*stored)->value);
  return total.value();
}

// Where two workers wait for each other, once.
struct Meeting {
  std::atomic<int> come{0};
  std::latch both{2};

  void Come() {
    if (come.fetch_add(1) < 2) both.arrive_and_wait();
  }
};

// Counts, in one aggregate, the messages under all keys. Two workers have read it when they meet.
Group MeetingGroup(Meeting& meeting) {
  Group group("loyalty");
  group.Add({.run =
                 [&meeting](const google::protobuf::Message&, Context& context) {
                   const auto total = context.Load<Int64Value>("all");
                   meeting.Come();
                   total->set_value(total->value() + 1);
                   return Ack();
                 },
             .prototype = &UserRegistered::default_instance()});
  return group;
}

TEST(WorkerKeys, LosesNothingWhereTwoTasksMeetOnOneAggregateAThousandTimes) {
  Mesh mesh;
  Meeting meeting;
  const Group group = MeetingGroup(meeting);
  WorkerConfig small;
  small.batch_messages = 1;
  const auto first = mesh.Start(group, {0, 1}, small);
  const auto second = mesh.Start(group, {2, 3}, small);
  constexpr int kCount = 1000;
  for (int i = 0; i < kCount; ++i) {
    const std::string key = "u-" + std::to_string(i);
    mesh.Send(Registered(key, "anyone"), key);
  }
  ASSERT_TRUE(Eventually([&] { return Total(mesh, "all") >= kCount; }, absl::Seconds(30)));
  ASSERT_TRUE(first->Stop().ok());
  ASSERT_TRUE(second->Stop().ok());
  EXPECT_EQ(Total(mesh, "all"), kCount);
  EXPECT_GT(telemetry::NewCounter("tradewind_commit_conflicts_total", "", {{"group", "loyalty"}}).value(), 0);
}

// Takes UserRegistered by display_name, and notes "display_name:user_id".
struct RekeyedFixture {
  RekeyedFixture() : group("loyalty") {
    group.Add({.run =
                   [this](const google::protobuf::Message& message, Context& context) {
                     const auto& event = static_cast<const UserRegistered&>(message);
                     if (event.email() == "bad") return Dead("on purpose");
                     const auto total = context.Load<Int64Value>(context.key());
                     total->set_value(total->value() + 1);
                     const std::lock_guard lock(mutex);
                     seen.push_back(std::string(context.key()) + ":" + event.email());
                     ids.emplace_back(context.event_id());
                     return Ack();
                   },
               .prototype = &UserRegistered::default_instance(),
               .own_states = {&Int64Value::default_instance()}});
    group.Rekey(UserRegistered::descriptor()->full_name(), [](const google::protobuf::Message& message) {
      return static_cast<const UserRegistered&>(message).display_name();
    });
  }
  size_t Count() {
    const std::lock_guard lock(mutex);
    return seen.size();
  }
  // An event of the user, to be taken under `team`; `name` tells it from others.
  void Send(const std::string& user, const std::string& team, const std::string& name) {
    UserRegistered event = Registered(user, team);
    event.set_email(name);
    mesh.Send(event, user);
  }

  Mesh mesh;
  Group group;
  std::mutex mutex;
  std::vector<std::string> seen;
  std::vector<std::string> ids;
};

TEST(WorkerKeys, TakesEventsUnderTheKeyThatTheSubscriptionNames) {
  RekeyedFixture test;
  const auto worker = test.mesh.Start(test.group);
  for (int i = 0; i < 20; ++i) test.Send("u-" + std::to_string(i), "team", std::to_string(i));
  ASSERT_TRUE(Eventually([&] { return test.Count() == 20; }));
  ASSERT_TRUE(worker->Stop().ok());
  EXPECT_EQ(Total(test.mesh, "team"), 20);
  const auto records = test.mesh.kafka().ReadAll(kRekeyed);
  ASSERT_EQ(records.size(), 20U);
  for (const auto& record : records) {
    EXPECT_EQ(record.key, "team");
    EXPECT_EQ(HeaderOf(record, bus::kSourceHeader).substr(0, 9), "/loyalty/");
    // It stays the event it was.
    EXPECT_THAT(HeaderOf(record, bus::kIdHeader), ::testing::StartsWith("command-"));
  }
  EXPECT_THAT(test.ids, ::testing::Each(::testing::StartsWith("command-")));
}

TEST(WorkerKeys, KeepsTheOrderOfOneSourceUnderTheNewKey) {
  RekeyedFixture test;
  auto worker = test.mesh.Start(test.group);
  std::vector<std::string> expected;
  for (int i = 0; i < 50; ++i) {
    // One key, so one partition: their order is the log's.
    test.Send("u-1", "team", std::to_string(i));
    expected.push_back("team:" + std::to_string(i));
    if (i == 25) {
      ASSERT_TRUE(worker->Stop().ok());
      worker = test.mesh.Start(test.group);
    }
  }
  ASSERT_TRUE(Eventually([&] { return test.Count() == 50; }));
  EXPECT_EQ(test.seen, expected);
}

// The next version is not KeyedBy, and comes while events wait under the other key.
TEST(WorkerKeys, TellsOfEventsThatNothingReadsWithoutKeyedBy) {
  RekeyedFixture test;
  auto worker = test.mesh.Start(test.group);
  test.Send("u-1", "team", "1");
  ASSERT_TRUE(Eventually([&] { return test.Count() == 1; }));
  ASSERT_TRUE(worker->Stop().ok());
  const auto unread = [] {
    return telemetry::NewGauge("tradewind_rekeyed_unread_records", "", {{"group", "loyalty"}}).value();
  };
  Group without("loyalty");
  without.Add({.run = [](const google::protobuf::Message&, Context&) { return Ack(); },
               .prototype = &UserRegistered::default_instance()});
  worker = test.mesh.Start(without);
  EXPECT_EQ(unread(), 0);
  ASSERT_TRUE(worker->Stop().ok());

  const bus::RecordContent left = test.mesh.kafka().ReadAll(kRekeyed).front();
  for (int i = 0; i < 3; ++i) test.mesh.kafka().Append(left);
  worker = test.mesh.Start(without);
  EXPECT_TRUE(Eventually([&] { return unread() == 3; }));
  ASSERT_TRUE(worker->Stop().ok());
  // A version with KeyedBy goes on there: they are repeats here.
  worker = test.mesh.Start(test.group);
  EXPECT_TRUE(Eventually([&] { return unread() == 0; }));
}

TEST(WorkerKeys, ParksUnderTheNewKey) {
  RekeyedFixture test;
  const auto worker = test.mesh.Start(test.group);
  for (const char* id : {"1", "bad", "2"}) test.Send("u-1", "team", id);
  test.Send("u-1", "other team", "3");
  ASSERT_TRUE(Eventually([&] { return test.Count() == 2; }));
  ASSERT_TRUE(Eventually(
      [&] { return *test.mesh.store().reader().CountKept(test.group.name(), store::KeptState::kParked) == 1; }));
  EXPECT_THAT(test.seen, ::testing::UnorderedElementsAre("team:1", "other team:3"));
}

TEST(WorkerKeys, BuriesAnEventThatHasNoNewKeyAndGoesOn) {
  RekeyedFixture test;
  const auto worker = test.mesh.Start(test.group);
  test.Send("u-1", "", "1");
  test.Send("u-1", "team", "2");
  ASSERT_TRUE(Eventually([&] { return test.Count() == 1; }));
  ASSERT_TRUE(test.mesh.kafka().WaitForRecords(kDead, 1));
}

TEST(WorkerKeys, TakesAnEventFromOutsideOnceByItsId) {
  Mesh mesh;
  std::vector<std::string> seen;
  Group group = RecordingGroup(seen);
  group.FindToChange(UserRegistered::descriptor()->full_name())->inbox = true;
  auto worker = mesh.Start(group);
  const auto send = [&](const std::string& source, const std::string& id, const std::string& name) {
    mesh.kafka().Append({.topic = kUserEvents,
                         .partition = 0,
                         .key = "u-1",
                         .value = Registered("u-1", name).SerializeAsString(),
                         .headers = {{"ce_specversion", "1.0"},
                                     {"ce_id", id},
                                     {"ce_source", source},
                                     {"ce_type", "tradewind.user.v1.UserRegistered"}}});
  };
  send("/shop", "1", "first");
  send("/shop", "1", "repeated in the batch");
  send("/other", "1", "another source");
  ASSERT_TRUE(mesh.kafka().WaitForRecords(kEvents, 2));
  ASSERT_TRUE(worker->Stop().ok());
  worker = mesh.Start(group);
  send("/shop", "1", "repeated after a restart");
  send("/shop", "2", "second");
  ASSERT_TRUE(mesh.kafka().WaitForRecords(kEvents, 3));
  ASSERT_TRUE(worker->Stop().ok());
  EXPECT_THAT(seen, ElementsAre("first", "another source", "second"));
}

TEST(WorkerKeys, TakesAnEventFromOutsideEachTimeItComesWithoutAnInbox) {
  Mesh mesh;
  std::vector<std::string> seen;
  const Group group = RecordingGroup(seen);
  const auto worker = mesh.Start(group);
  for (int i = 0; i < 2; ++i) {
    mesh.kafka().Append({.topic = kUserEvents,
                         .partition = 0,
                         .key = "u-1",
                         .value = Registered("u-1", "same").SerializeAsString(),
                         .headers = {{"ce_specversion", "1.0"},
                                     {"ce_id", "1"},
                                     {"ce_source", "/shop"},
                                     {"ce_type", "tradewind.user.v1.UserRegistered"}}});
  }
  ASSERT_TRUE(mesh.kafka().WaitForRecords(kEvents, 2));
  ASSERT_TRUE(worker->Stop().ok());
  EXPECT_THAT(seen, ElementsAre("same", "same"));
}

}  // namespace
}  // namespace tradewind::runtime
