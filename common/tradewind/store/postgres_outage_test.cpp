// PostgresStore while the server or the network fails.
#include <gmock/gmock.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/time/clock.h"

#include "tradewind/store/postgres_site.h"
#include "tradewind/store/store_contract.h"
#include "tradewind/store/tcp_proxy.h"

namespace tradewind::store {
namespace {

using testing::HasSubstr;
using Kind = CommitResult::Kind;

const TaskId kTask{"orders", 1};

class PostgresOutage : public testing::Test {
 protected:
  void SetUp() override { Open(TestServer::Config()); }
  // A test that stopped the server and failed leaves it running for the others.
  void TearDown() override { TestServer::Start(); }

  void Open(const PostgresConfig& config) {
    auto store = OpenPostgresStore(config, schema_.name());
    ASSERT_TRUE(store.ok()) << store.status();
    session_.reset();
    store_ = *std::move(store);
    session_ = *store_->OpenSession();
  }
  void OpenThrough(const TcpProxy& proxy) {
    Open({.url = config::Secret(TestServer::UrlWith("", std::to_string(proxy.port()), "")),
          .connect_timeout = absl::Seconds(1),
          .statement_timeout = absl::Milliseconds(500)});
  }
  // Writes one aggregate as the first of its key.
  absl::StatusOr<CommitResult> Write(const std::string& key, std::vector<TaskCommit> tasks = {}) {
    Batch batch;
    batch.tasks = std::move(tasks);
    batch.aggregates = {MakeWrite("order", key, 0, "value")};
    return session_->Commit(batch);
  }
  bool IsThere(const std::string& key) {
    const auto found = store_->reader().Get("order", key);
    EXPECT_TRUE(found.ok()) << found.status();
    return found.ok() && found->has_value();
  }

