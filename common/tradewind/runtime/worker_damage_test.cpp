// What a worker does about rows of its store that cannot be read: each costs its own key and nothing else. And about
// tasks that cannot go on: each stops alone, is shown, and goes on once that is mended.
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <utility>

#include "tradewind/bus/envelope.h"
#include "tradewind/order/v1/order.pb.h"
#include "tradewind/runtime/kept_record.h"
#include "tradewind/runtime/worker_harness.h"
#include "tradewind/runtime/worker_test_group.h"
#include "tradewind/telemetry/metrics.h"
#include "tradewind/testing/eventually.h"
#include "tradewind/testing/forwarding_session.h"
#include "tradewind/user/v1/events.pb.h"

namespace tradewind::runtime {
namespace {

using order::v1::Order;
using testing::Eventually;

constexpr std::string_view kDamaged = "\xff\xff\xff";

struct Fixture {
  int64_t Revision(const std::string& id) {
    const auto stored = *mesh.store().reader().Get(Order::descriptor()->full_name(), id);
    Order order;
    return stored.has_value() && order.ParseFromString(stored->value) ? order.revision() : 0;
  }
  bool WaitFor(const std::string& id, int64_t revision) {
    return Eventually([&] { return Revision(id) == revision; });
  }
  int64_t Count(store::KeptState state) { return *mesh.store().reader().CountKept(group.name(), state); }
  // Puts the bytes in the place of the order; returns what stood there.
  std::string Replace(const std::string& id, std::string_view bytes) {
    const std::string kind = Order::descriptor()->full_name();
    const auto stored = *mesh.store().reader().Get(kind, id);
    store::Batch batch;
    batch.aggregates.push_back({.kind = kind, .key = id, .expected_version = stored->version, .value = bytes});
    Commit(batch);
    return stored->value;
  }
  void Commit(const store::Batch& batch) {
    EXPECT_EQ((*mesh.store().OpenSession())->Commit(batch)->kind, store::CommitResult::Kind::kCommitted);
  }

  // Puts the bytes in the place of the progress of the task of "o-1"; returns what stood there.
  std::string ReplaceProgress(std::string_view bytes) {
    std::string before;
    CommitForTask(mesh, TaskOf(group, "o-1"), [&](const store::TakenTask& taken, store::TaskCommit& commit) {
      before = taken.progress;
      commit.progress = bytes;
    });
    return before;
  }
  // How many tasks have stopped, by why.
  double Stopped(const std::string& why) const {
    return telemetry::NewGauge("tradewind_tasks_stopped", "", {{"group", group.name()}, {"why", why}}).value();
  }
  // The task of "o-1" stops for that reason alone, and changes nothing any more; another one handles a command.
  void ExpectStopsAlone(const std::string& why) {
    const int64_t before = Revision("o-1");
    EXPECT_TRUE(Eventually([&] { return Stopped(why) == 1; }));
    EXPECT_EQ(Stopped("lost") + Stopped("damaged") + Stopped("other"), 1);
    mesh.Send(Create("o-1"), "o-1");
    const std::string other = KeyBeside("o-1");
    const int64_t other_before = Revision(other);
    mesh.Send(Create(other), other);
    EXPECT_TRUE(WaitFor(other, other_before + 1));
    EXPECT_EQ(Revision("o-1"), before);
    EXPECT_EQ(Stopped(why), 1);
  }
  // It is looked at again after a minute, and handles what came meanwhile.
  void ExpectGoesOn(const std::string& why, int64_t revision) {
    mesh.StepWallClock(absl::Minutes(2));
    EXPECT_TRUE(WaitFor("o-1", revision));
    EXPECT_TRUE(Eventually([&] { return Stopped(why) == 0; }));
  }

