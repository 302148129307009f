// Records set aside, the queues of keys, and timers.
#include <gmock/gmock.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"

#include "tradewind/store/store_contract.h"

namespace tradewind::store {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using Kind = CommitResult::Kind;
using std::string_literals::operator""s;

TEST_P(StoreContract, KeepsRecordsOfATaskInOrder) {
  const TaskId task{"orders", 1};
  const TaskId other{"orders", 2};
  const std::string bytes = "k\0\xff"s;
  Batch batch;
  for (int i = 0; i < 3; ++i) {
    batch.kept.push_back({.task = task,
                          .state = KeptState::kDead,
                          .key = bytes,
                          .type = "T",
                          .reason = "why",
                          .record = bytes + std::to_string(i)});
  }
  batch.kept.push_back({.task = task, .state = KeptState::kHeld, .source = "source/1", .record = "held"});
  batch.kept.push_back({.task = other, .state = KeptState::kDead, .record = "other"});
  ASSERT_EQ(Commit(batch).kind, Kind::kCommitted);

  Reopen();
  auto dead = session_->LoadKept(task, KeptState::kDead);
  ASSERT_TRUE(dead.ok()) << dead.status();
  ASSERT_THAT(*dead, SizeIs(3));
  EXPECT_LT((*dead)[0].id, (*dead)[1].id);
  EXPECT_LT((*dead)[1].id, (*dead)[2].id);
  EXPECT_EQ((*dead)[1].task, task);
  EXPECT_EQ((*dead)[1].state, KeptState::kDead);
  EXPECT_EQ((*dead)[1].key, bytes);
  EXPECT_EQ((*dead)[1].source, "");
  EXPECT_EQ((*dead)[1].type, "T");
  EXPECT_EQ((*dead)[1].reason, "why");
  EXPECT_EQ((*dead)[1].record, bytes + "1");
  const auto held = session_->LoadKept(task, KeptState::kHeld);
  ASSERT_TRUE(held.ok()) << held.status();
  ASSERT_THAT(*held, SizeIs(1));
  EXPECT_EQ((*held)[0].source, "source/1");

  // An id is never given twice, not even that of the last record once it is gone.
  const auto all = store_->reader().ListKept({.state = KeptState::kDead}, 0, 10);
  ASSERT_TRUE(all.ok()) << all.status();
  ASSERT_THAT(*all, SizeIs(4));
  const int64_t last = all->back().id;
  Batch removal;
  removal.kept_removed = {(*dead)[1].id, last, 987654321};
  ASSERT_EQ(Commit(removal).kind, Kind::kCommitted);
  Batch addition;
  addition.kept.push_back({.task = task, .record = "new"});
  ASSERT_EQ(Commit(addition).kind, Kind::kCommitted);
  dead = session_->LoadKept(task, KeptState::kDead);
  ASSERT_TRUE(dead.ok()) << dead.status();
  ASSERT_THAT(*dead, SizeIs(3));
  EXPECT_EQ((*dead)[2].record, "new");
  EXPECT_GT((*dead)[2].id, last);
}

TEST_P(StoreContract, ListsAndCountsKeptRecordsOfAllTasks) {
  for (int i = 0; i < 5; ++i) {
    Batch batch;
    batch.kept.push_back({.task = {"group", i}, .record = std::to_string(i)});
    batch.kept.push_back({.task = {"group", i}, .state = KeptState::kHeld});
    ASSERT_EQ(Commit(batch).kind, Kind::kCommitted);
  }
  const auto listed = store_->reader().ListKept({.state = KeptState::kDead}, 0, 3);
  ASSERT_TRUE(listed.ok()) << listed.status();
  ASSERT_THAT(*listed, SizeIs(3));
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ((*listed)[static_cast<size_t>(i)].task.partition, i);
    EXPECT_EQ((*listed)[static_cast<size_t>(i)].record, std::to_string(i));
  }
  EXPECT_EQ(store_->reader().ListKept({.state = KeptState::kDead}, 0, 3, 1)->size(), 1U);
  EXPECT_EQ(store_->reader().ListKept({.state = KeptState::kDead}, 0, 3, 2)->size(), 2U);
  EXPECT_EQ(store_->reader().ListKept({.state = KeptState::kDead}, 0, 3, 100)->size(), 3U);
  EXPECT_EQ(*store_->reader().CountKept("group", KeptState::kDead), 5);
  EXPECT_EQ(*store_->reader().CountKept("group", KeptState::kHeld), 5);
}