  const TemporarySchema schema_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<Session> session_;
};

// Eight callers and one connection: each that hears that the server is away leaves the connection to the next.
TEST_F(PostgresOutage, LeavesNoReaderWaitingWhenTheServerIsBack) {
  PostgresConfig config = TestServer::Config();
  config.max_readers = 1;
  Open(config);
  ASSERT_TRUE(Write("1").ok());
  TestServer::Stop();
  for (int round = 0; round < 5; ++round) {
    std::vector<std::thread> callers;
    std::atomic<int> done = 0;
    callers.reserve(8);
    for (int i = 0; i < 8; ++i) {
      callers.emplace_back([&] {
        const absl::Time begun = absl::Now();
        EXPECT_FALSE(store_->reader().Get("order", "1").ok());
        // None has run into the limit of the wait.
        EXPECT_LT(absl::Now() - begun, kMaxReaderWait);
        ++done;
      });
    }
    for (std::thread& caller : callers) caller.join();
    EXPECT_EQ(done, 8);
  }
}

TEST_F(PostgresOutage, TellsAReaderThatAllConnectionsStayBusy) {
  PostgresConfig config = TestServer::Config();
  config.max_readers = 1;
  Open(config);
  ASSERT_TRUE(Write("1").ok());
  // A lock on the table keeps the one connection busy.
  const auto holder = TestServer::Connect();
  ASSERT_TRUE(holder->Execute("BEGIN; LOCK TABLE " + schema_.Quoted() + ".aggregate").ok());
  std::thread busy([&] { (void)store_->reader().Get("order", "1"); });
  const auto watcher = TestServer::Connect();
  const std::string waiting =
      "SELECT count(*) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation JOIN pg_namespace n "
      "ON n.oid = c.relnamespace WHERE NOT l.granted AND n.nspname = '" +
      schema_.name() + "'";
  while (TestServer::Number(*watcher, waiting.c_str()) == 0) {
  }
  const absl::Status refused = store_->reader().Get("order", "1").status();
  ASSERT_TRUE(holder->Execute("ROLLBACK").ok());
  busy.join();
  EXPECT_EQ(refused.code(), absl::StatusCode::kUnavailable) << refused;
  EXPECT_THAT(std::string(refused.message()), HasSubstr("max_readers"));
}

TEST_F(PostgresOutage, IsUnavailableWhileTheServerIsAwayAndGoesOnAfter) {
  ASSERT_TRUE(Write("1").ok());
  ASSERT_TRUE(IsThere("1"));
  TestServer::Stop();
  const AggregateKey key{"order", "1"};
  EXPECT_EQ(Write("2").status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(session_->LoadAggregates({&key, 1}).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(session_->TakeTask(kTask, 0).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(store_->reader().Get("order", "1").status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(store_->reader().CountKept("group", KeptState::kDead).status().code(), absl::StatusCode::kUnavailable);
  TestServer::Start();
  EXPECT_TRUE(session_->TakeTask(kTask, 0).ok());
  EXPECT_TRUE(Write("3").ok());
  // The reader's connections come back one by one.
  const absl::Time deadline = absl::Now() + absl::Seconds(10);
  while (!store_->reader().Get("order", "1").ok() && absl::Now() < deadline) {
  }
  EXPECT_TRUE(IsThere("1"));
  EXPECT_FALSE(IsThere("2"));
  EXPECT_TRUE(IsThere("3"));
}

// An idle connection that the server closed is not what the next call is told of.
TEST_F(PostgresOutage, NoticesARestartBetweenCalls) {
  ASSERT_TRUE(Write("1").ok());
  ASSERT_TRUE(IsThere("1"));
  TestServer::Stop();
  TestServer::Start();
  const auto written = Write("2");
  EXPECT_TRUE(written.ok()) << written.status();
  EXPECT_TRUE(IsThere("2"));
}

// What is behind a new connection may be an older copy of the store, which the commit would fit.
TEST_F(PostgresOutage, CommitsForATaskOnlyOverTheConnectionItWasTakenOver) {
  const auto taken = session_->TakeTask(kTask, 0);
  ASSERT_TRUE(taken.ok()) << taken.status();
  TestServer::Stop();
  TestServer::Start();
  EXPECT_EQ(Write("1", {MakeTaskCommit(kTask, *taken)}).status().code(), absl::StatusCode::kUnavailable);
  const auto again = session_->TakeTask(kTask, 0);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_TRUE(Write("1", {MakeTaskCommit(kTask, *again)}).ok());
}

TEST_F(PostgresOutage, DoesNotKnowTheOutcomeOfACommitWhoseAnswerWasLost) {
  TcpProxy proxy(TestServer::Port());
  OpenThrough(proxy);
  const auto taken = session_->TakeTask(kTask, 0);
  ASSERT_TRUE(taken.ok()) << taken.status();
  // Names known, so that the next round trip is the commit.
  ASSERT_TRUE(Write("1").ok());
  proxy.LoseNextAnswer();
  EXPECT_EQ(Write("2", {MakeTaskCommit(kTask, *taken)}).status().code(), absl::StatusCode::kUnavailable);
  // It was made, and taking the task anew shows that.
  const auto again = session_->TakeTask(kTask, 0);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->emit_sequence, taken->emit_sequence + 1);
  EXPECT_TRUE(IsThere("2"));
}

TEST_F(PostgresOutage, GivesUpWhenTheNetworkSwallowsEverything) {
  TcpProxy proxy(TestServer::Port());
  OpenThrough(proxy);
  ASSERT_TRUE(Write("1").ok());
  proxy.SwallowAll(true);
  const absl::Time begin = absl::Now();
  const absl::Status gave_up = Write("2").status();
  EXPECT_EQ(gave_up.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(gave_up.message()), HasSubstr("no answer within"));
  EXPECT_LT(absl::Now() - begin, absl::Seconds(5));
  // Nor does it hang where connecting gets no answer.
  EXPECT_EQ(Write("2").status().code(), absl::StatusCode::kUnavailable);
  EXPECT_LT(absl::Now() - begin, absl::Seconds(10));
  proxy.SwallowAll(false);
  EXPECT_TRUE(Write("3").ok());
}

TEST_F(PostgresOutage, EndsACallThatWaitsTooLong) {
  PostgresConfig config = TestServer::Config();
  config.statement_timeout = absl::Milliseconds(200);
  Open(config);
  ASSERT_TRUE(session_->TakeTask(kTask, 0).ok());
  const auto other = TestServer::Connect();
  ASSERT_TRUE(other->Execute("BEGIN; LOCK TABLE " + schema_.Quoted() + ".task").ok());
  EXPECT_EQ(session_->TakeTask(kTask, 0).status().code(), absl::StatusCode::kUnavailable);
  ASSERT_TRUE(other->Execute("ROLLBACK").ok());
  EXPECT_TRUE(session_->TakeTask(kTask, 0).ok());
}

// Constraints may speak up only when the transaction ends, after the statement has answered.
TEST_F(PostgresOutage, ReportsAnErrorOfTheCommitItself) {
  ASSERT_TRUE(Write("1").ok());
  TestServer::Execute("SET search_path = " + schema_.Quoted() +
                      "; CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
                      "$$BEGIN RAISE EXCEPTION 'too late' USING ERRCODE = '23514'; END$$;"
                      "CREATE CONSTRAINT TRIGGER late AFTER INSERT ON aggregate DEFERRABLE INITIALLY DEFERRED "
                      "FOR EACH ROW EXECUTE FUNCTION refuse()");
  const absl::Status refused = Write("2").status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument) << refused;
  TestServer::Execute("DROP TRIGGER late ON " + schema_.Quoted() + ".aggregate");
  EXPECT_FALSE(IsThere("2"));
  EXPECT_TRUE(Write("3").ok());
}

TEST_F(PostgresOutage, RefusesAnotherStoreInItsPlace) {
  ASSERT_TRUE(Write("1").ok());
  TestServer::Stop();
  TestServer::Start();
  TestServer::Execute("DROP SCHEMA " + schema_.Quoted() + " CASCADE");
  ASSERT_TRUE(OpenPostgresStore(TestServer::Config(), schema_.name()).ok());
  const absl::Status refused = Write("2").status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("another store"));
}

TEST_F(PostgresOutage, KeepsEveryCommitWhenTheServerIsStoppedAtOnce) {
  auto taken = session_->TakeTask(kTask, 0);
  ASSERT_TRUE(taken.ok()) << taken.status();
  std::atomic<bool> stopped = false;
  std::atomic<int> answered = 0;
  std::thread writer([&] {
    // Until the server is gone.
    for (int i = 1; !stopped; ++i) {
      const auto written = Write(std::to_string(i), {MakeTaskCommit(kTask, *taken)});
      if (!written.ok()) break;
      ++taken->emit_sequence;
      answered = i;
    }
  });
  while (answered < 200) std::this_thread::yield();
  TestServer::Stop();
  stopped = true;
  writer.join();
  TestServer::Start();
  const auto again = session_->TakeTask(kTask, 0);
  ASSERT_TRUE(again.ok()) << again.status();
  // One more may have been committed than was answered.
  EXPECT_GE(again->emit_sequence, static_cast<uint64_t>(answered));
  EXPECT_LE(again->emit_sequence, static_cast<uint64_t>(answered) + 1);
  for (uint64_t i = 1; i <= again->emit_sequence; ++i) EXPECT_TRUE(IsThere(std::to_string(i))) << i;
  EXPECT_FALSE(IsThere(std::to_string(again->emit_sequence + 1)));
}

}  // namespace
}  // namespace tradewind::store
