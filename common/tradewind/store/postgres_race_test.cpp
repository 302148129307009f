// Several instances of a service on one schema at once.
#include <gmock/gmock.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "tradewind/store/postgres_site.h"
#include "tradewind/store/store_contract.h"

namespace tradewind::store {
namespace {

using testing::ElementsAre;
using testing::SizeIs;
using Kind = CommitResult::Kind;

class PostgresRace : public testing::Test {
 protected:
  std::unique_ptr<Store> Open() {
    auto store = OpenPostgresStore(TestServer::Config(), schema_.name());
    EXPECT_TRUE(store.ok()) << store.status();
    return store.ok() ? *std::move(store) : nullptr;
  }
  // Until someone waits for a row that another transaction holds.
  static void AwaitWaiting(PostgresConnection& observer) {
    while (TestServer::Number(observer, "SELECT count(*) FROM pg_locks WHERE NOT granted") == 0) {
      std::this_thread::yield();
    }
  }

  // Sessions report what they counted when they end.
  static int64_t Deadlocks(PostgresConnection& observer) {
    EXPECT_TRUE(observer.Execute("SELECT pg_stat_clear_snapshot()").ok());
    return TestServer::Number(observer, "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()");
  }

  const TemporarySchema schema_;
};

// Each thread moves amounts between accounts that all of them use, in any order, and opens, closes and reopens some.
// The sum tells of a lost update, the server of a deadlock.
TEST_F(PostgresRace, LosesNothingAndNeverDeadlocks) {
  constexpr int kThreads = 6;
  constexpr int kBatches = 120;
  constexpr int kAccounts = 12;
  constexpr int kPerBatch = 5;
  const auto observer = TestServer::Connect();
  const int64_t deadlocks = Deadlocks(*observer);
  const auto store = Open();
  std::atomic<int> conflicts = 0;
  std::atomic<int> repeated_requests = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      const auto session = *store->OpenSession();
      const TaskId task{"race", t};
      auto taken = session->TakeTask(task, 0);
      ASSERT_TRUE(taken.ok()) << taken.status();
      std::minstd_rand random(static_cast<unsigned>(t) + 1);
      std::vector<std::string> names;
      for (int i = 0; i < kAccounts; ++i) names.push_back("account " + std::to_string(i));
      for (int done = 0; done < kBatches;) {
        std::shuffle(names.begin(), names.end(), random);
        std::vector<AggregateKey> keys;
        for (int i = 0; i < kPerBatch; ++i) keys.push_back({"account", names[static_cast<size_t>(i)]});
        const auto loaded = session->LoadAggregates(keys);
        ASSERT_TRUE(loaded.ok()) << loaded.status();
        // The first gives all it has to the second and goes, the others are touched or made.
        std::vector<int> amounts;
        for (const Aggregate& account : *loaded) amounts.push_back(account.version == 0 ? 0 : std::stoi(account.value));
        amounts[1] += std::exchange(amounts[0], 0);
        ++amounts[2];
        std::vector<std::string> values;
        for (const int amount : amounts) values.push_back(std::to_string(amount));
        const std::string request = std::to_string(random() % 4000);
        Batch batch;
        batch.tasks = {MakeTaskCommit(task, *taken)};
        for (size_t i = 0; i < keys.size(); ++i) {
          const auto value = i == 0 ? std::nullopt : std::optional<std::string_view>(values[i]);
          batch.aggregates.push_back(MakeWrite("account", keys[i].key, (*loaded)[i].version, value));
        }
        batch.requests = {{{"caller", "method", request}, "hash", "reply"}};
        const auto result = session->Commit(batch);
        ASSERT_TRUE(result.ok()) << result.status();
        ASSERT_NE(result->kind, Kind::kFenced);
        if (result->kind == Kind::kConflict) {
          ASSERT_FALSE(result->conflicting_aggregates.empty() && result->conflicting_requests.empty());
          conflicts += result->conflicting_aggregates.empty() ? 0 : 1;
          repeated_requests += result->conflicting_requests.empty() ? 0 : 1;
          continue;
        }
        ++taken->emit_sequence;
        ++done;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  int sum = 0;
  for (int i = 0; i < kAccounts; ++i) {
    const auto account = store->reader().Get("account", "account " + std::to_string(i));
    ASSERT_TRUE(account.ok()) << account.status();
    if (account->has_value()) sum += std::stoi((*account)->value);
  }
  EXPECT_EQ(sum, kThreads * kBatches);
  EXPECT_GT(conflicts, 0);
  EXPECT_GT(repeated_requests, 0);
  EXPECT_EQ(Deadlocks(*observer), deadlocks);
}

// Two that insert the same key at once: one wins, for the other it is a conflict and no error.
TEST_F(PostgresRace, AnInsertThatMeetsAnotherIsAConflict) {
  const auto store = Open();
  constexpr int kThreads = 4;
  constexpr int kKeys = 100;
  std::atomic<int> won = 0;
  std::atomic<int> lost = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      const auto session = *store->OpenSession();
      for (int i = 0; i < kKeys; ++i) {
        const std::string key = std::to_string(i);
        Batch batch;
        batch.aggregates = {MakeWrite("email", key, 0, "claim")};
        batch.requests = {{{"caller", "method", key}, "hash", "reply"}};
        const auto result = session->Commit(batch);
        ASSERT_TRUE(result.ok()) << result.status();
        if (result->kind == Kind::kCommitted) {
          ++won;
        } else {
          EXPECT_THAT(result->conflicting_aggregates, ElementsAre(0));
          ++lost;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(won, kKeys);
  EXPECT_EQ(lost, (kThreads - 1) * kKeys);
}

// A zombie's commit is under way when its task is taken: the new owner waits for it, and then sees what it wrote.
TEST_F(PostgresRace, ATakeoverSeesTheCommitItWaitedFor) {
  const auto zombie_store = Open();
  const auto store = Open();
  const TaskId task{"orders", 1};
  const auto zombie = *zombie_store->OpenSession();
  const auto held = zombie->TakeTask(task, 0);
  ASSERT_TRUE(held.ok()) << held.status();
  // What Commit does, stopped before its end.
  const auto commit = TestServer::Connect();
  ASSERT_TRUE(commit
                  ->Execute("BEGIN; SET search_path = " + schema_.Quoted() +
                            "; UPDATE task SET emit_sequence = 5, progress = 'late' WHERE partition = 1;"
                            "INSERT INTO outbox (\"group\", partition, sequence, epoch, batch) "
                            "VALUES ('orders', 1, 5, 1, 'events')")
                  .ok());
  absl::StatusOr<TakenTask> taken = absl::UnknownError("");
  std::thread successor([&] { taken = (*store->OpenSession())->TakeTask(task, 0); });
  const auto observer = TestServer::Connect();
  AwaitWaiting(*observer);
  ASSERT_TRUE(commit->Execute("COMMIT").ok());
  successor.join();
  ASSERT_TRUE(taken.ok()) << taken.status();
  EXPECT_GT(taken->epoch, held->epoch);
  EXPECT_EQ(taken->emit_sequence, 5u);
  EXPECT_EQ(taken->progress, "late");
  ASSERT_THAT(taken->outbox, SizeIs(1));
  EXPECT_EQ(taken->outbox[0].batch, "events");
}

// The other way round: the commit waits for the takeover, and is then fenced with all it wanted to write.
TEST_F(PostgresRace, ACommitThatWaitedForATakeoverIsFenced) {
  const auto store = Open();
  const TaskId task{"orders", 1};
  const auto zombie = *store->OpenSession();
  const auto held = zombie->TakeTask(task, 0);
  ASSERT_TRUE(held.ok()) << held.status();
  const auto takeover = TestServer::Connect();
  ASSERT_TRUE(takeover->Execute("BEGIN; UPDATE " + schema_.Quoted() + ".task SET epoch = epoch + 1").ok());
  absl::StatusOr<CommitResult> result = absl::UnknownError("");
  std::thread committing([&] {
    Batch batch;
    batch.tasks = {MakeTaskCommit(task, *held)};
    batch.aggregates = {MakeWrite("order", "1", 0, "zombie")};
    result = zombie->Commit(batch);
  });
  const auto observer = TestServer::Connect();
  AwaitWaiting(*observer);
  ASSERT_TRUE(takeover->Execute("COMMIT").ok());
  committing.join();
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->kind, Kind::kFenced);
  EXPECT_THAT(result->fenced_tasks, ElementsAre(0));
  EXPECT_FALSE(store->reader().Get("order", "1")->has_value());
}

// Two owners that take the same task from each other: every commit that was answered is in the row, in a single chain.
TEST_F(PostgresRace, OfManyOwnersOneCommitsAtATime) {
  constexpr int kThreads = 4;
  constexpr int kRounds = 60;
  const auto store = Open();
  const TaskId task{"orders", 1};
  std::atomic<int> committed = 0;
  std::atomic<int> fenced = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      const auto session = *store->OpenSession();
      for (int round = 0; round < kRounds; ++round) {
        auto taken = session->TakeTask(task, 0);
        ASSERT_TRUE(taken.ok()) << taken.status();
        // As many outbox rows as commits: none is lost, none is there twice.
        ASSERT_THAT(taken->outbox, SizeIs(taken->emit_sequence));
        for (int i = 0; i < 3; ++i) {
          Batch batch;
          batch.tasks = {MakeTaskCommit(task, *taken)};
          batch.tasks[0].outbox = "events";
          const auto result = session->Commit(batch);
          ASSERT_TRUE(result.ok()) << result.status();
          if (result->kind == Kind::kFenced) {
            ++fenced;
            break;
          }
          ++committed;
          ++taken->emit_sequence;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const auto last = (*store->OpenSession())->TakeTask(task, 0);
  ASSERT_TRUE(last.ok()) << last.status();
  EXPECT_EQ(last->emit_sequence, static_cast<uint64_t>(committed));
  EXPECT_GT(fenced, 0);
}

// What a person asks of kept records and what their owner does about them lock the same rows.
TEST_F(PostgresRace, RequestsAndCommitsOfKeptRecordsDoNotDeadlock) {
  const auto store = Open();
  const TaskId task{"orders", 1};
  const auto session = *store->OpenSession();
  Batch made;
  for (int i = 0; i < 200; ++i) made.kept.push_back({.task = task, .record = "record"});
  ASSERT_TRUE(session->Commit(made).ok());
  const auto kept = *session->LoadKept(task, KeptState::kDead);
  const auto observer = TestServer::Connect();
  const int64_t deadlocks = Deadlocks(*observer);
  std::atomic<bool> done = false;
  std::thread asking([&] {
    while (!done) {
      const auto asked = store->Request({}, KeptAction::kRetry);
      ASSERT_TRUE(asked.ok()) << asked.status();
    }
  });
  for (int i = 0; i < 50; ++i) {
    Batch batch;
    for (size_t k = 0; k < kept.size(); ++k) {
      const int64_t id = kept[kept.size() - 1 - k].id;
      batch.kept_updated.push_back({.id = id, .state = KeptState::kDead, .attempts = i});
    }
    // The last, while the request comes from the first.
    batch.kept_removed = {kept[kept.size() - 1 - static_cast<size_t>(i)].id};
    const auto result = session->Commit(batch);
    ASSERT_TRUE(result.ok()) << result.status();
  }
  done = true;
  asking.join();
  EXPECT_EQ(Deadlocks(*observer), deadlocks);
  EXPECT_EQ(*store->reader().CountKept(kept[0].task.group, KeptState::kDead), 150);
}

}  // namespace
}  // namespace tradewind::store
