// Partitions that are added to the topics of a running mesh: keys stay where they were.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "tradewind/order/v1/order.pb.h"
#include "tradewind/runtime/message_rule.h"
#include "tradewind/runtime/worker_harness.h"
#include "tradewind/runtime/worker_test_group.h"
#include "tradewind/telemetry/metrics.h"
#include "tradewind/testing/eventually.h"

namespace tradewind::runtime {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class WorkerPartitions : public ::testing::Test {
 protected:
  // As kafka-topics.sh --alter does.
  void Grow(const std::vector<std::string>& topics, int32_t partitions) {
    for (const std::string& topic : topics) mesh_.kafka().CreateTopic(topic, partitions);
  }

  // A key for which `is_wanted`.
  static std::string KeyWhere(const std::function<bool(std::string_view)>& is_wanted) {
    std::string key;
    for (int i = 1; key.empty() || !is_wanted(key); ++i) key = "o-" + std::to_string(i);
    return key;
  }

  // Puts a command where a gateway puts it that counts with that many partitions.
  void SendCounting(const std::string& key, int32_t partitions) {
    mesh_.Send(Create(key), key);
    bus::RecordContent record = mesh_.kafka().Read(kCommands, bus::PartitionOf(key, kPartitions)).back();
    record.partition = bus::PartitionOf(key, partitions);
    for (auto& [name, value] : record.headers) {
      if (name == bus::kIdHeader) value += "-elsewhere";
    }
    mesh_.kafka().Append(record);
  }

  int64_t Revision(const std::string& id) {
    const auto found = mesh_.store().reader().Get(order::v1::Order::descriptor()->full_name(), id);
    order::v1::Order order;
    if (found.ok() && found->has_value()) order.ParseFromString((*found)->value);
    return order.revision();
  }
  bool WaitForRevision(const std::string& id, int64_t revision) {
    return testing::Eventually([&] { return Revision(id) == revision; });
  }

  std::vector<store::KeptRecord> Dead() {
    return *mesh_.store().reader().ListKept({.state = store::KeptState::kDead}, 0, 100);
  }

  Mesh mesh_;
  Group group_ = CountingGroup();
};

TEST_F(WorkerPartitions, ReadsOnWhereThereAreMoreOfOneTopic) {
  const auto worker = mesh_.Start(group_);
  mesh_.Send(Create("o-1"), "o-1");
  ASSERT_TRUE(WaitForRevision("o-1", 1));
  Grow({kCommands}, 2 * kPartitions);
  worker->source().Assign({4, 5, 6, 7});
  ASSERT_TRUE(testing::Eventually([&] { return worker->source().owns(7); }));
  mesh_.Send(Create("o-1"), "o-1");
  EXPECT_TRUE(WaitForRevision("o-1", 2));
  // They are no tasks at all, of which a person could mend something.
  for (const std::string why : {"lost", "damaged", "other"}) {
    EXPECT_EQ(telemetry::NewGauge("tradewind_tasks_stopped", "", {{"group", "order"}, {"why", why}}).value(), 0);
  }
  // They can be given away like any other.
  worker->source().Revoke({4, 5});
  worker->source().Lose({6, 7});
  ASSERT_TRUE(testing::Eventually([&] { return !worker->source().owns(7); }));
  mesh_.Send(Create("o-1"), "o-1");
  EXPECT_TRUE(WaitForRevision("o-1", 3));
  EXPECT_TRUE(worker->Stop().ok());
}

TEST_F(WorkerPartitions, KeepsKeysInTheirTasksThoughAllTopicsGrow) {
  const std::string key =
      KeyWhere([](std::string_view candidate) { return bus::PartitionOf(candidate, 2 * kPartitions) >= kPartitions; });
  const int32_t partition = bus::PartitionOf(key, kPartitions);
  ASSERT_TRUE(mesh_.Start(group_)->Stop().ok());
  mesh_.Send(Create(key), key);
  Grow({kCommands, kEvents, kUserEvents, kDead, kReplies}, 2 * kPartitions);
  const auto worker = mesh_.Start(group_, {0, 1, 2, 3, 4, 5, 6, 7});
  EXPECT_TRUE(worker->ready());
  mesh_.Send(Create(key), key);
  ASSERT_TRUE(WaitForRevision(key, 2));
  ASSERT_TRUE(mesh_.kafka().WaitForRecords(kEvents, 2));
  EXPECT_THAT(mesh_.kafka().Read(kEvents, partition), SizeIs(2));
  // Whoever counts with more waits with what it has written, and overtakes nobody.
  SendCounting(key, 2 * kPartitions);
  ASSERT_TRUE(WaitForRevision(key, 3));
  ASSERT_TRUE(worker->Stop().ok());
  EXPECT_EQ(Revision(key), 3);
  EXPECT_THAT(Dead(), IsEmpty());
}

TEST_F(WorkerPartitions, SetsAsideWhatWasPutAmongTheOldOnesByTheNewCount) {
  constexpr int32_t kMore = 6;
  const std::string key = KeyWhere([](std::string_view candidate) {
    const int32_t moved = bus::PartitionOf(candidate, kMore);
    return moved < kPartitions && moved != bus::PartitionOf(candidate, kPartitions);
  });
  const auto worker = mesh_.Start(group_);
  // Who puts a record elsewhere while no partitions were added may do so.
  SendCounting(key, kMore);
  ASSERT_TRUE(WaitForRevision(key, 2));
  mesh_.WaitForReplies(2);
  Grow({kCommands}, kMore);
  SendCounting(key, kMore);
  const auto replies = mesh_.WaitForReplies(4);
  ASSERT_TRUE(worker->Stop().ok());
  EXPECT_EQ(Revision(key), 3);
  ASSERT_THAT(Dead(), SizeIs(1));
  EXPECT_THAT(Dead()[0].reason, HasSubstr("start that process with kafka.pinned_partitions=4"));
  EXPECT_EQ(Dead()[0].task.partition, bus::PartitionOf(key, kMore));
}

}  // namespace
}  // namespace tradewind::runtime