KeptRecord Queued(const TaskId& task, std::string key, std::string record, KeptState state = KeptState::kParked) {
  return {.task = task, .state = state, .queued = true, .key = std::move(key), .record = std::move(record)};
}

std::vector<std::string> RecordsOf(const absl::StatusOr<std::vector<KeptRecord>>& kept) {
  EXPECT_TRUE(kept.ok()) << kept.status();
  std::vector<std::string> records;
  if (kept.ok()) {
    for (const KeptRecord& row : *kept) records.push_back(row.record);
  }
  return records;
}

TEST_P(StoreContract, KeepsAQueueForEachKeyOfATask) {
  const TaskId task{"orders", 1};
  const TaskId other{"orders", 2};
  const std::string bytes = "k\0\xff"s;
  const absl::Time due = absl::FromUnixMillis(1'700'000'000'123);
  Batch batch;
  batch.kept = {Queued(task, bytes, "a1"), Queued(task, "b", "b1", KeptState::kDead),
                Queued(task, bytes, "a2"), Queued(task, "b", "b2"),
                Queued(task, bytes, "a3"), Queued(other, bytes, "other")};
  batch.kept[0].attempts = 3;
  batch.kept[0].due = due;
  // Dead without holding its key back.
  batch.kept.push_back({.task = task, .state = KeptState::kDead, .key = "c", .record = "c1"});
  ASSERT_EQ(Commit(batch).kind, Kind::kCommitted);

  Reopen();
  auto heads = session_->LoadQueueHeads(task);
  ASSERT_TRUE(heads.ok()) << heads.status();
  std::sort(heads->begin(), heads->end(), [](const auto& left, const auto& right) { return left.id < right.id; });
  ASSERT_THAT(*heads, SizeIs(2));
  EXPECT_EQ((*heads)[0].key, bytes);
  EXPECT_EQ((*heads)[0].state, KeptState::kParked);
  EXPECT_EQ((*heads)[0].due, due);
  EXPECT_EQ((*heads)[1].key, "b");
  EXPECT_EQ((*heads)[1].state, KeptState::kDead);

  const std::vector<std::string> keys{"nobody", bytes, "b"};
  EXPECT_THAT(RecordsOf(session_->LoadQueues(task, keys, 2)), ElementsAre("a1", "a2", "b1", "b2"));
  const auto queues = session_->LoadQueues(task, keys, 100);
  EXPECT_THAT(RecordsOf(queues), ElementsAre("a1", "a2", "a3", "b1", "b2"));
  EXPECT_EQ((*queues)[0].id, (*heads)[0].id);
  EXPECT_EQ((*queues)[0].attempts, 3);
  EXPECT_EQ((*queues)[0].due, due);
  EXPECT_TRUE((*queues)[0].queued);

  Batch change;
  change.kept_removed = {(*queues)[0].id};
  change.kept_updated = {{.id = (*queues)[3].id,
                          .state = KeptState::kParked,
                          .reason = "again",
                          .attempts = 7,
                          .due = due + absl::Milliseconds(1)}};
  ASSERT_EQ(Commit(change).kind, Kind::kCommitted);
  const auto changed = session_->LoadQueues(task, keys, 1);
  EXPECT_THAT(RecordsOf(changed), ElementsAre("a2", "b1"));
  EXPECT_EQ((*changed)[1].state, KeptState::kParked);
  EXPECT_EQ((*changed)[1].reason, "again");
  EXPECT_EQ((*changed)[1].attempts, 7);
  EXPECT_EQ((*changed)[1].due, due + absl::Milliseconds(1));
}

