#include "tradewind/store/store_contract.h"

#include <utility>

#include "absl/time/clock.h"

#include "tradewind/store/short_key.h"

namespace tradewind::store {

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(StoreContract);

void StoreContract::SetUp() {
  site_ = GetParam()();
  Reopen();
}

void StoreContract::Reopen() {
  session_.reset();
  store_.reset();
  absl::StatusOr<std::unique_ptr<Store>> store = site_->Open();
  ASSERT_TRUE(store.ok()) << store.status();
  store_ = *std::move(store);
  session_ = NewSession();
}

std::unique_ptr<Session> StoreContract::NewSession() {
  absl::StatusOr<std::unique_ptr<Session>> session = store_->OpenSession();
  EXPECT_TRUE(session.ok()) << session.status();
  return session.ok() ? *std::move(session) : nullptr;
}

TakenTask StoreContract::Take(const TaskId& task, uint64_t epoch_floor) {
  absl::StatusOr<TakenTask> taken = session_->TakeTask(task, epoch_floor);
  EXPECT_TRUE(taken.ok()) << taken.status();
  return taken.ok() ? *std::move(taken) : TakenTask();
}

CommitResult StoreContract::Commit(const Batch& batch) {
  absl::StatusOr<CommitResult> result = session_->Commit(batch);
  EXPECT_TRUE(result.ok()) << result.status();
  return result.ok() ? *std::move(result) : CommitResult();
}

Aggregate StoreContract::Load(std::string_view kind, std::string_view key) {
  const AggregateKey keys[] = {{kind, key}};
  absl::StatusOr<std::vector<Aggregate>> loaded = session_->LoadAggregates(keys);
  EXPECT_TRUE(loaded.ok()) << loaded.status();
  return loaded.ok() && loaded->size() == 1 ? loaded->front() : Aggregate();
}

std::optional<RequestRow> StoreContract::LoadRequest(const RequestKey& key) {
  absl::StatusOr<std::vector<std::optional<RequestRow>>> loaded = session_->LoadRequests({&key, 1});
  EXPECT_TRUE(loaded.ok()) << loaded.status();
  return loaded.ok() && loaded->size() == 1 ? loaded->front() : std::nullopt;
}

uint64_t StoreContract::Write(std::string_view kind, std::string_view key, uint64_t expected_version,
                              std::optional<std::string_view> value, std::vector<IndexEntry> added,
                              std::vector<IndexEntry> removed) {
  Batch batch;
  batch.aggregates.push_back(MakeWrite(kind, key, expected_version, value));
  batch.aggregates.back().index_added = std::move(added);
  batch.aggregates.back().index_removed = std::move(removed);
  const CommitResult result = Commit(batch);
  EXPECT_EQ(result.kind, CommitResult::Kind::kCommitted);
  EXPECT_EQ(result.versions.size(), 1u);
  return result.versions.empty() ? 0 : result.versions.front();
}

std::vector<std::string> StoreContract::ListKeys(const ListQuery& query) {
  const absl::StatusOr<std::vector<ListedAggregate>> listed = store_->reader().List(query);
  EXPECT_TRUE(listed.ok()) << listed.status();
  std::vector<std::string> keys;
  if (!listed.ok()) return keys;
  for (const ListedAggregate& aggregate : *listed) keys.push_back(aggregate.key);
  return keys;
}

AggregateWrite MakeWrite(std::string_view kind, std::string_view key, uint64_t expected_version,
                         std::optional<std::string_view> value) {
  AggregateWrite write;
  write.kind = kind;
  write.key = key;
  write.expected_version = expected_version;
  write.value = value;
  return write;
}

TaskCommit MakeTaskCommit(const TaskId& id, const TakenTask& taken) {
  TaskCommit commit;
  commit.task = id;
  commit.expected_epoch = taken.epoch;
  commit.expected_emit_sequence = taken.emit_sequence;
  commit.new_emit_sequence = taken.emit_sequence + 1;
  return commit;
}

namespace {

const TaskId kTaskOfK{"orders", 1};

}  // namespace

void WriteUnderK(Store& store) {
  const auto session = *store.OpenSession();
  Batch batch;
  batch.aggregates = {MakeWrite("order", "K", 0, "value")};
  batch.aggregates[0].index_added = {{"by_name", "K", 1}};
  batch.requests = {{{"K", "K", "K"}, "hash", "reply"}};
  batch.kept = {{.task = kTaskOfK, .state = KeptState::kParked, .queued = true, .key = "K", .record = "parked"}};
  batch.timers_set = {{.task = kTaskOfK, .key = "K", .name = "pay", .due = absl::UnixEpoch(), .record = "timer"}};
  ASSERT_TRUE(session->Commit(batch).ok());
}

void ExpectAnswersWithoutTasksAreKept(Store& store) {
  const auto session = *store.OpenSession();
  const RequestKey request{"K", "K", "K"};
  const int32_t partitions[] = {0, 1};
  // The group is known by now.
  Batch batch;
  batch.requests = {{{"L", "L", "L"}, "hash", "reply", kTaskOfK.group, 1}};
  ASSERT_TRUE(session->Commit(batch).ok());
  EXPECT_EQ(*session->PruneRequests(kTaskOfK.group, partitions, absl::Now(), 10), 1);
  EXPECT_EQ(session->LoadRequests({&request, 1})->at(0)->reply, "reply");
  EXPECT_EQ(*session->PruneRequestsWithoutTask(absl::Now(), 10), 1);
}

void ExpectFoundByLongKey(Store& store, const std::string& key) {
  const auto session = *store.OpenSession();
  EXPECT_EQ((*store.reader().Get("order", key))->value, "value");
  EXPECT_EQ(store.reader().List({.kind = "order", .index = "by_name", .value = key})->at(0).key, key);
  const RequestKey request{key, key, key};
  EXPECT_EQ(session->LoadRequests({&request, 1})->at(0)->reply, "reply");
  const std::vector<std::string> queue{ShortKey(key)};
  EXPECT_EQ(session->LoadQueueHeads(kTaskOfK)->at(0).key, queue[0]);
  EXPECT_EQ(session->LoadQueues(kTaskOfK, queue, 1)->at(0).key, key);
  EXPECT_EQ(session->LoadTimers(kTaskOfK, 1)->at(0).key, key);
}

}  // namespace tradewind::store
