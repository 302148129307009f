// Who may write and publish: takeovers, zombies, failed deliveries, a store that is away, and everything that is
// refused because store, offsets and topics do not belong together.
#include <atomic>
#include <thread>

#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "tradewind/bus/envelope.h"
#include "tradewind/mesh/v1/state.pb.h"
#include "tradewind/order/v1/events.pb.h"
#include "tradewind/order/v1/order.pb.h"
#include "tradewind/runtime/takeover.h"
#include "tradewind/runtime/worker_harness.h"
#include "tradewind/runtime/worker_test_group.h"
#include "tradewind/telemetry/metrics.h"
#include "tradewind/testing/eventually.h"
#include "tradewind/testing/forwarding_session.h"

namespace tradewind::runtime {
namespace {

using order::v1::Order;
using ::testing::HasSubstr;

int64_t Revision(Mesh& mesh, const std::string& id) {
  const auto stored = mesh.store().reader().Get(Order::descriptor()->full_name(), id);
  Order order;
  if (stored.ok() && stored->has_value()) order.ParseFromString((*stored)->value);
  return order.revision();
}

bool WaitForRevision(Mesh& mesh, const std::string& id, int64_t revision) {
  const absl::Time deadline = absl::Now() + absl::Seconds(10);
  while (Revision(mesh, id) < revision && absl::Now() < deadline) std::this_thread::yield();
  return Revision(mesh, id) == revision;
}

// What a subscriber that keeps the rule of the chain takes of a topic.
std::vector<std::string> TakenByWatermark(const std::vector<bus::RecordContent>& records) {
  InputProgress progress("topic");
  std::vector<std::string> taken;
  for (const bus::RecordContent& content : records) {
    const bus::Record record = bus::Record::FromContent(content);
    const auto envelope = bus::ParseEnvelope(record);
    const Verdict verdict = progress.Judge(*envelope);
    EXPECT_NE(verdict, Verdict::kGap);
    if (verdict != Verdict::kTake) continue;
    progress.Take(*envelope, absl::Now());
    taken.emplace_back(envelope->id);
  }
  return taken;
}

// A thousand partitions must not take a thousand round trips, in each of which the others stand still.
TEST(WorkerOwnership, AsksKafkaForAllTasksTogether) {
  Mesh mesh;
  const Group group = CountingGroup();
  const auto worker = mesh.Start(group);
  // Once what is committed, once what the logs hold, and perhaps where they end for the sake of timers.
  EXPECT_LE(worker->source().questions(), 3);
}

TEST(WorkerOwnership, PublishesWhatACrashedOwnerHadCommitted) {
  Mesh mesh;
  const Group group = CountingGroup();
  auto first = mesh.Start(group);
  first->events().Cork();
  for (int i = 0; i < 3; ++i) mesh.Send(Create("o-1"), "o-1");
  ASSERT_TRUE(WaitForRevision(mesh, "o-1", 3));
  EXPECT_TRUE(mesh.kafka().ReadAll(kEvents).empty());
  // The first is not stopped: it holds the task while the second takes it, like a process that has stalled.
  const auto second = mesh.Start(group);
  EXPECT_TRUE(mesh.kafka().WaitForRecords(kEvents, 3));
  mesh.Send(Create("o-1"), "o-1");
  ASSERT_TRUE(mesh.kafka().WaitForRecords(kEvents, 4));
  EXPECT_TRUE(WaitForRevision(mesh, "o-1", 4));
}

TEST(WorkerOwnership, AZombieCommitsNothingAndItsLateEventsAreRepeats) {
  Mesh mesh;
  const Group group = CountingGroup();
  const auto zombie = mesh.Start(group);
  zombie->events().Cork();
  mesh.Send(Create("o-1"), "o-1");
  ASSERT_TRUE(WaitForRevision(mesh, "o-1", 1));
  const auto owner = mesh.Start(group);
  for (int i = 0; i < 3; ++i) mesh.Send(Create("o-1"), "o-1");
  ASSERT_TRUE(mesh.kafka().WaitForRecords(kEvents, 4));
  zombie->events().Uncork();
  ASSERT_TRUE(mesh.kafka().WaitForRecords(kEvents, 5));
  EXPECT_EQ(TakenByWatermark(mesh.kafka().Read(kEvents, bus::PartitionOf("o-1", kPartitions))).size(), 4U);
  EXPECT_TRUE(WaitForRevision(mesh, "o-1", 4));
}

TEST(WorkerOwnership, TwoOwnersOfOneTaskHandleEachCommandOnce) {
  Mesh mesh;
  const Group group = CountingGroup();
  const auto one = mesh.Start(group);
  const auto other = mesh.Start(group);
  constexpr int kCount = 300;
  for (int i = 0; i < kCount; ++i) mesh.Send(Create("o-1"), "o-1");
  EXPECT_TRUE(WaitForRevision(mesh, "o-1", kCount));
}

TEST(WorkerOwnership, TasksThatMeetOnOneAggregateLoseNoWrite) {
  Mesh mesh;
  Group group("order");
  group.AddCommand({.run =
                        [](const google::protobuf::Message&, Context& context) {
                          const auto shared = context.Load<Order>("shared");
                          shared->set_revision(shared->revision() + 1);
                          return Ack();
                        },
                    .prototype = &order::v1::CreateOrderRequest::default_instance()});
  const auto even = mesh.Start(group, {0, 2});
  const auto odd = mesh.Start(group, {1, 3});
  constexpr int kCount = 1000;
  for (int i = 0; i < kCount; ++i) {
    const std::string key = "o-" + std::to_string(i);
    mesh.Send(Create(key), key);
  }
  EXPECT_TRUE(WaitForRevision(mesh, "shared", kCount));
}

TEST(WorkerOwnership, SendsEverythingAgainAfterAFailedDelivery) {
  for (const bool reaches_the_log : {false, true}) {
    Mesh mesh;
    const Group group = CountingGroup();
    const auto worker = mesh.Start(group);
    if (reaches_the_log) {
      worker->events().FailAfterAppending(5);
    } else {
      worker->events().FailAfter(5);
    }
    constexpr int kCount = 20;
    for (int i = 0; i < kCount; ++i) mesh.Send(Create("o-1"), "o-1");
    ASSERT_TRUE(WaitForRevision(mesh, "o-1", kCount));
    ASSERT_TRUE(worker->Stop().ok());
    const auto records = mesh.kafka().Read(kEvents, bus::PartitionOf("o-1", kPartitions));
    EXPECT_EQ(TakenByWatermark(records).size(), static_cast<size_t>(kCount));
  }
}

TEST(WorkerOwnership, ARestartPublishesNothingTwiceOnceTheOutboxWasTidied) {
  Mesh mesh;
  const Group group = CountingGroup();
  auto worker = mesh.Start(group);
  mesh.Send(Create("o-1"), "o-1");
  ASSERT_TRUE(mesh.kafka().WaitForRecords(kEvents, 1));
  ASSERT_TRUE(worker->Stop().ok());
  worker = mesh.Start(group);
  mesh.Send(Create("o-1"), "o-1");
  ASSERT_TRUE(mesh.kafka().WaitForRecords(kEvents, 2));
  ASSERT_TRUE(worker->Stop().ok());
  EXPECT_EQ(mesh.kafka().ReadAll(kEvents).size(), 2U);
}

TEST(WorkerOwnership, MirrorsOffsetsWithStoreAndEpoch) {
  Mesh mesh;
  const Group group = CountingGroup();
  const auto worker = mesh.Start(group);
  mesh.Send(Create("o-1"), "o-1");
  ASSERT_TRUE(WaitForRevision(mesh, "o-1", 1));
  ASSERT_TRUE(worker->Stop().ok());
  const auto committed = mesh.kafka().Committed(kCommands, bus::PartitionOf("o-1", kPartitions));
  EXPECT_EQ(committed.offset, 1);
  const auto metadata = OffsetMetadata::Parse(committed.metadata);
  ASSERT_TRUE(metadata.has_value());
  EXPECT_EQ(metadata->store_id, mesh.store().id());
  EXPECT_GT(metadata->epoch, 0U);
}

TEST(WorkerOwnership, TakesAnEpochAboveTheOneInKafka) {
  Mesh mesh;
  const Group group = CountingGroup();
  const uint64_t far = 9'000'000'000'000;
  mesh.kafka().SetCommitted({kCommands, 0, 0, OffsetMetadata{mesh.store().id(), far}.ToString()});
  const auto worker = mesh.Start(group, {0});
  std::string key = "o-0";
  for (int i = 1; bus::PartitionOf(key, kPartitions) != 0; ++i) key = "o-" + std::to_string(i);
  mesh.Send(Create(key), key);
  ASSERT_TRUE(mesh.kafka().WaitForRecords(kEvents, 1));
  const auto sequence = bus::Sequence::Parse(HeaderOf(mesh.kafka().ReadAll(kEvents)[0], bus::kSequenceHeader));
  ASSERT_TRUE(sequence.has_value());
  EXPECT_EQ(sequence->epoch, far + 1);
}

// Runs a worker over one command, so that store, offsets and log have a history.
void MakeHistory(Mesh& mesh, const Group& group) {
  const auto worker = mesh.Start(group);
  const int64_t before = Revision(mesh, "o-1");
  mesh.Send(Create("o-1"), "o-1");
  ASSERT_TRUE(WaitForRevision(mesh, "o-1", before + 1));
  ASSERT_TRUE(worker->Stop().ok());
}

TEST(WorkerOwnership, IsReadyWithNoPartition) {
  Mesh mesh;
  const Group group = CountingGroup();
  const auto worker = mesh.Start(group, {});
  EXPECT_TRUE(worker->ready());
  EXPECT_TRUE(worker->Stop().ok());
}

TEST(WorkerOwnership, RefusesAnotherStoreForTheGroup) {
  Mesh mesh;
  const Group group = CountingGroup();
  MakeHistory(mesh, group);
  const std::string first_id = mesh.store().id();
  mesh.OpenStore("another");
  const auto worker = mesh.Start(group);
  const absl::Status refused = worker->WaitForError();
  // Or a service would be called healthy in between.
  EXPECT_FALSE(worker->ready());
  EXPECT_TRUE(absl::IsFailedPrecondition(refused)) << refused;
  EXPECT_THAT(std::string(refused.message()), HasSubstr(first_id));
  EXPECT_THAT(std::string(refused.message()), HasSubstr("adopt_offsets"));
}

TEST(WorkerOwnership, RefusesAStoreRestoredFromABackupUnlessTold) {
  Mesh mesh;
  const Group group = CountingGroup();
  MakeHistory(mesh, group);
  mesh.CopyStore("store", "backup");
  MakeHistory(mesh, group);
  mesh.OpenStore("backup");
  const absl::Status refused = mesh.Start(group)->WaitForError();
  EXPECT_TRUE(absl::IsFailedPrecondition(refused)) << refused;
  EXPECT_THAT(std::string(refused.message()), HasSubstr("older copy"));

  const auto told = mesh.Start(group, {0, 1, 2, 3}, {.adopt_offsets = true});
  EXPECT_TRUE(WaitForRevision(mesh, "o-1", 2));
}

// Tasks of the group of these tests that have stopped for this reason.
double Stopped(const std::string& why) {
  return telemetry::NewGauge("tradewind_tasks_stopped", "", {{"group", "order"}, {"why", why}}).value();
}

// The task of "o-1" has stopped and changes nothing; the others go on, and the process ends well when it is told to.
void ExpectStoppedAlone(Mesh& mesh, const Group& group, const std::string& why) {
  const int64_t before = Revision(mesh, "o-1");
  const auto worker = mesh.Start(group);
  EXPECT_TRUE(testing::Eventually([&] { return Stopped(why) == 1; }));
  const std::string other = KeyBeside("o-1");
  const int64_t other_before = Revision(mesh, other);
  mesh.Send(Create("o-1"), "o-1");
  mesh.Send(Create(other), other);
  EXPECT_TRUE(WaitForRevision(mesh, other, other_before + 1));
  EXPECT_EQ(Revision(mesh, "o-1"), before);
  EXPECT_TRUE(worker->Stop().ok());
  EXPECT_EQ(Stopped(why), 0);
}

// As app/partition_admin does it once a person has accepted the loss: the task goes on at `offset` of its commands.
void GoOnAt(Mesh& mesh, const Group& group, int64_t offset, int64_t begin) {
  std::string blob;
  CommitForTask(mesh, TaskOf(group, "o-1"), [&](const store::TakenTask& taken, store::TaskCommit& commit) {
    auto progress = *TaskProgress::Parse(taken.progress);
    progress.FindInput(kCommands)->GoOnAt(offset, begin);
    blob = progress.Serialize(kClusterId);
    commit.progress = blob;
  });
}

TEST(WorkerOwnership, StopsTheTaskOfARecreatedTopicAlone) {
  Mesh mesh;
  const Group group = CountingGroup();
  MakeHistory(mesh, group);
  mesh.kafka().RecreateTopic(kCommands);
  ExpectStoppedAlone(mesh, group, "lost");
  // With as many records as before, only the fingerprint of the last one tells.
  mesh.Send(Create("o-1"), "o-1");
  ExpectStoppedAlone(mesh, group, "lost");
  // Kafka may go on knowing the greater offset of the former log.
  GoOnAt(mesh, group, 0, 0);
  const int64_t before = Revision(mesh, "o-1");
  const auto worker = mesh.Start(group);
  EXPECT_TRUE(WaitForRevision(mesh, "o-1", before + 3));
}

TEST(WorkerOwnership, StopsTheTaskWhoseRecordsHaveExpiredAlone) {
  Mesh mesh;
  const Group group = CountingGroup();
  MakeHistory(mesh, group);
  for (int i = 0; i < 3; ++i) mesh.Send(Create("o-1"), "o-1");
  mesh.kafka().DeleteBefore(kCommands, bus::PartitionOf("o-1", kPartitions), 3);
  ExpectStoppedAlone(mesh, group, "lost");
  const int64_t before = Revision(mesh, "o-1");
  GoOnAt(mesh, group, 3, 3);
  const auto worker = mesh.Start(group);
  EXPECT_TRUE(WaitForRevision(mesh, "o-1", before + 2));
  ASSERT_TRUE(worker->Stop().ok());
  EXPECT_EQ(Revision(mesh, "o-1"), before + 2);
}

TEST(WorkerOwnership, KeepsAsDeadAnOutboxRowThatCannotBeRead) {
  mesh::v1::OutboxBatch without_events;
  without_events.set_source("/order/1");
  mesh::v1::OutboxBatch without_source;
  without_source.add_events()->set_topic(kEvents);
  mesh::v1::OutboxBatch without_topic = without_events;
  without_topic.add_events()->set_type("tradewind.order.v1.OrderCreated");
  // The last is a field that nobody has: it parses.
  for (const std::string& bytes :
       {without_events.SerializeAsString(), without_source.SerializeAsString(), without_topic.SerializeAsString(),
        std::string("\xff\xff"), std::string("\xc0\x3e\x01")}) {
    Mesh mesh;
    const Group group = CountingGroup();
    MakeHistory(mesh, group);
    CommitForTask(mesh, TaskOf(group, "o-1"),
                  [&](const store::TakenTask&, store::TaskCommit& commit) { commit.outbox = bytes; });
    const int64_t before = Revision(mesh, "o-1");
    const size_t published = mesh.kafka().ReadAll(kEvents).size();
    const auto worker = mesh.Start(group);
    mesh.Send(Create("o-1"), "o-1");
    EXPECT_TRUE(WaitForRevision(mesh, "o-1", before + 1));
    EXPECT_TRUE(mesh.kafka().WaitForRecords(kEvents, published + 1));
    EXPECT_TRUE(testing::Eventually(
        [&] { return *mesh.store().reader().CountKept(group.name(), store::KeptState::kDead) == 1; }));
    EXPECT_TRUE(worker->Stop().ok());
  }
}

TEST(WorkerOwnership, DropsWhatItLostAndTakesItAgain) {
  Mesh mesh;
  const Group group = CountingGroup();
  const auto worker = mesh.Start(group);
  mesh.Send(Create("o-1"), "o-1");
  ASSERT_TRUE(WaitForRevision(mesh, "o-1", 1));
  worker->source().Lose({0, 1, 2, 3});
  worker->source().Assign({0, 1, 2, 3});
  mesh.Send(Create("o-1"), "o-1");
  EXPECT_TRUE(WaitForRevision(mesh, "o-1", 2));
}

TEST(WorkerOwnership, TellsKafkaItsOffsetsAgainWhereThatFailed) {
  Mesh mesh;
  const Group group = CountingGroup();
  const auto worker = mesh.Start(group);
  worker->source().FailCommits(1);
  mesh.Send(Create("o-1"), "o-1");
  ASSERT_TRUE(WaitForRevision(mesh, "o-1", 1));
  // The worker takes it for time that has passed: so soon after an assignment it tells Kafka nothing.
  mesh.StepWallClock(absl::Seconds(4));
  EXPECT_TRUE(testing::Eventually(
      [&] { return mesh.kafka().Committed(kCommands, bus::PartitionOf("o-1", kPartitions)).offset == 1; }));
}

// A session to a store that, once a test says so, has lost the last commit of each task.
class LosingSession final : public testing::ForwardingSession {
 public:
  LosingSession(std::unique_ptr<store::Session> inner, std::atomic<bool>& loses)
      : ForwardingSession(*inner), inner_(std::move(inner)), loses_(loses) {}