TEST_P(StoreContract, PutsRecordsAheadOfAQueue) {
  const TaskId task{"orders", 1};
  Batch batch;
  batch.kept = {Queued(task, "a", "later"), Queued(task, "a", "last"), Queued(task, "b", "other")};
  ASSERT_EQ(Commit(batch).kind, Kind::kCommitted);
  batch.kept = {Queued(task, "a", "first", KeptState::kDead), Queued(task, "a", "second")};
  for (KeptRecord& kept : batch.kept) kept.ahead = true;
  ASSERT_EQ(Commit(batch).kind, Kind::kCommitted);
  const std::vector<std::string> keys{"a", "b"};
  const auto queues = session_->LoadQueues(task, keys, 10);
  ASSERT_THAT(RecordsOf(queues), ElementsAre("first", "second", "later", "last", "other"));
  EXPECT_TRUE((*queues)[0].ahead);
  EXPECT_FALSE((*queues)[2].ahead);
  const auto heads = session_->LoadQueueHeads(task);
  ASSERT_TRUE(heads.ok()) << heads.status();
  ASSERT_THAT(*heads, SizeIs(2));
  for (const QueueHead& head : *heads) {
    EXPECT_EQ(head.id, (*queues)[head.key == "a" ? 0 : 4].id);
    EXPECT_EQ(head.state, head.key == "a" ? KeptState::kDead : KeptState::kParked);
  }
}

TEST_P(StoreContract, LoadsOfEachQueueUpToAnAmountOfBytes) {
  const TaskId task{"orders", 1};
  Batch batch;
  for (const char* const key : {"a", "b"}) {
    for (const char digit : {'1', '2', '3'}) batch.kept.push_back(Queued(task, key, std::string(100, digit)));
  }
  ASSERT_EQ(Commit(batch).kind, Kind::kCommitted);
  const std::vector<std::string> keys{"a", "b"};
  EXPECT_THAT(*session_->LoadQueues(task, keys, 10, 1), SizeIs(2));
  EXPECT_THAT(*session_->LoadQueues(task, keys, 10, 100), SizeIs(2));
  EXPECT_THAT(*session_->LoadQueues(task, keys, 10, 101), SizeIs(4));
  EXPECT_THAT(*session_->LoadQueues(task, keys, 1, 1000), SizeIs(2));
  EXPECT_THAT(*session_->LoadQueues(task, keys, 10, 1000), SizeIs(6));
}

TEST_P(StoreContract, TellsTheIdsOfKeptRecordsAndLoadsThemByPage) {
  const TaskId task{"orders", 1};
  Batch batch;
  for (const char* const record : {"1", "2", "3"}) {
    batch.kept.push_back(Queued(task, "a", record, KeptState::kHeld));
    batch.kept.push_back(Queued(task, "a", "dead", KeptState::kDead));
  }
  const CommitResult result = Commit(batch);
  ASSERT_THAT(result.kept_ids, SizeIs(6));
  const std::vector<int64_t> wanted{result.kept_ids[4], result.kept_ids[0], 987654321};
  EXPECT_THAT(RecordsOf(session_->LoadKeptById(wanted)), ElementsAre("1", "3"));
  EXPECT_THAT(RecordsOf(session_->LoadKept(task, KeptState::kHeld, 0, 2)), ElementsAre("1", "2"));
  EXPECT_THAT(RecordsOf(session_->LoadKept(task, KeptState::kHeld, result.kept_ids[2], 2)), ElementsAre("3"));
  // Whoever asks for so many bytes gets at least one record.
  EXPECT_THAT(RecordsOf(session_->LoadKept(task, KeptState::kHeld, 0, 10, 1)), ElementsAre("1"));
  EXPECT_THAT(RecordsOf(session_->LoadKept(task, KeptState::kHeld, 0, 10, 2)), ElementsAre("1", "2"));
  const auto counts = session_->CountKept("orders");
  ASSERT_TRUE(counts.ok()) << counts.status();
  EXPECT_EQ(counts->held, 3);
  EXPECT_EQ(counts->dead, 3);
  EXPECT_EQ(counts->parked, 0);
  EXPECT_EQ(session_->CountKept("others")->dead, 0);
}

