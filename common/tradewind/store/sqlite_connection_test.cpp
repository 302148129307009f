#include "tradewind/store/sqlite_connection.h"

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <string>

#include "tradewind/store/sqlite_site.h"

namespace tradewind::store {
namespace {

TEST(SqliteStatus, ReadsEachErrorAsTheStorePromises) {
  const std::pair<int, absl::StatusCode> codes[] = {
      {SQLITE_OK, absl::StatusCode::kOk},
      {SQLITE_ROW, absl::StatusCode::kOk},
      {SQLITE_DONE, absl::StatusCode::kOk},
      {SQLITE_BUSY, absl::StatusCode::kUnavailable},
      {SQLITE_BUSY_SNAPSHOT, absl::StatusCode::kUnavailable},
      {SQLITE_LOCKED, absl::StatusCode::kUnavailable},
      {SQLITE_IOERR_WRITE, absl::StatusCode::kUnavailable},
      {SQLITE_IOERR_FSYNC, absl::StatusCode::kUnavailable},
      {SQLITE_CANTOPEN, absl::StatusCode::kUnavailable},
      {SQLITE_READONLY_DBMOVED, absl::StatusCode::kUnavailable},
      {SQLITE_FULL, absl::StatusCode::kResourceExhausted},
      {SQLITE_CORRUPT_INDEX, absl::StatusCode::kDataLoss},
      {SQLITE_NOTADB, absl::StatusCode::kDataLoss},
      {SQLITE_TOOBIG, absl::StatusCode::kInvalidArgument},
      {SQLITE_CONSTRAINT_NOTNULL, absl::StatusCode::kInvalidArgument},
      {SQLITE_MISMATCH, absl::StatusCode::kInvalidArgument},
      {SQLITE_MISUSE, absl::StatusCode::kInternal},
  };
  for (const auto& [code, expected] : codes) {
    EXPECT_EQ(SqliteStatus(code, "file", "detail").code(), expected) << code;
  }
  EXPECT_EQ(SqliteStatus(SQLITE_FULL, "a.db", "no room").message(), "a.db: no room (SQLite error 13)");
}

class ConnectionTest : public testing::Test {
 protected:
  void SetUp() override {
    auto connection = Connection::Open(folder_.File("a.db"), Connection::Mode::kReadWrite);
    ASSERT_TRUE(connection.ok()) << connection.status();
    connection_ = *std::move(connection);
    ASSERT_TRUE(connection_->Execute("CREATE TABLE t (id INTEGER PRIMARY KEY, value BLOB NOT NULL UNIQUE)").ok());
    auto transactions = TransactionStatements::Prepare(*connection_);
    ASSERT_TRUE(transactions.ok()) << transactions.status();
    transactions_ = *std::move(transactions);
  }
  std::string Count() { return *connection_->QueryText("SELECT count(*) FROM t"); }

  TemporaryFolder folder_;
  std::unique_ptr<Connection> connection_;
  TransactionStatements transactions_;
};

TEST_F(ConnectionTest, RunsAStatementAgainAfterItFailed) {
  auto insert = connection_->Prepare("INSERT INTO t (value) VALUES (?1)");
  ASSERT_TRUE(insert.ok()) << insert.status();
  EXPECT_EQ(*insert->BindBytes(1, "a").Run(), 1);
  EXPECT_EQ(insert->BindBytes(1, "a").Run().status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(insert->BindInteger(2, 0).Run().status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(*insert->BindBytes(1, "b").Run(), 1);
  EXPECT_EQ(Count(), "2");
}

TEST_F(ConnectionTest, RollsBackWhatWasNotCommitted) {
  {
    Transaction transaction(transactions_);
    ASSERT_TRUE(transaction.Begin(Transaction::Kind::kWrite).ok());
    ASSERT_TRUE(connection_->Execute("INSERT INTO t (value) VALUES (x'01')").ok());
  }
  EXPECT_FALSE(connection_->in_transaction());
  EXPECT_EQ(Count(), "0");
  Transaction transaction(transactions_);
  ASSERT_TRUE(transaction.Begin(Transaction::Kind::kWrite).ok());
  ASSERT_TRUE(connection_->Execute("INSERT INTO t (value) VALUES (x'01')").ok());
  ASSERT_TRUE(transaction.Commit().ok());
  EXPECT_EQ(Count(), "1");
}

TEST_F(ConnectionTest, ReportsAFullDisk) {
  ASSERT_TRUE(connection_->Execute("PRAGMA max_page_count = 3").ok());
  EXPECT_EQ(connection_->Execute("INSERT INTO t (value) VALUES (randomblob(100000))").code(),
            absl::StatusCode::kResourceExhausted);
}

TEST_F(ConnectionTest, CannotWriteWhenReadOnly) {
  const auto reader = Connection::Open(folder_.File("a.db"), Connection::Mode::kReadOnly);
  ASSERT_TRUE(reader.ok()) << reader.status();
  EXPECT_TRUE((*reader)->read_only());
  EXPECT_FALSE((*reader)->Execute("INSERT INTO t (value) VALUES (x'01')").ok());
  EXPECT_FALSE(connection_->read_only());
}

TEST_F(ConnectionTest, OpensNothingForReadingWhereThereIsNothing) {
  EXPECT_EQ(Connection::Open(folder_.File("none.db"), Connection::Mode::kReadOnly).status().code(),
            absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace tradewind::store
