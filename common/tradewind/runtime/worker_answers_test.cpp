// How long the answers to requests are kept: each task's by its own progress, over either kind of store.
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "tradewind/bus/envelope.h"
#include "tradewind/order/v1/order.pb.h"
#include "tradewind/runtime/worker_stores.h"
#include "tradewind/runtime/worker_test_group.h"
#include "tradewind/telemetry/metrics.h"
#include "tradewind/testing/eventually.h"

namespace tradewind::runtime {
namespace {

using testing::Eventually;

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

}  // namespace
}  // namespace tradewind::runtime