TEST_P(StoreContract, TellsTheOwnerWhatAPersonRequests) {
  const TaskId task{"orders", 1};
  Batch batch;
  batch.kept = {Queued(task, "a", "a1"), Queued(task, "a", "a2"), Queued(task, "b", "b1", KeptState::kDead),
                Queued({"orders", 2}, "a", "x1", KeptState::kDead), Queued({"other", 1}, "a", "y1", KeptState::kDead)};
  batch.kept[0].attempts = 1;
  batch.kept[0].due = absl::FromUnixMillis(1);
  batch.kept[2].type = "T";
  ASSERT_EQ(Commit(batch).kind, Kind::kCommitted);
  const std::vector<int32_t> mine{0, 1};
  EXPECT_THAT(RecordsOf(session_->LoadRequested("orders", mine, 10)), IsEmpty());

  // What only waits behind another one of its key has not failed.
  EXPECT_EQ(*store_->Request({.failed_only = true}, KeptAction::kRetry), 4);
  EXPECT_THAT(RecordsOf(session_->LoadRequested("orders", mine, 10)), ElementsAre("a1", "b1"));
  EXPECT_THAT(RecordsOf(session_->LoadRequested("orders", mine, 1)), ElementsAre("a1"));
  // However large it is, the first is among them.
  EXPECT_THAT(RecordsOf(session_->LoadRequested("orders", mine, 10, 1)), ElementsAre("a1"));
  EXPECT_THAT(RecordsOf(session_->LoadRequested("orders", mine, 10, 3)), ElementsAre("a1", "b1"));
  EXPECT_EQ(*store_->Request({.key = "nobody"}, KeptAction::kSkip), 0);
  EXPECT_EQ(*store_->Request({.type = "T"}, KeptAction::kSkip), 1);
  const auto requested = session_->LoadRequested("orders", mine, 10);
  ASSERT_THAT(RecordsOf(requested), ElementsAre("a1", "b1"));
  EXPECT_EQ((*requested)[0].requested, KeptAction::kRetry);
  EXPECT_EQ((*requested)[1].requested, KeptAction::kSkip);

  // It failed once more meanwhile: what was asked of it still is.
  Batch failed;
  failed.kept_updated = {{.id = (*requested)[0].id, .state = KeptState::kParked}};
  ASSERT_EQ(Commit(failed).kind, Kind::kCommitted);
  EXPECT_THAT(RecordsOf(session_->LoadRequested("orders", mine, 10)), ElementsAre("a1", "b1"));
  // And so is what was asked after the request that is carried out.
  failed.kept_updated[0].carried_out = KeptAction::kSkip;
  ASSERT_EQ(Commit(failed).kind, Kind::kCommitted);
  EXPECT_THAT(RecordsOf(session_->LoadRequested("orders", mine, 10)), ElementsAre("a1", "b1"));

  Batch done;
  done.kept_updated = {
      {.id = (*requested)[0].id, .state = KeptState::kParked, .carried_out = (*requested)[0].requested}};
  done.kept_removed = {(*requested)[1].id};
  ASSERT_EQ(Commit(done).kind, Kind::kCommitted);
  EXPECT_THAT(RecordsOf(session_->LoadRequested("orders", mine, 10)), IsEmpty());
}

TEST_P(StoreContract, ListsKeptRecordsByFilterAndPage) {
  Batch batch;
  for (int i = 0; i < 6; ++i) {
    batch.kept.push_back({.task = {"group", i},
                          .state = i % 2 == 0 ? KeptState::kDead : KeptState::kParked,
                          .key = std::string(1, static_cast<char>('a' + i / 2)),
                          .type = i < 4 ? "Early" : "Late",
                          .record = std::to_string(i)});
  }
  ASSERT_EQ(Commit(batch).kind, Kind::kCommitted);
  Reader& reader = store_->reader();
  EXPECT_THAT(RecordsOf(reader.ListKept({}, 0, 10)), ElementsAre("0", "1", "2", "3", "4", "5"));
  EXPECT_THAT(RecordsOf(reader.ListKept({.state = KeptState::kParked}, 0, 10)), ElementsAre("1", "3", "5"));
  EXPECT_THAT(RecordsOf(reader.ListKept({.key = "b"}, 0, 10)), ElementsAre("2", "3"));
  EXPECT_THAT(RecordsOf(reader.ListKept({.type = "Late"}, 0, 10)), ElementsAre("4", "5"));
  EXPECT_THAT(RecordsOf(reader.ListKept({.failed_only = true}, 0, 10)), ElementsAre("0", "2", "4"));
  const auto page = reader.ListKept({.type = "Early"}, 0, 3);
  EXPECT_THAT(RecordsOf(page), ElementsAre("0", "1", "2"));
  EXPECT_THAT(RecordsOf(reader.ListKept({.type = "Early"}, page->back().id, 3)), ElementsAre("3"));
  EXPECT_THAT(RecordsOf(reader.ListKept({.id = page->back().id}, 0, 3)), ElementsAre("2"));
}

