// Tasks, epochs, fencing, versions and what a commit leaves behind.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <array>
#include <atomic>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"

#include "tradewind/store/store_contract.h"

namespace tradewind::store {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using Kind = CommitResult::Kind;
using std::string_literals::operator""s;

const TaskId kTask{"orders", 3};

TEST_P(StoreContract, HasAnIdOfItsOwnThatStays) {
  const std::string id = store_->id();
  EXPECT_THAT(id, SizeIs(32));
  Reopen();
  EXPECT_EQ(store_->id(), id);
  const auto other_site = GetParam()();
  const auto other = other_site->Open();
  ASSERT_TRUE(other.ok()) << other.status();
  EXPECT_NE((*other)->id(), id);
}

TEST_P(StoreContract, TakesANewTaskWithNothingInIt) {
  const auto before = static_cast<uint64_t>(absl::ToUnixMillis(absl::Now()));
  const TakenTask taken = Take(kTask);
  EXPECT_GE(taken.epoch, before);
  EXPECT_LE(taken.epoch, static_cast<uint64_t>(absl::ToUnixMillis(absl::Now())));
  EXPECT_EQ(taken.emit_sequence, 0u);
  EXPECT_EQ(taken.progress, "");
  EXPECT_THAT(taken.outbox, IsEmpty());
}

TEST_P(StoreContract, RaisesTheEpochAboveTheStoredOneAndTheFloor) {
  const uint64_t future = Take(kTask).epoch + 1'000'000'000;
  EXPECT_EQ(Take(kTask, future).epoch, future);
  EXPECT_EQ(Take(kTask, future).epoch, future + 1);
  EXPECT_EQ(Take(kTask).epoch, future + 2);
  Reopen();
  EXPECT_EQ(Take(kTask).epoch, future + 3);
  EXPECT_LT(Take({"orders", 4}).epoch, future);
  EXPECT_LT(Take({"other", 3}).epoch, future);
}

TEST_P(StoreContract, CountsTakesUntilACommitEndsTheCount) {
  EXPECT_EQ(Take(kTask).takes, 1);
  EXPECT_EQ(Take({"orders", 99}).takes, 1);
  const TakenTask taken = Take(kTask);
  EXPECT_EQ(taken.takes, 2);
  Batch batch;
  batch.tasks = {MakeTaskCommit(kTask, taken)};
  ASSERT_EQ(Commit(batch).kind, Kind::kCommitted);
  const TakenTask again = Take(kTask);
  EXPECT_EQ(again.takes, 3);
  batch.tasks = {MakeTaskCommit(kTask, again)};
  batch.tasks[0].ends_takes = true;
  ASSERT_EQ(Commit(batch).kind, Kind::kCommitted);
  EXPECT_EQ(Take(kTask).takes, 1);
}

TEST_P(StoreContract, CountsNoTakeOfTheLastOwner) {
  const TakenTask first = Take(kTask);
  const auto second = session_->TakeTask(kTask, 0, first.epoch);
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_GT(second->epoch, first.epoch);
  EXPECT_EQ(second->takes, 1);
  // Somebody else had it in between.
  const TakenTask other = Take(kTask);
  EXPECT_EQ(other.takes, 2);
  EXPECT_EQ(session_->TakeTask(kTask, 0, second->epoch)->takes, 3);
}

// Each of two batches writes what the other one has only read: one of them has to be decided again.
TEST_P(StoreContract, ChecksWhatABatchHasOnlyRead) {
  const uint64_t a = Write("Order", "a", 0, "a");
  const uint64_t b = Write("Order", "b", 0, "b");
  const auto batch_of = [](std::string_view read, uint64_t version, std::string_view written, uint64_t expected) {
    Batch batch;
    batch.aggregates = {MakeWrite("Order", read, version, std::nullopt), MakeWrite("Order", written, expected, "new")};
    batch.aggregates[0].only_read = true;
    return batch;
  };
  const CommitResult first = Commit(batch_of("a", a, "b", b));
  ASSERT_EQ(first.kind, Kind::kCommitted);
  EXPECT_EQ(first.versions[0], a);
  EXPECT_GT(first.versions[1], b);
  EXPECT_EQ(Load("Order", "a").value, "a");
  EXPECT_EQ(Load("Order", "a").version, a);
  const CommitResult second = Commit(batch_of("b", b, "a", a));
  ASSERT_EQ(second.kind, Kind::kConflict);
  EXPECT_THAT(second.conflicting_aggregates, ElementsAre(0));
  EXPECT_EQ(Load("Order", "a").value, "a");
  // What was read and is gone conflicts too, as does what was read as missing and is there.
  Write("Order", "b", first.versions[1], std::nullopt);
  EXPECT_EQ(Commit(batch_of("b", first.versions[1], "a", a)).kind, Kind::kConflict);
  EXPECT_EQ(Commit(batch_of("a", 0, "c", 0)).kind, Kind::kConflict);
  EXPECT_EQ(Load("Order", "c").version, 0u);
  ASSERT_EQ(Commit(batch_of("b", 0, "c", 0)).kind, Kind::kCommitted);
  EXPECT_EQ(Load("Order", "b").version, 0u);
  EXPECT_EQ(Load("Order", "c").value, "new");
}

TEST_P(StoreContract, LetsNoTwoSessionsActOnWhatTheOtherChanges) {
  constexpr int kRounds = 100;
  std::array<std::string, 2> keys{"a", "b"};
  for (const std::string& key : keys) Write("Duty", key, 0, "on");
  // Each session takes its own person off duty where it sees the other one on duty, and back on afterwards.
  std::atomic<int> nobody = 0;
  const auto work = [&](size_t own) {
    const auto session = NewSession();
    const std::array<AggregateKey, 2> wanted{AggregateKey{"Duty", keys[own]}, AggregateKey{"Duty", keys[1 - own]}};
    for (int round = 0; round < kRounds;) {
      const auto loaded = session->LoadAggregates(wanted);
      ASSERT_TRUE(loaded.ok()) << loaded.status();
      const bool both_off = (*loaded)[0].value == "off" && (*loaded)[1].value == "off";
      if (both_off) ++nobody;
      Batch batch;
      const bool goes_off = (*loaded)[0].value == "on" && (*loaded)[1].value == "on";
      batch.aggregates = {MakeWrite("Duty", keys[own], (*loaded)[0].version, goes_off ? "off" : "on"),
                          MakeWrite("Duty", keys[1 - own], (*loaded)[1].version, std::nullopt)};
      batch.aggregates[1].only_read = true;
      const auto result = session->Commit(batch);
      ASSERT_TRUE(result.ok()) << result.status();
      if (result->kind == Kind::kCommitted) ++round;
    }
  };
  std::thread other(work, 1);
  work(0);
  other.join();
  EXPECT_EQ(nobody, 0);
}

TEST_P(StoreContract, RefusesAnEpochThatNoSuccessorCouldExceed) {
  EXPECT_EQ(session_->TakeTask(kTask, ~uint64_t{0}).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_P(StoreContract, KeepsProgressAndOutboxOfATask) {
  const TakenTask taken = Take(kTask);
  const std::string progress = "at\0offset\xff"s;
  const std::string outbox(100'000, '\x01');
  Batch batch;
  batch.tasks.push_back(MakeTaskCommit(kTask, taken));
  batch.tasks[0].new_emit_sequence = 7;
  batch.tasks[0].progress = progress;
  batch.tasks[0].outbox = outbox;
  ASSERT_EQ(Commit(batch).kind, Kind::kCommitted);
  batch.tasks[0].expected_emit_sequence = 7;
  batch.tasks[0].new_emit_sequence = 9;
  batch.tasks[0].outbox = "second";
  ASSERT_EQ(Commit(batch).kind, Kind::kCommitted);

  Reopen();
  const TakenTask again = Take(kTask);
  EXPECT_GT(again.epoch, taken.epoch);
  EXPECT_EQ(again.emit_sequence, 9u);
  EXPECT_EQ(again.progress, progress);
  ASSERT_THAT(again.outbox, SizeIs(2));
  EXPECT_EQ(again.outbox[0].sequence, 7u);
  EXPECT_EQ(again.outbox[0].epoch, taken.epoch);
  EXPECT_EQ(again.outbox[0].batch, outbox);
  EXPECT_EQ(again.outbox[1].sequence, 9u);
  EXPECT_EQ(again.outbox[1].batch, "second");
}

TEST_P(StoreContract, DropsAcknowledgedOutboxRowsOfThatTaskOnly) {
  const TaskId other{"orders", 4};
  TakenTask taken = Take(kTask);
  TakenTask other_taken = Take(other);
  for (int i = 0; i < 3; ++i) {
    Batch batch;
    batch.tasks = {MakeTaskCommit(kTask, taken), MakeTaskCommit(other, other_taken)};
    batch.tasks[0].outbox = batch.tasks[1].outbox = "events";
    ASSERT_EQ(Commit(batch).kind, Kind::kCommitted);
    ++taken.emit_sequence;
    ++other_taken.emit_sequence;
  }
  Batch batch;
  batch.tasks = {MakeTaskCommit(kTask, taken)};
  batch.tasks[0].outbox_acknowledged = 2;
  ASSERT_EQ(Commit(batch).kind, Kind::kCommitted);
  const TakenTask again = Take(kTask);
  // The last commit emitted nothing and left no row.
  ASSERT_THAT(again.outbox, SizeIs(1));
  EXPECT_EQ(again.outbox[0].sequence, 3u);
  EXPECT_THAT(Take(other).outbox, SizeIs(3));
}

TEST_P(StoreContract, FencesAnOwnerWhoseTaskWasTaken) {
  const TaskId kept{"orders", 4};
  const TaskId lost{"orders", 5};
  const TakenTask kept_taken = Take(kept);
  const TakenTask old = Take(kTask);
  const TakenTask lost_taken = Take(lost);
  const TakenTask current = Take(kTask);
  ASSERT_GT(current.epoch, old.epoch);
  Take(lost);

  Batch batch;
  batch.tasks = {MakeTaskCommit(kTask, old), MakeTaskCommit(kept, kept_taken), MakeTaskCommit(lost, lost_taken)};
  batch.tasks[0].progress = batch.tasks[1].progress = "zombie";
  batch.tasks[0].outbox = batch.tasks[1].outbox = "zombie";
  batch.aggregates.push_back(MakeWrite("order", "1", 0, "zombie"));
  batch.requests.push_back({{"caller", "method", "id"}, "hash", "reply"});
  batch.kept.push_back(KeptRecord{.task = kTask});
  const CommitResult result = Commit(batch);
  EXPECT_EQ(result.kind, Kind::kFenced);
  EXPECT_THAT(result.fenced_tasks, ElementsAre(0, 2));
  EXPECT_THAT(result.versions, IsEmpty());

  EXPECT_EQ(Load("order", "1").version, 0u);
  EXPECT_FALSE(LoadRequest({"caller", "method", "id"}).has_value());
  EXPECT_EQ(*store_->reader().CountKept(kTask.group, KeptState::kDead), 0);
  const TakenTask after = Take(kept);
  EXPECT_EQ(after.emit_sequence, 0u);
  EXPECT_EQ(after.progress, "");
  EXPECT_THAT(after.outbox, IsEmpty());

  batch.tasks = {MakeTaskCommit(kept, after)};
  EXPECT_EQ(Commit(batch).kind, Kind::kCommitted);
}

TEST_P(StoreContract, ShowsTheProgressOfATaskWithoutTakingIt) {
  EXPECT_EQ(*store_->reader().ProgressOf(kTask), "");
  const TakenTask taken = Take(kTask);
  Batch batch;
  batch.tasks.push_back(MakeTaskCommit(kTask, taken));
  batch.tasks[0].progress = std::string_view("pro\0gress", 9);
  EXPECT_EQ(Commit(batch).kind, Kind::kCommitted);
  EXPECT_EQ(*store_->reader().ProgressOf(kTask), std::string("pro\0gress", 9));
  EXPECT_EQ(*store_->reader().ProgressOf({kTask.group, kTask.partition + 1}), "");
  batch.tasks[0].expected_emit_sequence = batch.tasks[0].new_emit_sequence;
  ++batch.tasks[0].new_emit_sequence;
  EXPECT_EQ(Commit(batch).kind, Kind::kCommitted);
}

TEST_P(StoreContract, FencesACommitThatWasMadeBefore) {
  const TakenTask taken = Take(kTask);
  Batch batch;
  batch.tasks = {MakeTaskCommit(kTask, taken)};
  batch.tasks[0].outbox = "events";
  EXPECT_EQ(Commit(batch).kind, Kind::kCommitted);
  EXPECT_EQ(Commit(batch).kind, Kind::kFenced);
  EXPECT_THAT(Take(kTask).outbox, SizeIs(1));
}

TEST_P(StoreContract, FencesATaskThatNobodyTook) {
  Batch batch;
  batch.tasks = {MakeTaskCommit(kTask, TakenTask{.epoch = 1})};
  EXPECT_EQ(Commit(batch).kind, Kind::kFenced);
}

TEST_P(StoreContract, FencingGoesBeforeConflicts) {
  Write("order", "1", 0, "value");
  const TakenTask old = Take(kTask);
  Take(kTask);
  Batch batch;
  batch.tasks = {MakeTaskCommit(kTask, old)};
  batch.aggregates.push_back(MakeWrite("order", "1", 0, "zombie"));
  const CommitResult result = Commit(batch);
  EXPECT_EQ(result.kind, Kind::kFenced);
  EXPECT_THAT(result.conflicting_aggregates, IsEmpty());
}

TEST_P(StoreContract, RefusesAnEmitSequenceThatDoesNotRise) {
  const TakenTask taken = Take(kTask);
  Batch batch;
  batch.tasks = {MakeTaskCommit(kTask, taken)};
  batch.tasks[0].new_emit_sequence = taken.emit_sequence;
  EXPECT_EQ(session_->Commit(batch).status().code(), absl::StatusCode::kInvalidArgument);
  batch.tasks[0].new_emit_sequence = ~uint64_t{0};
  EXPECT_EQ(session_->Commit(batch).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_P(StoreContract, RaisesTheVersionOfAnAggregateWithEachWrite) {
  EXPECT_EQ(Load("order", "1").version, 0u);
  const uint64_t first = Write("order", "1", 0, "a");
  EXPECT_GT(first, 0u);
  EXPECT_EQ(Load("order", "1").version, first);
  const uint64_t second = Write("order", "1", first, "b");
  EXPECT_GT(second, first);
  EXPECT_EQ(Load("order", "1").version, second);
  EXPECT_EQ(Load("order", "1").value, "b");
  Reopen();
  EXPECT_EQ(Load("order", "1").version, second);
  EXPECT_GT(Write("order", "1", second, "c"), second);
}

TEST_P(StoreContract, KeepsKindsAndKeysApart) {
  const std::string keys[] = {""s, "\0"s, "\0\0"s, "a"s, "a\0b"s, "\xff\xfe"s, "A"s, "1"s, "01"s};
  for (const std::string& key : keys) {
    Write("order", key, 0, "order " + key);
    Write("Order", key, 0, "Order " + key);
  }
  Reopen();
  for (const std::string& key : keys) {
    EXPECT_EQ(Load("order", key).value, "order " + key);
    EXPECT_EQ(Load("Order", key).value, "Order " + key);
    EXPECT_EQ(Load("orders", key).version, 0u);
  }
}

TEST_P(StoreContract, TellsAnEmptyValueFromNone) {
  const uint64_t version = Write("order", "1", 0, std::string_view());
  EXPECT_GT(version, 0u);
  EXPECT_EQ(Load("order", "1").version, version);
  const auto found = store_->reader().Get("order", "1");
  ASSERT_TRUE(found.ok()) << found.status();
  ASSERT_TRUE(found->has_value());
  EXPECT_EQ((*found)->value, "");
}

TEST_P(StoreContract, NamesEveryConflictAndWritesNothing) {
  const uint64_t v1 = Write("order", "1", 0, "one");
  const uint64_t v2 = Write("order", "2", 0, "two");
  const IndexEntry entry{"by_user", "u", 1};
  const TakenTask taken = Take(kTask);
  const auto make_batch = [&] {
    Batch batch;
    batch.tasks = {MakeTaskCommit(kTask, taken)};
    batch.tasks[0].outbox = "events";
    return batch;
  };
  Batch setup = make_batch();
  setup.tasks[0].outbox = {};
  setup.requests.push_back({{"caller", "method", "seen"}, "hash", "first reply"});
  ASSERT_EQ(Commit(setup).kind, Kind::kCommitted);

  Batch batch = make_batch();
  batch.tasks[0].expected_emit_sequence = 1;
  batch.tasks[0].new_emit_sequence = 2;
  batch.aggregates = {MakeWrite("order", "1", v1, "fine"),          MakeWrite("order", "2", v2 + 1, "ahead"),
                      MakeWrite("order", "3", 1, "never was"),      MakeWrite("order", "1", 0, "is there"),
                      MakeWrite("order", "4", 0, "fine"),           MakeWrite("order", "2", v2 + 1, std::nullopt),
                      MakeWrite("order", "5", 1, std::nullopt),     MakeWrite("order", "2", 0, std::nullopt),
                      MakeWrite("order", "nobody", 0, std::nullopt)};
  for (AggregateWrite& write : batch.aggregates) write.index_added = {entry};
  batch.requests = {{{"caller", "method", "new"}, "hash", "reply"}, {{"caller", "method", "seen"}, "hash", "reply"}};
  batch.kept.push_back(KeptRecord{.task = kTask});
  const CommitResult result = Commit(batch);
  EXPECT_EQ(result.kind, Kind::kConflict);
  EXPECT_THAT(result.conflicting_aggregates, ElementsAre(1, 2, 3, 5, 6, 7));
  EXPECT_THAT(result.conflicting_requests, ElementsAre(1));
  EXPECT_THAT(result.versions, IsEmpty());

  EXPECT_EQ(Load("order", "1").value, "one");
  EXPECT_EQ(Load("order", "2").value, "two");
  EXPECT_EQ(Load("order", "4").version, 0u);
  EXPECT_FALSE(LoadRequest({"caller", "method", "new"}).has_value());
  EXPECT_EQ(LoadRequest({"caller", "method", "seen"})->reply, "first reply");
  EXPECT_THAT(ListKeys({.kind = "order", .index = "by_user", .value = "u"}), IsEmpty());
  EXPECT_EQ(*store_->reader().CountKept(kTask.group, KeptState::kDead), 0);
  const TakenTask after = Take(kTask);
  EXPECT_EQ(after.emit_sequence, 1u);
  EXPECT_THAT(after.outbox, IsEmpty());
}

// Whoever sends a command names its method, and each name that is remembered takes a row for ever.
TEST_P(StoreContract, TellsMethodsApartThatShareANumber) {
  const TakenTask taken = Take(kTask);
  std::vector<std::string> methods;
  for (size_t i = 0; i < kMaxMethods + 20; ++i) methods.push_back(fmt::format("/made.up/Method{}", i));
  Batch batch;
  batch.tasks = {MakeTaskCommit(kTask, taken)};
  for (const std::string& method : methods) batch.requests.push_back({{"caller", method, method}, "hash", method});
  ASSERT_EQ(Commit(batch).kind, Kind::kCommitted);
  const auto commit_again = [&](std::string_view request_id, std::string_view method) {
    Batch again;
    again.tasks = {MakeTaskCommit(kTask, Take(kTask))};
    again.requests.push_back({{"caller", method, request_id}, "hash", "reply"});
    return Commit(again).kind;
  };
  const auto expect_all = [&] {
    for (const std::string& method : methods) {
      const auto request = LoadRequest({"caller", method, method});
      ASSERT_TRUE(request.has_value()) << method;
      EXPECT_EQ(request->reply, method);
    }
    EXPECT_FALSE(LoadRequest({"caller", methods.back(), methods[kMaxMethods]}).has_value());
    EXPECT_FALSE(LoadRequest({"caller", methods[1], methods[0]}).has_value());
    EXPECT_EQ(commit_again(methods[kMaxMethods], methods[kMaxMethods]), Kind::kConflict);
  };
  expect_all();
  Reopen();
  expect_all();
  EXPECT_EQ(commit_again(methods[0], methods[1]), Kind::kCommitted);
  EXPECT_EQ(commit_again(methods[kMaxMethods], methods.back()), Kind::kCommitted);
  // In one batch, one whose header says what the shared number is called included.
  Batch together;
  together.tasks = {MakeTaskCommit(kTask, Take(kTask))};
  const std::string as_kept = methods.back() + '\0' + "same";
  together.requests = {{{"caller", methods.back(), "same"}, "hash", "reply"},
                       {{"caller", methods[kMaxMethods], "same"}, "hash", "reply"},
                       {{"caller", kOtherMethods, as_kept}, "hash", "reply"}};
  EXPECT_EQ(Commit(together).kind, Kind::kCommitted);
}

// Names that a rolled-back batch was the first to use must work in the next.
TEST_P(StoreContract, CommitsAfterAConflictWithNewNames) {
  Write("order", "1", 0, "value");
  Batch batch;
  batch.aggregates = {MakeWrite("invoice", "1", 0, "value"), MakeWrite("order", "1", 0, "conflict")};
  batch.aggregates[0].index_added = {{"by_user", "u", 1}};
  batch.requests = {{{"caller", "CreateInvoice", "1"}, "hash", "reply"}};
  ASSERT_EQ(Commit(batch).kind, Kind::kConflict);
  batch.aggregates.pop_back();
  ASSERT_EQ(Commit(batch).kind, Kind::kCommitted);
  Reopen();
  EXPECT_EQ(Load("invoice", "1").value, "value");
  EXPECT_THAT(ListKeys({.kind = "invoice", .index = "by_user", .value = "u"}), ElementsAre("1"));
  EXPECT_TRUE(LoadRequest({"caller", "CreateInvoice", "1"}).has_value());
}

TEST_P(StoreContract, NeverGivesARemadeAggregateAVersionItHadBefore) {
  uint64_t version = Write("order", "1", 0, "first life");
  const uint64_t seen = Write("order", "1", version, "as someone read it");
  EXPECT_EQ(Write("order", "1", seen, std::nullopt), 0u);
  EXPECT_EQ(Load("order", "1").version, 0u);
  version = Write("order", "1", 0, "second life");
  EXPECT_GT(version, seen);
  Batch batch;
  batch.aggregates = {MakeWrite("order", "1", seen, "decided on the first life")};
  EXPECT_EQ(Commit(batch).kind, Kind::kConflict);

  // Nor across a restart.
  Write("order", "1", version, std::nullopt);
  Reopen();
  EXPECT_GT(Write("order", "1", 0, "third life"), version);
}

TEST_P(StoreContract, LetsOneOfTwoSessionsThatReadTheSameVersionWin) {
  const auto other = NewSession();
  const uint64_t version = Write("order", "1", 0, "value");
  Batch mine;
  mine.aggregates = {MakeWrite("order", "1", version, "mine")};
  Batch theirs;
  theirs.aggregates = {MakeWrite("order", "1", version, "theirs")};
  const auto first = other->Commit(theirs);
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(first->kind, Kind::kCommitted);
  EXPECT_EQ(Commit(mine).kind, Kind::kConflict);
  EXPECT_EQ(Load("order", "1").value, "theirs");
}

TEST_P(StoreContract, LosesNoUpdateOfManySessionsAtOnce) {
  constexpr int kThreads = 4;
  constexpr int kIncrements = 50;
  Write("counter", "c", 0, "0");
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([this, t] {
      const auto session = NewSession();
      const TaskId task{"counters", t};
      auto taken = session->TakeTask(task, 0);
      ASSERT_TRUE(taken.ok()) << taken.status();
      for (int done = 0; done < kIncrements;) {
        const AggregateKey keys[] = {{"counter", "c"}};
        const auto loaded = session->LoadAggregates(keys);
        ASSERT_TRUE(loaded.ok()) << loaded.status();
        const std::string next = std::to_string(std::stoi(loaded->front().value) + 1);
        Batch batch;
        batch.tasks = {MakeTaskCommit(task, *taken)};
        batch.aggregates = {MakeWrite("counter", "c", loaded->front().version, next)};
        const auto result = session->Commit(batch);
        ASSERT_TRUE(result.ok()) << result.status();
        ASSERT_NE(result->kind, Kind::kFenced);
        if (result->kind == Kind::kConflict) continue;
        ++taken->emit_sequence;
        ++done;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(Load("counter", "c").value, std::to_string(kThreads * kIncrements));
}

}  // namespace
}  // namespace tradewind::store