  Mesh mesh;
  Group group = CountingGroup();
  const int32_t partition = bus::PartitionOf("o-1", kPartitions);
};

TEST(WorkerDamage, OfAnAggregateHoldsItsKeyAlone) {
  Fixture test;
  auto worker = test.mesh.Start(test.group);
  test.mesh.Send(Create("o-1"), "o-1");
  ASSERT_TRUE(test.WaitFor("o-1", 1));
  ASSERT_TRUE(worker->Stop().ok());
  const std::string good = test.Replace("o-1", kDamaged);

  worker = test.mesh.Start(test.group, {0, 1, 2, 3}, kQuick);
  test.mesh.Send(Create("o-1"), "o-1");
  for (int i = 2; i < 12; ++i) {
    const std::string id = "o-" + std::to_string(i);
    test.mesh.Send(Create(id), id);
    EXPECT_TRUE(test.WaitFor(id, 1)) << id;
  }
  ASSERT_EQ(test.Count(store::KeptState::kDead), 1);
  const auto dead = *test.mesh.store().reader().ListKept({.state = store::KeptState::kDead}, 0, 1);
  EXPECT_EQ(dead.at(0).key, "o-1");
  ASSERT_TRUE(worker->Stop().ok());

  // Restored, and retried by a person.
  test.Replace("o-1", good);
  worker = test.mesh.Start(test.group, {0, 1, 2, 3}, kQuick);
  EXPECT_EQ(*test.mesh.store().Request({.id = dead.at(0).id}, store::KeptAction::kRetry), 1);
  EXPECT_TRUE(test.WaitFor("o-1", 2));
}

TEST(WorkerDamage, OfAQueuedRecordHoldsItsKeyAlone) {
  Fixture test;
  store::Batch batch;
  batch.kept.push_back({.task = {test.group.name(), bus::PartitionOf("o-1", kPartitions)},
                        .state = store::KeptState::kParked,
                        .queued = true,
                        .key = "o-1",
                        .record = std::string(kDamaged)});
  test.Commit(batch);
  const auto worker = test.mesh.Start(test.group, {0, 1, 2, 3}, kQuick);
  test.mesh.Send(Create("o-1"), "o-1");
  for (int i = 2; i < 12; ++i) {
    const std::string id = "o-" + std::to_string(i);
    test.mesh.Send(Create(id), id);
    EXPECT_TRUE(test.WaitFor(id, 1)) << id;
  }
  EXPECT_TRUE(Eventually([&] { return test.Count(store::KeptState::kParked) == 2; }));
  EXPECT_EQ(test.Revision("o-1"), 0);
  // A person gives the record up.
  const auto kept = *test.mesh.store().reader().ListKept({}, 0, 1);
  EXPECT_EQ(*test.mesh.store().Request({.id = kept.at(0).id}, store::KeptAction::kSkip), 1);
  EXPECT_TRUE(test.WaitFor("o-1", 1));
}

TEST(WorkerDamage, OfAHeldEventHoldsItsChainAlone) {
  Fixture test;
  const store::TaskId task{test.group.name(), bus::PartitionOf("o-1", kPartitions)};
  // Damaged, and as an earlier version may have kept it: its headers are none of an event.
  bus::RecordContent record{.topic = kUserEvents, .partition = task.partition, .key = "o-1", .value = "x"};
  for (const std::string& bytes :
       {std::string(kDamaged), SerializeRecord(bus::Record::FromContent(std::move(record)))}) {
    store::Batch batch;
    batch.kept.push_back({.task = task, .state = store::KeptState::kHeld, .key = "o-1", .record = bytes});
    batch.kept.back().source = "/user/0";
    test.Commit(batch);
  }
  const auto worker = test.mesh.Start(test.group, {0, 1, 2, 3}, kQuick);
  test.mesh.Send(Create("o-1"), "o-1");
  EXPECT_TRUE(test.WaitFor("o-1", 1));
  EXPECT_EQ(test.Count(store::KeptState::kHeld), 2);
  EXPECT_EQ(*test.mesh.store().Request({.state = store::KeptState::kHeld}, store::KeptAction::kSkip), 2);
  EXPECT_TRUE(Eventually([&] { return test.Count(store::KeptState::kHeld) == 0; }));
}

TEST(WorkerDamage, OfItsProgressStopsATaskAlone) {
  Fixture test;
  auto worker = test.mesh.Start(test.group);
  test.mesh.Send(Create("o-1"), "o-1");
  ASSERT_TRUE(test.WaitFor("o-1", 1));
  ASSERT_TRUE(worker->Stop().ok());
  const std::string good = test.ReplaceProgress(kDamaged);

  worker = test.mesh.Start(test.group, {0, 1, 2, 3}, kQuick);
  test.ExpectStopsAlone("damaged");
  // Restored from a backup.
  test.ReplaceProgress(good);
  test.ExpectGoesOn("damaged", 2);
  EXPECT_TRUE(worker->Stop().ok());
}

TEST(StoppedTask, GoesOnWhenItsInputTopicIsBack) {
  Fixture test;
  test.group.Add({.run = [](const google::protobuf::Message&, Context&) { return Ack(); },
                  .prototype = &user::v1::UserRegistered::default_instance()});
  const auto worker = test.mesh.Start(test.group, {0, 1, 2, 3}, kQuick);
  test.mesh.Send(Create("o-1"), "o-1");
  ASSERT_TRUE(test.WaitFor("o-1", 1));
  test.mesh.kafka().DeleteTopic(kUserEvents);
  // Only this one is taken while the topic is away.
  worker->source().Lose({test.partition});
  worker->source().Assign({test.partition});
  test.ExpectStopsAlone("other");
  test.mesh.kafka().CreateTopic(kUserEvents, kPartitions);
  test.ExpectGoesOn("other", 2);
  EXPECT_TRUE(worker->Stop().ok());
}

// As long as it refuses, it takes neither "o-1" nor that a record of it is set aside.
class RefusingSession final : public testing::ForwardingSession {
 public:
  RefusingSession(std::unique_ptr<store::Session> session, const std::atomic<bool>& refuses)
      : ForwardingSession(*session), session_(std::move(session)), refuses_(refuses) {}

  absl::StatusOr<store::CommitResult> Commit(const store::Batch& batch) override {
    for (const store::AggregateWrite& write : batch.aggregates) {
      if (refuses_ && write.key == "o-1") return absl::InvalidArgumentError("refused on purpose");
    }
    for (const store::KeptRecord& kept : batch.kept) {
      if (refuses_ && kept.key == "o-1") return absl::InvalidArgumentError("refused on purpose");
    }
    return ForwardingSession::Commit(batch);
  }

 private:
  const std::unique_ptr<store::Session> session_;
  const std::atomic<bool>& refuses_;
};

TEST(StoppedTask, GoesOnWhenTheStoreTakesItsMessages) {
  Fixture test;
  std::atomic<bool> refuses{true};
  const auto worker = test.mesh.Start(test.group, {0, 1, 2, 3}, kQuick, [&](std::unique_ptr<store::Session> session) {
    return std::make_unique<RefusingSession>(std::move(session), refuses);
  });
  test.mesh.Send(Create("o-1"), "o-1");
  test.ExpectStopsAlone("other");
  refuses = false;
  test.ExpectGoesOn("other", 2);
  EXPECT_TRUE(worker->Stop().ok());
  EXPECT_EQ(test.Count(store::KeptState::kDead), 0);
}

}  // namespace
}  // namespace tradewind::runtime