Timer MakeTimer(const TaskId& task, std::string key, std::string name, absl::Time due, std::string record) {
  Timer timer;
  timer.task = task;
  timer.key = std::move(key);
  timer.name = std::move(name);
  timer.due = due;
  timer.record = std::move(record);
  return timer;
}

TEST_P(StoreContract, KeepsTimersInTheOrderTheyAreDue) {
  const TaskId task{"orders", 1};
  const std::string bytes = "k\0\xff"s;
  const absl::Time start = absl::FromUnixMillis(1'700'000'000'123);
  const auto timer = [&](std::string key, std::string name, int ms, std::string record) {
    return MakeTimer(task, std::move(key), std::move(name), start + absl::Milliseconds(ms), std::move(record));
  };
  const auto load = [&](int64_t limit, int64_t max_bytes = 1000) {
    std::vector<std::string> records;
    const auto timers = session_->LoadTimers(task, limit, max_bytes);
    EXPECT_TRUE(timers.ok()) << timers.status();
    for (const Timer& loaded : *timers) records.push_back(loaded.record);
    return records;
  };
  Batch batch;
  batch.timers_set = {timer(bytes, "pay", 5, "5"), timer("b", "pay", 1, "1"), timer(bytes, "ship", 3, "3")};
  batch.timers_set.push_back(MakeTimer({"orders", 2}, "b", "pay", start, "other"));
  ASSERT_EQ(Commit(batch).kind, Kind::kCommitted);
  Reopen();
  EXPECT_THAT(load(10), ElementsAre("1", "3", "5"));
  EXPECT_THAT(load(2), ElementsAre("1", "3"));
  EXPECT_THAT(load(10, 1), ElementsAre("1"));
  EXPECT_THAT(load(10, 2), ElementsAre("1", "3"));
  const auto timers = session_->LoadTimers(task, 10);
  EXPECT_EQ((*timers)[1].key, bytes);
  EXPECT_EQ((*timers)[1].name, "ship");
  EXPECT_EQ((*timers)[1].due, start + absl::Milliseconds(3));
  EXPECT_EQ((*timers)[1].task, task);

  Batch change;
  change.timers_removed = {{task, bytes, "pay"}, {task, "nobody", "pay"}};
  // Replaces the timer of that name, and is set although a timer of its name is removed.
  change.timers_set = {timer("b", "pay", 9, "9"), timer(bytes, "pay", 2, "2")};
  ASSERT_EQ(Commit(change).kind, Kind::kCommitted);
  EXPECT_THAT(load(10), ElementsAre("2", "3", "9"));
}

TEST_P(StoreContract, WritesNoTimerAndNoKeptRecordOfAFencedBatch) {
  const TaskId task{"orders", 1};
  const TakenTask taken = Take(task);
  Batch first;
  first.kept = {Queued(task, "a", "a1")};
  first.timers_set.push_back(MakeTimer(task, "a", "pay", absl::UnixEpoch(), "pay"));
  ASSERT_EQ(Commit(first).kind, Kind::kCommitted);
  Take(task);
  const int64_t id = store_->reader().ListKept({}, 0, 10)->front().id;
  Batch zombie;
  zombie.tasks = {MakeTaskCommit(task, taken)};
  zombie.kept = {Queued(task, "a", "a2")};
  zombie.kept_updated = {{.id = id, .state = KeptState::kDead, .reason = "zombie"}};
  zombie.kept_removed = {id};
  zombie.timers_set.push_back(MakeTimer(task, "b", "pay", absl::UnixEpoch(), "zombie"));
  zombie.timers_removed = {{task, "a", "pay"}};
  ASSERT_EQ(Commit(zombie).kind, Kind::kFenced);
  const auto kept = store_->reader().ListKept({}, 0, 10);
  EXPECT_THAT(RecordsOf(kept), ElementsAre("a1"));
  EXPECT_EQ(kept->front().reason, "");
  const auto timers = session_->LoadTimers(task, 10);
  ASSERT_THAT(*timers, SizeIs(1));
  EXPECT_EQ((*timers)[0].record, "pay");
}

}  // namespace
}  // namespace tradewind::store
