#include "tradewind/app/watched_session.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <utility>

#include "tradewind/store/sqlite_store.h"
#include "tradewind/testing/forwarding_session.h"

namespace tradewind {
namespace {

// Fails writes with what it is told to.
class Failing final : public testing::ForwardingSession {
 public:
  Failing(store::Session& inner, const absl::Status& error) : ForwardingSession(inner), error_(error) {}
  absl::StatusOr<store::CommitResult> Commit(const store::Batch& batch) override {
    if (!error_.ok()) return error_;
    return ForwardingSession::Commit(batch);
  }
  absl::StatusOr<std::vector<store::Timer>> LoadTimers(const store::TaskId&, int64_t, int64_t) override {
    return absl::UnavailableError("away");
  }

 private:
  const absl::Status& error_;
};

class WatchedSessionTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::string folder = ::testing::TempDir() + "/watched-" + std::to_string(getpid());
    auto store = store::OpenSqliteStore({.directory = folder}, "watched");
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
    auto session = store_->OpenSession();
    ASSERT_TRUE(session.ok()) << session.status();
    inner_ = *std::move(session);
    watched_ = std::make_unique<WatchedSession>(std::make_unique<Failing>(*inner_, error_), "watched");
  }

  static double Away(const std::string& call) {
    return telemetry::NewAge("tradewind_store_away_seconds", "", {{"group", "watched"}, {"call", call}}).value();
  }

  absl::Status error_;
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<store::Session> inner_;
  std::unique_ptr<WatchedSession> watched_;
};

TEST_F(WatchedSessionTest, IsWellWhileTheStoreAnswers) {
  ASSERT_TRUE(watched_->Commit({}).ok());
  ASSERT_TRUE(watched_->LoadAggregates({}).ok());
  EXPECT_EQ(Away("write"), 0);
  EXPECT_EQ(Away("read"), 0);
}

TEST_F(WatchedSessionTest, AFullDiskIsAwayForWritesUntilOneSucceeds) {
  error_ = absl::ResourceExhaustedError("database or disk is full");
  EXPECT_FALSE(watched_->Commit({}).ok());
  const double first = Away("write");
  EXPECT_GT(first, 0);
  ASSERT_TRUE(watched_->LoadAggregates({}).ok());
  EXPECT_GT(Away("write"), first);
  EXPECT_EQ(Away("read"), 0);
  error_ = absl::OkStatus();
  ASSERT_TRUE(watched_->Commit({}).ok());
  EXPECT_EQ(Away("write"), 0);
}

TEST_F(WatchedSessionTest, AWriteThatSucceedsShowsThatReadingWouldToo) {
  EXPECT_FALSE(watched_->LoadTimers({}, 1, 1).ok());
  EXPECT_GT(Away("read"), 0);
  ASSERT_TRUE(watched_->Commit({}).ok());
  EXPECT_EQ(Away("read"), 0);
}

TEST_F(WatchedSessionTest, ARefusalOfTheDataIsAnAnswer) {
  error_ = absl::InvalidArgumentError("value too long");
  EXPECT_FALSE(watched_->Commit({}).ok());
  EXPECT_EQ(Away("write"), 0);
}

}  // namespace
}  // namespace tradewind
