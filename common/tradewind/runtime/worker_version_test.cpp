// Two versions of a service, one after the other: what one has set aside and the other has no handler for waits.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "tradewind/bus/envelope.h"
#include "tradewind/order/v1/events.pb.h"
#include "tradewind/order/v1/order.pb.h"
#include "tradewind/runtime/task_progress.h"
#include "tradewind/runtime/worker_harness.h"
#include "tradewind/runtime/worker_test_group.h"
#include "tradewind/telemetry/metrics.h"
#include "tradewind/testing/eventually.h"
#include "tradewind/user/v1/events.pb.h"

namespace tradewind::runtime {
namespace {

using ::testing::ElementsAre;
using testing::Eventually;
using ::testing::HasSubstr;
using user::v1::UserRegistered;
using user::v1::UserUpdated;

UserUpdated Updated(const std::string& user_id, const std::string& name) {
  UserUpdated event;
  event.set_user_id(user_id);
  event.set_display_name(name);
  return event;
}

// The newer version also has a handler for UserUpdated, and a timer; while it is broken the handler fails.
struct Versions {
  Versions() : older("loyalty"), newer("loyalty") {
    AddCommon(older);
    AddCommon(newer);
    newer.Add({.run =
                   [this](const google::protobuf::Message& message, Context& context) {
                     const std::string name = static_cast<const UserUpdated&>(message).display_name();
                     if (name == "set a timer") {
                       order::v1::Order order;
                       order.set_id("timer");
                       context.SetTimer("t", context.now(), order);
                     }
                     if (broken) return Retry(absl::ZeroDuration(), "broken on purpose");
                     See(name);
                     return Ack();
                   },
               .prototype = &UserUpdated::default_instance()});
    newer.AddTimer({.run =
                        [this](const google::protobuf::Message& message, Context&) {
                          See(static_cast<const order::v1::Order&>(message).id());
                          return Ack();
                        },
                    .prototype = &order::v1::Order::default_instance()});
  }

  void AddCommon(Group& group) {
    group.Add({.run =
                   [this](const google::protobuf::Message& message, Context&) {
                     See(static_cast<const UserRegistered&>(message).display_name());
                     return Ack();
                   },
               .prototype = &UserRegistered::default_instance()});
  }
  void See(const std::string& name) {
    const std::lock_guard lock(mutex);
    seen.push_back(name);
  }
  std::vector<std::string> Seen() {
    const std::lock_guard lock(mutex);
    return seen;
  }
  std::vector<store::KeptRecord> Kept() { return *mesh.store().reader().ListKept({}, 0, 100); }
  bool KeptReasonHas(const std::string& part) {
    for (const store::KeptRecord& kept : Kept()) {
      if (kept.reason.find(part) != std::string::npos) return true;
    }
    return false;
  }
  // What waits for a handler is looked at again at once, and not in a minute.
  void Hurry() {
    for (const store::KeptRecord& kept : Kept())
      mesh.store().Request({.id = kept.id}, store::KeptAction::kRetry).IgnoreError();
  }

