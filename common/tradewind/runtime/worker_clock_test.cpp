// Clocks that are set back, and clocks that step ahead: what is due comes when that much time has passed, and after
// what was sent meanwhile.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/time/clock.h"

#include "tradewind/order/v1/events.pb.h"
#include "tradewind/runtime/worker_harness.h"
#include "tradewind/runtime/worker_test_group.h"
#include "tradewind/telemetry/metrics.h"
#include "tradewind/testing/eventually.h"
#include "tradewind/testing/forwarding_session.h"
#include "tradewind/user/v1/events.pb.h"

namespace tradewind::runtime {
namespace {

using order::v1::OrderCreated;
using ::testing::ElementsAre;
using user::v1::UserRegistered;

// Calls a function before each takeover.
class TakingSession final : public testing::ForwardingSession {
 public:
  TakingSession(std::unique_ptr<store::Session> session, std::function<void()> before)
      : ForwardingSession(*session), session_(std::move(session)), before_(std::move(before)) {}

  absl::StatusOr<store::TakenTask> TakeTask(const store::TaskId& task, uint64_t floor, uint64_t own) override {
    before_();
    return ForwardingSession::TakeTask(task, floor, own);
  }

 private:
  std::unique_ptr<store::Session> session_;
  std::function<void()> before_;
};

// Notes up to when answers were removed, and how often up to later than it was by absl::Now.
class PruningSession final : public testing::ForwardingSession {
 public:
  struct Seen {
    std::atomic<int64_t> latest_ms{0};
    std::atomic<int> early{0};
  };

  PruningSession(std::unique_ptr<store::Session> session, Seen& seen)
      : ForwardingSession(*session), session_(std::move(session)), seen_(seen) {}

  absl::StatusOr<int64_t> PruneRequests(std::string_view group, absl::Span<const int32_t> partitions, absl::Time before,
                                        int64_t limit) override {
    Note(before);
    return ForwardingSession::PruneRequests(group, partitions, before, limit);
  }
  absl::StatusOr<int64_t> PruneRequestsWithoutTask(absl::Time before, int64_t limit) override {
    Note(before);
    return ForwardingSession::PruneRequestsWithoutTask(before, limit);
  }

 private:
  void Note(absl::Time before) {
    if (before > absl::Now()) ++seen_.early;
    seen_.latest_ms = std::max(seen_.latest_ms.load(), absl::ToUnixMillis(before));
  }

  std::unique_ptr<store::Session> session_;
  Seen& seen_;
};

// A UserRegistered named "set 1h" sets a timer for an hour later, "cancel" cancels it, "fail" fails once and sets the
// clock back. Whatever was handled is emitted as an OrderCreated whose user is the name, and the timer as "fired".
class WorkerClock : public ::testing::Test {
 protected:
  WorkerClock() {
    group_.AddOutput(OrderCreated::descriptor());
    group_.Add(
        {.run = [this](const google::protobuf::Message& message,
                       Context& context) { return OnMessage(static_cast<const UserRegistered&>(message), context); },
         .prototype = &UserRegistered::default_instance()});
    group_.AddTimer({.run =
                         [](const google::protobuf::Message&, Context& context) {
                           Emit(context, "fired");
                           return Ack();
                         },
                     .prototype = &order::v1::Order::default_instance()});
  }

  Outcome OnMessage(const UserRegistered& event, Context& context) {
    const std::string& name = event.display_name();
    if (absl::Duration delay; name.starts_with("set ") && absl::ParseDuration(name.substr(4), &delay)) {
      context.SetTimer("timer", context.now() + delay, order::v1::Order());
    }
    if (name == "cancel") context.CancelTimer("timer");
    if (name == "fail" && !failed_.exchange(true)) {
      mesh_.StepWallClock(-absl::Hours(1));
      return Retry(absl::ZeroDuration(), "on purpose");
    }
    Emit(context, name);
    return Ack();
  }

  static void Emit(Context& context, const std::string& what) {
    OrderCreated event;
    event.set_order_id(std::string(context.key()));
    event.set_user_id(what);
    context.Emit(event);
  }

  void Send(const std::string& name) { mesh_.Send(Registered("u-1", name), "u-1"); }
  // What was emitted, once there are `count` of it: a task that is taken anew may publish what it has published before.
  std::vector<std::string> WaitForNames(size_t count) {
    std::vector<std::string> names;
    testing::Eventually([&] {
      names.clear();
      std::set<std::string> ids;
      for (const auto& record : mesh_.kafka().ReadAll(kEvents)) {
        OrderCreated event;
        event.ParseFromString(record.value);
        if (ids.insert(HeaderOf(record, bus::kIdHeader)).second) names.push_back(event.user_id());
      }
      return names.size() >= count;
    });
    return names;
  }