  absl::StatusOr<store::TakenTask> TakeTask(const store::TaskId& task, uint64_t floor, uint64_t own) override {
    auto taken = ForwardingSession::TakeTask(task, floor, own);
    if (loses_ && taken.ok() && taken->emit_sequence > 0) --taken->emit_sequence;
    return taken;
  }

 private:
  const std::unique_ptr<store::Session> inner_;
  std::atomic<bool>& loses_;
};

TEST(WorkerOwnership, EndsWhereTheStoreHasLostAcknowledgedCommits) {
  Mesh mesh;
  const Group group = CountingGroup();
  std::atomic<bool> loses{false};
  const auto lose = [&](std::unique_ptr<store::Session> inner) {
    return std::make_unique<LosingSession>(std::move(inner), loses);
  };
  auto worker = mesh.Start(group, {0, 1, 2, 3}, {}, lose);
  mesh.Send(Create("o-1"), "o-1");
  ASSERT_TRUE(WaitForRevision(mesh, "o-1", 1));
  loses = true;
  worker->source().Lose({0, 1, 2, 3});
  worker->source().Assign({0, 1, 2, 3});
  const absl::Status ended = worker->WaitForError();
  EXPECT_TRUE(absl::IsFailedPrecondition(ended)) << ended;
  EXPECT_THAT(std::string(ended.message()), ::testing::HasSubstr("has lost commits that it had acknowledged"));
  loses = false;
  worker = mesh.Start(group);
  mesh.Send(Create("o-1"), "o-1");
  EXPECT_TRUE(WaitForRevision(mesh, "o-1", 2));
}

// A session whose calls fail while a test says so.
class FlakySession final : public testing::ForwardingSession {
 public:
  FlakySession(std::unique_ptr<store::Session> inner, std::atomic<int>& unavailable, std::string refused)
      : ForwardingSession(*inner), inner_(std::move(inner)), unavailable_(unavailable), refused_(std::move(refused)) {}