  Mesh mesh;
  Group older;
  Group newer;
  std::atomic<bool> broken{true};
  std::mutex mutex;
  std::vector<std::string> seen;
};

TEST(WorkerVersion, KeepsWhatANewerVersionHasParked) {
  Versions versions;
  {
    const auto worker = versions.mesh.Start(versions.newer, {0, 1, 2, 3}, kQuick);
    versions.mesh.Send(Updated("u-1", "parked"), "u-1");
    EXPECT_TRUE(Eventually([&] { return versions.KeptReasonHas("broken on purpose"); }));
  }
  {
    const auto worker = versions.mesh.Start(versions.older, {0, 1, 2, 3}, kQuick);
    EXPECT_TRUE(Eventually([&] { return versions.KeptReasonHas("no handler"); }));
    // Its key waits in order, another goes on.
    versions.mesh.Send(Registered("u-1", "behind it"), "u-1");
    versions.mesh.Send(Registered("u-2", "beside it"), "u-2");
    EXPECT_TRUE(Eventually([&] { return versions.Seen() == std::vector<std::string>{"beside it"}; }));
  }
  versions.broken = false;
  const auto worker = versions.mesh.Start(versions.newer, {0, 1, 2, 3}, kQuick);
  versions.Hurry();
  EXPECT_TRUE(Eventually([&] { return versions.Seen().size() == 3; }));
  EXPECT_THAT(versions.Seen(), ElementsAre("beside it", "parked", "behind it"));
  EXPECT_TRUE(Eventually([&] { return versions.Kept().empty(); }));
}

TEST(WorkerVersion, KeepsTheTimerOfANewerVersion) {
  Versions versions;
  versions.broken = false;
  const int32_t partition = bus::PartitionOf("u-1", kPartitions);
  {
    WorkerConfig never_looks = kQuick;
    never_looks.timer_tick = absl::Hours(1);
    const auto worker = versions.mesh.Start(versions.newer, {partition}, never_looks);
    versions.mesh.Send(Updated("u-1", "set a timer"), "u-1");
    EXPECT_TRUE(Eventually([&] { return !versions.Seen().empty(); }));
  }
  {
    const auto worker = versions.mesh.Start(versions.older, {partition}, kQuick);
    EXPECT_TRUE(
        Eventually([&] { return versions.KeptReasonHas("no handler: this version has none for tradewind.order"); }));
  }
  const auto worker = versions.mesh.Start(versions.newer, {partition}, kQuick);
  versions.Hurry();
  EXPECT_TRUE(Eventually([&] { return versions.Seen().size() == 2; }));
  EXPECT_THAT(versions.Seen(), ElementsAre("set a timer", "timer"));
}

TEST(WorkerVersion, KeepsWhatANewerVersionHasHeldBack) {
  Versions versions;
  versions.broken = false;
  {
    const auto worker = versions.mesh.Start(versions.newer, {0, 1, 2, 3}, kQuick);
    versions.mesh.SendChained(Updated("u-1", "held"), "u-1", "/user/1", {5, 2}, {5, 1});
    EXPECT_TRUE(Eventually([&] { return versions.KeptReasonHas("nothing was received"); }));
  }
  {
    const auto worker = versions.mesh.Start(versions.older, {0, 1, 2, 3}, kQuick);
    versions.mesh.SendChained(Registered("u-1", "first"), "u-1", "/user/1", {5, 1}, {});
    EXPECT_TRUE(Eventually([&] { return versions.KeptReasonHas("no handler"); }));
  }
  const auto worker = versions.mesh.Start(versions.newer, {0, 1, 2, 3}, kQuick);
  versions.Hurry();
  EXPECT_TRUE(Eventually([&] { return versions.Seen().size() == 2; }));
  EXPECT_THAT(versions.Seen(), ElementsAre("first", "held"));
}

TEST(WorkerVersion, SkipsByTypeWhatNoVersionHandlesAnyMore) {
  Versions versions;
  {
    const auto worker = versions.mesh.Start(versions.newer, {0, 1, 2, 3}, kQuick);
    versions.mesh.Send(Updated("u-1", "parked"), "u-1");
    versions.mesh.Send(Updated("u-2", "parked"), "u-2");
    EXPECT_TRUE(Eventually([&] { return versions.Kept().size() == 2; }));
  }
  const auto worker = versions.mesh.Start(versions.older, {0, 1, 2, 3}, kQuick);
  versions.mesh.Send(Registered("u-1", "behind it"), "u-1");
  const telemetry::Gauge waiting = telemetry::NewGauge("tradewind_no_handler_records", "", {{"group", "loyalty"}});
  EXPECT_TRUE(Eventually([&] { return waiting.value() == 2 && versions.Kept().size() == 3; }));
  EXPECT_EQ(*versions.mesh.store().Request({.type = UserUpdated::descriptor()->full_name()}, store::KeptAction::kSkip),
            2);
  EXPECT_TRUE(Eventually([&] { return versions.Seen() == std::vector<std::string>{"behind it"}; }));
  EXPECT_TRUE(Eventually([&] { return versions.Kept().empty() && waiting.value() == 0; }));
}

Handler Effect(const google::protobuf::Message* prototype, std::function<Outcome()> run) {
  return {.effect = [run = std::move(run)](const google::protobuf::Message&, EffectContext&) { return run(); },
          .prototype = prototype};
}

// Hangs while its first owner has it, who loses its tasks meanwhile.
struct HangingEffect {
  Outcome Run() {
    ++begun;
    while (hangs) std::this_thread::yield();
    return Ack();
  }
  void Begin(Mesh& mesh, const Group& group, const google::protobuf::Message& message) {
    const auto worker = mesh.Start(group, {0, 1, 2, 3}, kQuick);
    mesh.Send(message, "u-1");
    EXPECT_TRUE(Eventually([&] { return begun == 1; }));
    worker->source().Lose({0, 1, 2, 3});
    EXPECT_TRUE(Eventually([&] { return !worker->source().owns(0); }));
    hangs = false;
  }
  std::atomic<bool> hangs{true};
  std::atomic<int> begun{0};
};

TEST(WorkerVersion, KeepsAnEffectThatANewerVersionHadBegun) {
  Mesh mesh;
  HangingEffect effect;
  Group older("loyalty.effects");
  older.AddEffect(Effect(&UserRegistered::default_instance(), [] { return Ack(); }));
  Group newer("loyalty.effects");
  newer.AddEffect(Effect(&UserRegistered::default_instance(), [] { return Ack(); }));
  newer.AddEffect(Effect(&UserUpdated::default_instance(), [&] { return effect.Run(); }));
  effect.Begin(mesh, newer, Updated("u-1", "pending"));
  {
    const auto worker = mesh.Start(older, {0, 1, 2, 3}, kQuick);
    EXPECT_TRUE(Eventually([&] {
      const auto kept = *mesh.store().reader().ListKept({}, 0, 10);
      return kept.size() == 1 && kept[0].reason.find("no handler") != std::string::npos;
    }));
  }
  const auto worker = mesh.Start(newer, {0, 1, 2, 3}, kQuick);
  EXPECT_EQ(*mesh.store().Request({.type = UserUpdated::descriptor()->full_name()}, store::KeptAction::kRetry), 1);
  EXPECT_TRUE(Eventually([&] { return effect.begun == 2; }));
  EXPECT_TRUE(Eventually([&] { return mesh.store().reader().ListKept({}, 0, 10)->empty(); }));
}

// As a version leaves it that took such headers: the effect of the first record of the partition was under way.
void LeavePending(Mesh& mesh, const Group& group, int32_t partition) {
  const bus::Record first = bus::Record::FromContent(mesh.kafka().Read(kUserEvents, partition).at(0));
  TaskProgress progress;
  InputProgress& input = progress.AddInput(kUserEvents, 0);
  input.MoveTo(1, bus::Fingerprint(first));
  input.AddPending(0);
  const std::string blob = progress.Serialize(kClusterId);
  CommitForTask(mesh, {group.name(), partition}, [&](const store::TakenTask&, store::TaskCommit& commit) {
    commit.progress = blob;
    commit.ends_takes = false;
  });
}

TEST(WorkerVersion, BuriesAPendingEffectWhoseHeadersItRefuses) {
  Mesh mesh;
  std::atomic<int> run{0};
  Group group("loyalty.effects");
  group.AddEffect(Effect(&UserRegistered::default_instance(), [&] {
    ++run;
    return Ack();
  }));
  const int32_t partition = bus::PartitionOf("u-1", kPartitions);
  mesh.kafka().Append({.topic = kUserEvents, .partition = partition, .key = "u-1", .headers = {{"ce_id", "alone"}}});
  LeavePending(mesh, group, partition);
  for (int runs = 1; runs <= 2; ++runs) {
    const auto worker = mesh.Start(group, {0, 1, 2, 3}, kQuick);
    EXPECT_TRUE(Eventually([&] { return !mesh.store().reader().ListKept({}, 0, 10)->empty(); }));
    mesh.Send(Registered("u-1", "next"), "u-1");
    EXPECT_TRUE(Eventually([&] { return run == runs; }));
    EXPECT_TRUE(worker->Stop().ok());
  }
  // Once, and not again by whoever took the task next.
  const auto kept = *mesh.store().reader().ListKept({}, 0, 10);
  ASSERT_EQ(kept.size(), 1U);
  EXPECT_EQ(kept[0].state, store::KeptState::kDead);
  EXPECT_THAT(kept[0].reason, HasSubstr("is missing"));
}

TEST(WorkerVersion, PassesOnAPendingEffectThatIsNowKeyedBy) {
  Mesh mesh;
  HangingEffect effect;
  Group older("loyalty.effects");
  older.AddEffect(Effect(&UserRegistered::default_instance(), [&] { return effect.Run(); }));
  effect.Begin(mesh, older, Registered("u-1", "pending"));
  std::mutex mutex;
  std::vector<std::string> keys;
  Group newer("loyalty.effects");
  newer.AddEffect({.effect =
                       [&](const google::protobuf::Message&, EffectContext& context) {
                         const std::lock_guard lock(mutex);
                         keys.emplace_back(context.key());
                         return Ack();
                       },
                   .prototype = &UserRegistered::default_instance()});
  newer.Rekey(UserRegistered::descriptor()->full_name(),
              [](const google::protobuf::Message&) { return std::string("team"); });
  const auto worker = mesh.Start(newer, {0, 1, 2, 3}, kQuick);
  EXPECT_TRUE(Eventually([&] {
    const std::lock_guard lock(mutex);
    return !keys.empty();
  }));
  EXPECT_TRUE(worker->Stop().ok());
  EXPECT_THAT(keys, ElementsAre("team"));
  EXPECT_TRUE(mesh.store().reader().ListKept({}, 0, 10)->empty());
}

// The version before the last read user.events.v1 as well, and has taken an event of it: the rows of the tasks hold how
// far. The last reads commands alone.
struct GivenUpTopic {
  GivenUpTopic() {
    earlier.Add({.run =
                     [this](const google::protobuf::Message&, Context&) {
                       ++told;
                       return Ack();
                     },
                 .prototype = &UserRegistered::default_instance()});
    const auto worker = mesh.Start(earlier, {0, 1, 2, 3}, kQuick);
    mesh.Send(Registered("o-1", "any"), "o-1");
    EXPECT_TRUE(Eventually([&] { return told == 1; }));
    EXPECT_TRUE(worker->Stop().ok());
  }

