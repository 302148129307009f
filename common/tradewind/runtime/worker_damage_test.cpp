// What a worker does about rows of its store that cannot be read: each costs its own key and nothing else.
#include <gtest/gtest.h>

#include <string>

#include "tradewind/bus/envelope.h"
#include "tradewind/order/v1/order.pb.h"
#include "tradewind/runtime/kept_record.h"
#include "tradewind/runtime/worker_harness.h"
#include "tradewind/runtime/worker_test_group.h"
#include "tradewind/testing/eventually.h"

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

  Mesh mesh;
  Group group = CountingGroup();
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

}  // namespace
}  // namespace tradewind::runtime
