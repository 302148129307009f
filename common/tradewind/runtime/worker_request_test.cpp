// What a person asks of records that were set aside, while other tasks have stopped or the store refuses it.
#include <atomic>
#include <functional>
#include <memory>
#include <semaphore>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "gtest/gtest.h"

#include "tradewind/bus/envelope.h"
#include "tradewind/runtime/kept_record.h"
#include "tradewind/runtime/worker_harness.h"
#include "tradewind/runtime/worker_test_group.h"
#include "tradewind/testing/eventually.h"
#include "tradewind/testing/forwarding_session.h"
#include "tradewind/user/v1/events.pb.h"

namespace tradewind::runtime {
namespace {

using testing::Eventually;

// Bytes of a value that fills a batch of SmallBatch by itself.
constexpr size_t kLarge = 2000;
WorkerConfig SmallBatch() {
  WorkerConfig config = kQuick;
  config.batch_bytes = kLarge;
  return config;
}

// Returns a record of group "order" that is set aside under `key`, in the partition of that key.
store::KeptRecord SetAside(const std::string& key, store::KeptState state, size_t bytes = 0) {
  bus::RecordContent record{.topic = kCommands,
                            .partition = bus::PartitionOf(key, kPartitions),
                            .offset = 7,
                            .key = key,
                            .value = std::string(bytes, ' ')};
  return {.task = {"order", record.partition},
          .state = state,
          .key = key,
          .record = SerializeRecord(bus::Record::FromContent(std::move(record)))};
}

void Keep(Mesh& mesh, std::vector<store::KeptRecord> kept) {
  store::Batch batch;
  batch.now = absl::Now();
  batch.kept = std::move(kept);
  ASSERT_EQ((*mesh.store().OpenSession())->Commit(batch)->kind, store::CommitResult::Kind::kCommitted);
}

// Refuses whatever a request changes of a record, and what is written of one aggregate. Calls `on_requested` whenever
// it has returned requests.
class RefusingSession final : public testing::ForwardingSession {
 public:
  RefusingSession(std::unique_ptr<store::Session> session, std::string aggregate, std::function<void()> on_requested)
      : ForwardingSession(*session),
        session_(std::move(session)),
        aggregate_(std::move(aggregate)),
        on_requested_(std::move(on_requested)) {}
  absl::StatusOr<std::vector<store::KeptRecord>> LoadRequested(std::string_view group,
                                                               absl::Span<const int32_t> partitions, int64_t limit,
                                                               int64_t max_bytes) override {
    auto requested = ForwardingSession::LoadRequested(group, partitions, limit, max_bytes);
    if (requested.ok() && !requested->empty()) on_requested_();
    return requested;
  }
  absl::StatusOr<store::CommitResult> Commit(const store::Batch& batch) override {
    bool refuses = !batch.kept_removed.empty() || !batch.kept_updated.empty();
    for (const store::AggregateWrite& write : batch.aggregates) refuses = refuses || write.key == aggregate_;
    if (refuses) return absl::InvalidArgumentError("refused on purpose");
    return ForwardingSession::Commit(batch);
  }

 private:
  std::unique_ptr<store::Session> session_;
  const std::string aggregate_;
  const std::function<void()> on_requested_;
};

// Once the first request cannot even be given up, the second is of a task that does not run.
TEST(WorkerRequest, GoesOnThoughTheStoreRefusesEveryRequest) {
  Mesh mesh;
  const Group group = CountingGroup();
  Keep(mesh, {SetAside("o-1", store::KeptState::kDead), SetAside("o-1", store::KeptState::kDead)});
  ASSERT_EQ(*mesh.store().Request({.key = "o-1"}, store::KeptAction::kRetry), 2);
  // In the same batch as the requests.
  const std::string beside = KeyBeside("o-1");
  bool sent = false;
  const auto worker = mesh.Start(group, {0, 1, 2, 3}, kQuick, [&](std::unique_ptr<store::Session> session) {
    return std::make_unique<RefusingSession>(std::move(session), beside, [&] {
      if (!std::exchange(sent, true)) mesh.Send(Create(beside), beside);
    });
  });
  EXPECT_TRUE(mesh.kafka().WaitForRecords(kDead, 1));
  EXPECT_TRUE(Eventually([&] {
    return mesh.store().reader().ListKept({.state = store::KeptState::kDead, .key = beside}, 0, 10)->size() == 1;
  }));
  EXPECT_TRUE(worker->Stop().ok());
}

// Refuses to load the queues of one task.
class UnreadableSession final : public testing::ForwardingSession {
 public:
  UnreadableSession(std::unique_ptr<store::Session> session, int32_t partition)
      : ForwardingSession(*session), session_(std::move(session)), partition_(partition) {}
  absl::StatusOr<std::vector<store::KeptRecord>> LoadQueues(const store::TaskId& task,
                                                            absl::Span<const std::string> keys, int64_t limit,
                                                            int64_t max_bytes) override {
    if (task.partition == partition_) return absl::InvalidArgumentError("refused on purpose");
    return ForwardingSession::LoadQueues(task, keys, limit, max_bytes);
  }