  int64_t Revision() {
    order::v1::Order order;
    const auto stored = *mesh.store().reader().Get(order::v1::Order::descriptor()->full_name(), "o-1");
    if (stored.has_value()) order.ParseFromString(stored->value);
    return order.revision();
  }

  Mesh mesh;
  Group earlier = CountingGroup();
  const Group later = CountingGroup();
  const int32_t partition = bus::PartitionOf("o-1", kPartitions);
  std::atomic<int> told{0};
};

TEST(WorkerVersion, ReadsOnAfterAThrottleThoughATopicIsReadNoMore) {
  for (const int failing_resumes : {0, 2}) {
    GivenUpTopic test;
    {
      const auto worker = test.mesh.Start(test.later, {0, 1, 2, 3}, {.batch_messages = 1, .outbox_bytes = 1});
      worker->events().Cork();
      for (int i = 0; i < 5; ++i) test.mesh.Send(Create("o-1"), "o-1");
      EXPECT_TRUE(Eventually([&] { return test.Revision() == 1 && worker->source().paused(test.partition); }));
      worker->source().FailResume(failing_resumes);
      worker->events().Uncork();
      EXPECT_TRUE(Eventually([&] { return test.Revision() == 5; }));
      EXPECT_TRUE(worker->Stop().ok());
    }
    // Whoever reads the topic again goes on where it was left.
    const auto worker = test.mesh.Start(test.earlier, {0, 1, 2, 3}, kQuick);
    test.mesh.Send(Registered("o-1", "next"), "o-1");
    EXPECT_TRUE(Eventually([&] { return test.told >= 2; }));
    EXPECT_TRUE(worker->Stop().ok());
    EXPECT_EQ(test.told, 2);
  }
}

TEST(WorkerVersion, TakesItsTasksThoughATopicThatIsReadNoMoreIsGone) {
  GivenUpTopic test;
  test.mesh.kafka().DeleteTopic(kUserEvents);
  const auto worker = test.mesh.Start(test.later, {0, 1, 2, 3}, kQuick);
  test.mesh.Send(Create("o-1"), "o-1");
  EXPECT_TRUE(Eventually([&] { return test.Revision() == 1; }));
  worker->source().Lose({0, 1, 2, 3});
  worker->source().Assign({0, 1, 2, 3});
  test.mesh.Send(Create("o-1"), "o-1");
  EXPECT_TRUE(Eventually([&] { return test.Revision() == 2; }));
  EXPECT_TRUE(worker->Stop().ok());
  EXPECT_EQ(test.mesh.kafka().Committed(kCommands, test.partition).offset, 2);
}

TEST(WorkerVersion, ShowsAnEffectThatHadBegunOnATopicThatIsReadNoMore) {
  Mesh mesh;
  HangingEffect effect;
  Group older("loyalty.effects");
  older.AddEffect(Effect(&order::v1::OrderCreated::default_instance(), [] { return Ack(); }));
  Group newer("loyalty.effects");
  newer.AddEffect(Effect(&order::v1::OrderCreated::default_instance(), [] { return Ack(); }));
  newer.AddEffect(Effect(&UserRegistered::default_instance(), [&] { return effect.Run(); }));
  const auto without_handler = [] {
    return telemetry::NewGauge("tradewind_no_handler_records", "", {{"group", "loyalty.effects"}}).value();
  };
  effect.Begin(mesh, newer, Registered("u-1", "pending"));
  {
    const auto worker = mesh.Start(older, {0, 1, 2, 3}, kQuick);
    EXPECT_TRUE(Eventually([&] { return without_handler() == 1; }));
  }
  const auto worker = mesh.Start(newer, {0, 1, 2, 3}, kQuick);
  EXPECT_TRUE(Eventually([&] { return effect.begun == 2 && without_handler() == 0; }));
}

}  // namespace
}  // namespace tradewind::runtime