  absl::StatusOr<store::TakenTask> TakeTask(const store::TaskId& task, uint64_t floor, uint64_t own) override {
    if (Away()) return absl::UnavailableError("away on purpose");
    return ForwardingSession::TakeTask(task, floor, own);
  }
  absl::StatusOr<std::vector<store::Aggregate>> LoadAggregates(absl::Span<const store::AggregateKey> keys) override {
    if (Away()) return absl::UnavailableError("away on purpose");
    return ForwardingSession::LoadAggregates(keys);
  }
  absl::StatusOr<store::CommitResult> Commit(const store::Batch& batch) override {
    for (const store::AggregateWrite& write : batch.aggregates) {
      if (write.key == refused_) return absl::InvalidArgumentError("refused on purpose");
    }
    auto result = ForwardingSession::Commit(batch);
    // The answer is lost: the caller cannot know that this was written.
    if (!batch.aggregates.empty() && Away()) return absl::UnavailableError("answer lost on purpose");
    return result;
  }

 private:
  bool Away() { return unavailable_ > 0 && unavailable_-- > 0; }

  const std::unique_ptr<store::Session> inner_;
  std::atomic<int>& unavailable_;
  const std::string refused_;
};

TEST(WorkerOwnership, HandlesEachCommandOnceThoughTheStoreGoesAway) {
  Mesh mesh;
  const Group group = CountingGroup();
  std::atomic<int> unavailable{0};
  const auto worker = mesh.Start(group, {0, 1, 2, 3}, {}, [&](std::unique_ptr<store::Session> inner) {
    return std::make_unique<FlakySession>(std::move(inner), unavailable, "");
  });
  constexpr int kCount = 12;
  for (int i = 1; i <= kCount; ++i) {
    unavailable = i % 3;
    mesh.Send(Create("o-1"), "o-1");
    ASSERT_TRUE(WaitForRevision(mesh, "o-1", i));
  }
  ASSERT_TRUE(worker->Stop().ok());
  EXPECT_EQ(Revision(mesh, "o-1"), kCount);
  const auto records = mesh.kafka().Read(kEvents, bus::PartitionOf("o-1", kPartitions));
  EXPECT_EQ(TakenByWatermark(records).size(), static_cast<size_t>(kCount));
}

TEST(WorkerOwnership, ParksOnlyTheMessageThatTheStoreRefuses) {
  Mesh mesh;
  const Group group = CountingGroup();
  std::atomic<int> unavailable{0};
  for (const char* id : {"o-1", "o-2", "o-3"}) mesh.Send(Create(id), id);
  const WorkerConfig config{.max_attempts = 3, .first_retry = absl::Milliseconds(1)};
  const auto worker = mesh.Start(group, {0, 1, 2, 3}, config, [&](std::unique_ptr<store::Session> inner) {
    return std::make_unique<FlakySession>(std::move(inner), unavailable, "o-2");
  });
  ASSERT_TRUE(mesh.kafka().WaitForRecords(kDead, 1));
  EXPECT_TRUE(WaitForRevision(mesh, "o-1", 1));
  EXPECT_TRUE(WaitForRevision(mesh, "o-3", 1));
  EXPECT_EQ(Revision(mesh, "o-2"), 0);
  const auto dead = mesh.store().reader().ListKept({.state = store::KeptState::kDead}, 0, 10);
  ASSERT_EQ(dead->size(), 1U);
  // Trying again what can never be taken would help nobody.
  EXPECT_EQ((*dead)[0].attempts, 1);
  EXPECT_THAT((*dead)[0].reason, ::testing::HasSubstr("refused on purpose"));
}

TEST(WorkerOwnership, TakesNoInputWhileTheOutboxIsFull) {
  Mesh mesh;
  const Group group = CountingGroup();
  const auto worker = mesh.Start(group, {0, 1, 2, 3}, {.batch_messages = 1, .outbox_bytes = 1});
  worker->events().Cork();
  for (int i = 0; i < 5; ++i) mesh.Send(Create("o-1"), "o-1");
  ASSERT_TRUE(WaitForRevision(mesh, "o-1", 1));
  mesh.WaitForReplies(1);
  EXPECT_EQ(Revision(mesh, "o-1"), 1);
  const telemetry::Age oldest = telemetry::NewAge("tradewind_outbox_oldest_seconds", "", {{"group", group.name()}});
  EXPECT_TRUE(testing::Eventually([&] { return oldest.value() > 0; }));
  worker->events().Uncork();
  EXPECT_TRUE(WaitForRevision(mesh, "o-1", 5));
  EXPECT_TRUE(testing::Eventually([&] { return oldest.value() == 0; }));
}

// A store put back afterwards must not be able to give the epoch again unnoticed.
TEST(WorkerOwnership, TakesNoInputOfATaskAloneWhoseEventsAreRefused) {
  Mesh mesh;
  const Group group = CountingGroup();
  // Only its events are above the limit.
  const std::string refused(3000, 'k');
  const std::string other = KeyBeside(refused);
  mesh.kafka().LimitRecords(kEvents, 2000);
  constexpr int kCount = 50;
  for (int i = 0; i < kCount; ++i) mesh.Send(Create(refused), refused);
  const auto worker = mesh.Start(group, {0, 1, 2, 3}, {.batch_messages = 1, .outbox_bytes = 200'000});
  ASSERT_TRUE(testing::Eventually([&] { return Revision(mesh, refused) > 0; }));
  for (int i = 1; i <= 2 * kCount; ++i) {
    mesh.Send(Create(other), other);
    ASSERT_TRUE(WaitForRevision(mesh, other, i));
  }
  EXPECT_LT(Revision(mesh, refused), kCount);
  mesh.kafka().LimitRecords(kEvents, 1'000'000);
  EXPECT_TRUE(WaitForRevision(mesh, refused, kCount));
  EXPECT_TRUE(testing::Eventually([&] {
    return TakenByWatermark(mesh.kafka().Read(kEvents, bus::PartitionOf(refused, kPartitions))).size() == kCount;
  }));
  EXPECT_TRUE(worker->Stop().ok());
}

TEST(WorkerOwnership, TellsKafkaTheEpochBeforeAnythingIsPublishedUnderIt) {
  Mesh mesh;
  const Group group = CountingGroup();
  const auto worker = mesh.Start(group);
  for (int32_t partition = 0; partition < kPartitions; ++partition) {
    const auto metadata = OffsetMetadata::Parse(mesh.kafka().Committed(kCommands, partition).metadata);
    ASSERT_TRUE(metadata.has_value());
    EXPECT_EQ(metadata->store_id, mesh.store().id());
    EXPECT_GT(metadata->epoch, 0U);
  }
}

}  // namespace
}  // namespace tradewind::runtime