  Mesh mesh_;
  Group group_{"loyalty"};
  std::atomic<bool> failed_{false};
};

TEST_F(WorkerClock, ARetryIsNotLateAfterAStepBack) {
  const auto worker = mesh_.Start(group_, {0, 1, 2, 3}, kQuick);
  Send("fail");
  EXPECT_THAT(WaitForNames(1), ElementsAre("fail"));
}

TEST_F(WorkerClock, ATimerIsNotLateAfterAStepBack) {
  const auto worker = mesh_.Start(group_, {0, 1, 2, 3}, kQuick);
  Send("set 200ms");
  WaitForNames(1);
  mesh_.StepWallClock(-absl::Hours(1));
  EXPECT_THAT(WaitForNames(2), ElementsAre("set 200ms", "fired"));
}

TEST_F(WorkerClock, ATimerIsNotEarlyAfterAStepBack) {
  const auto worker = mesh_.Start(group_, {0, 1, 2, 3}, kQuick);
  mesh_.StepWallClock(-absl::Hours(1));
  const absl::Time set = absl::Now();
  Send("set 200ms");
  EXPECT_THAT(WaitForNames(2), ElementsAre("set 200ms", "fired"));
  EXPECT_GE(absl::Now() - set, absl::Milliseconds(200));
}

TEST_F(WorkerClock, AnEventHasTheTimeOfTheWallClock) {
  const auto worker = mesh_.Start(group_, {0, 1, 2, 3}, kQuick);
  mesh_.StepWallClock(-absl::Hours(1));
  Send("any");
  WaitForNames(1);
  absl::Time time;
  ASSERT_TRUE(absl::ParseTime(absl::RFC3339_full, HeaderOf(mesh_.kafka().ReadAll(kEvents)[0], bus::kTimeHeader), &time,
                              nullptr));
  EXPECT_LT(time, absl::Now() - absl::Minutes(59));
}

// A machine that was suspended: the deadline and what came in time for it are both there.
TEST_F(WorkerClock, WhatCameDuringAStepAheadGoesBeforeATimer) {
  std::atomic<bool> step{false};
  std::atomic<bool> stepped{false};
  const auto session = [&](std::unique_ptr<store::Session> own) {
    return std::make_unique<TakingSession>(std::move(own), [&] {
      if (step && !stepped.exchange(true)) Send("cancel");
    });
  };
  const auto worker = mesh_.Start(group_, {0, 1, 2, 3}, kQuick, session);
  Send("set 1h");
  WaitForNames(1);
  // Nothing is there to be read once more, which would tell where the log ends now.
  mesh_.kafka().DeleteBefore(kUserEvents, bus::PartitionOf("u-1", kPartitions), 1);
  step = true;
  mesh_.StepWallClock(absl::Hours(24));
  ASSERT_TRUE(testing::Eventually([&] { return stepped.load(); }));
  EXPECT_THAT(WaitForNames(2), ElementsAre("set 1h", "cancel"));
  Send("set 0");
  EXPECT_THAT(WaitForNames(4), ElementsAre("set 1h", "cancel", "set 0", "fired"));
}

TEST_F(WorkerClock, AStepAheadPrunesNoAnswerEarly) {
  WorkerConfig forgetful = kQuick;
  forgetful.request_retention = absl::Milliseconds(10);
  PruningSession::Seen seen;
  const auto worker = mesh_.Start(group_, {0, 1, 2, 3}, forgetful, [&](std::unique_ptr<store::Session> own) {
    return std::make_unique<PruningSession>(std::move(own), seen);
  });
  ASSERT_TRUE(testing::Eventually([&] { return seen.latest_ms > 0; }));
  mesh_.StepWallClock(absl::Hours(2));
  // Answers of the time before the step go, and only once they are as old as that without the step.
  const int64_t stepped_ms = absl::ToUnixMillis(absl::Now());
  EXPECT_TRUE(testing::Eventually([&] { return seen.latest_ms > stepped_ms; }));
  EXPECT_EQ(seen.early, 0);
}

TEST_F(WorkerClock, AStepAheadIsCountedAndLogged) {
  const telemetry::Counter steps =
      telemetry::NewCounter("tradewind_clock_steps_seconds_total", "", {{"group", "loyalty"}});
  const double before = steps.value();
  const auto worker = mesh_.Start(group_, {0, 1, 2, 3}, kQuick);
  ::testing::internal::CaptureStderr();
  mesh_.StepWallClock(absl::Hours(2));
  EXPECT_TRUE(testing::Eventually([&] { return steps.value() > before; }));
  const std::string lines = ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(lines, ::testing::ContainsRegex("the clock has stepped ahead.*group=loyalty step=(1h59m|2h)"));
  EXPECT_GE(steps.value() - before, absl::ToDoubleSeconds(absl::Minutes(119)));
  EXPECT_LE(steps.value() - before, absl::ToDoubleSeconds(absl::Minutes(121)));
}

// Kafka forgets the offsets of a topic that nobody commits for, although their group lives (KIP-211).
TEST_F(WorkerClock, AnIdleTaskTellsKafkaItsOffsetsEachHour) {
  const auto worker = mesh_.Start(group_, {0, 1, 2, 3}, kQuick);
  const auto committed = [&](const std::string& key) {
    return mesh_.kafka().Committed(kUserEvents, bus::PartitionOf(key, kPartitions)).offset;
  };
  Send("any");
  WaitForNames(1);
  // So soon after an assignment it tells Kafka nothing.
  mesh_.PassTime(absl::Seconds(4));
  ASSERT_TRUE(testing::Eventually([&] { return committed("u-1") == 1; }));
  mesh_.kafka().SetCommitted({.topic = kUserEvents, .partition = bus::PartitionOf("u-1", kPartitions)});
  mesh_.PassTime(absl::Minutes(50));
  const std::string busy = KeyBeside("u-1");
  mesh_.Send(Registered(busy, "other"), busy);
  ASSERT_TRUE(testing::Eventually([&] { return committed(busy) == 1; }));
  EXPECT_EQ(committed("u-1"), -1);
  mesh_.PassTime(absl::Minutes(11));
  EXPECT_TRUE(testing::Eventually([&] { return committed("u-1") == 1; }));
  EXPECT_TRUE(worker->Stop().ok());
}

TEST_F(WorkerClock, AStepAheadMakesATimerFire) {
  const auto worker = mesh_.Start(group_, {0, 1, 2, 3}, kQuick);
  Send("set 1h");
  WaitForNames(1);
  mesh_.StepWallClock(absl::Hours(2));
  EXPECT_THAT(WaitForNames(2), ElementsAre("set 1h", "fired"));
}

}  // namespace
}  // namespace tradewind::runtime