 private:
  std::unique_ptr<store::Session> session_;
  const int32_t partition_;
};

TEST(WorkerRequest, IsCarriedOutThoughAnotherTasksQueueIsRefused) {
  Mesh mesh;
  const Group group = CountingGroup();
  const std::string beside = KeyBeside("o-1");
  store::KeptRecord due = SetAside("o-1", store::KeptState::kParked);
  due.queued = true;
  Keep(mesh, {due, SetAside(beside, store::KeptState::kDead)});
  ASSERT_EQ(*mesh.store().Request({.key = beside}, store::KeptAction::kSkip), 1);
  const auto worker = mesh.Start(group, {0, 1, 2, 3}, kQuick, [](std::unique_ptr<store::Session> session) {
    return std::make_unique<UnreadableSession>(std::move(session), bus::PartitionOf("o-1", kPartitions));
  });
  EXPECT_TRUE(Eventually([&] { return mesh.store().reader().ListKept({.key = beside}, 0, 10)->empty(); }));
  EXPECT_TRUE(worker->Stop().ok());
}

// The row of the task of "o-1" does not parse: a minute passes until the task is looked at again.
void DamageRow(Mesh& mesh, const Group& group) {
  CommitForTask(mesh, TaskOf(group, "o-1"), [](const store::TakenTask&, store::TaskCommit& commit) {
    commit.progress = "\xff\xff";
    commit.ends_takes = false;
  });
}

TEST(WorkerRequest, WaitsForNoRequestsOfAStoppedTask) {
  Mesh mesh;
  const Group group = CountingGroup();
  DamageRow(mesh, group);
  const std::string beside = KeyBeside("o-1");
  Keep(mesh, {SetAside("o-1", store::KeptState::kDead, kLarge), SetAside("o-1", store::KeptState::kDead, kLarge),
              SetAside(beside, store::KeptState::kDead)});
  ASSERT_EQ(*mesh.store().Request({.failed_only = true}, store::KeptAction::kSkip), 3);
  const auto worker = mesh.Start(group, {0, 1, 2, 3}, SmallBatch());
  store::Reader& reader = mesh.store().reader();
  EXPECT_TRUE(Eventually([&] { return reader.ListKept({.key = beside}, 0, 10)->empty(); }));
  // What is asked of the stopped task's records stays noted.
  const auto others = *reader.ListKept({.key = "o-1"}, 0, 10);
  ASSERT_EQ(others.size(), 2U);
  EXPECT_EQ(others[0].requested, store::KeptAction::kSkip);
  EXPECT_TRUE(worker->Stop().ok());
}

TEST(WorkerRequest, WaitsForNoRequestsOfEffectsThatRun) {
  Mesh mesh;
  std::counting_semaphore<> release{0};
  std::atomic<int> begun{0};
  Group group("loyalty.effects");
  group.AddEffect({.effect =
                       [&](const google::protobuf::Message&, EffectContext&) {
                         // It fails once, so that it runs from its queue.
                         if (++begun == 1) return Retry(absl::ZeroDuration(), "broken on purpose");
                         release.acquire();
                         return Ack();
                       },
                   .prototype = &user::v1::UserRegistered::default_instance()});
  const auto worker = mesh.Start(group, {0, 1, 2, 3}, SmallBatch());
  mesh.Send(Registered("u-1", std::string(kLarge, ' ')), "u-1");
  EXPECT_TRUE(Eventually([&] { return begun == 2; }));
  EXPECT_EQ(*mesh.store().Request({.key = "u-1"}, store::KeptAction::kSkip), 1);
  store::KeptRecord dead = SetAside("u-1", store::KeptState::kDead);
  dead.task.group = group.name();
  dead.key = "beside";
  Keep(mesh, {dead});
  EXPECT_EQ(*mesh.store().Request({.key = "beside"}, store::KeptAction::kSkip), 1);
  store::Reader& reader = mesh.store().reader();
  EXPECT_TRUE(Eventually([&] { return reader.ListKept({.key = "beside"}, 0, 10)->empty(); }));
  EXPECT_EQ(reader.ListKept({.key = "u-1"}, 0, 10)->size(), 1U);
  release.release();
  EXPECT_TRUE(Eventually([&] { return reader.ListKept({}, 0, 10)->empty(); }));
  EXPECT_TRUE(worker->Stop().ok());
}

}  // namespace
}  // namespace tradewind::runtime
