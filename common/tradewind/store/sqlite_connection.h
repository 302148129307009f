// RAII over the C interface of SQLite: a connection, its prepared statements and its transactions. Used by everything
// of SqliteStore; no header outside this folder includes it.
//
// A connection and what hangs off it belong to one thread at a time: SQLite's own mutexes are switched off. Calls
// block. Errors carry the file, what SQLite says, and the code that store.h promises.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

struct sqlite3;
struct sqlite3_stmt;

namespace tradewind::store {

// The status for a result code of SQLite, primary or extended. OK for SQLITE_OK, SQLITE_ROW and SQLITE_DONE.
absl::Status SqliteStatus(int code, std::string_view file, std::string_view detail);

class Connection;

// A prepared statement, made once and run many times. Outlived by its connection.
class Statement {
 public:
  Statement() = default;

  // Parameters count from 1. Text and bytes are not copied: they must live until the statement is reset. An error shows
  // in the next Step or Run.
  Statement& BindInteger(int parameter, int64_t value);
  Statement& BindText(int parameter, std::string_view text);
  Statement& BindBytes(int parameter, std::string_view bytes);
  Statement& BindNull(int parameter);

  // True with a row to read; false at the end, where the statement has been reset, as it has after an error.
  absl::StatusOr<bool> Step();
  // Runs a statement that gives no rows; returns how many rows it changed.
  absl::StatusOr<int64_t> Run();
  void Reset();

  // Columns of the row that Step reached, from 0. The view is valid until the next Step or Reset.
  int64_t Integer(int column) const;
  std::string_view Bytes(int column) const;

 private:
  friend class Connection;
  struct Finalizer {
    void operator()(sqlite3_stmt* statement) const;
  };

  Statement(const Connection* connection, sqlite3_stmt* statement) : connection_(connection), statement_(statement) {}
  absl::Status Fail(int code);
  void NoteBind(int code);

  const Connection* connection_ = nullptr;
  std::unique_ptr<sqlite3_stmt, Finalizer> statement_;
  int bind_error_ = 0;
};

// Resets a statement when the scope ends, so that no early return leaves a read transaction open.
class ScopedReset {
 public:
  explicit ScopedReset(Statement& statement) : statement_(statement) {}
  ~ScopedReset() { statement_.Reset(); }
  ScopedReset(const ScopedReset&) = delete;
  ScopedReset& operator=(const ScopedReset&) = delete;

 private:
  Statement& statement_;
};

class Connection {
 public:
  enum class Mode { kReadWrite, kReadOnly };

  // Opens the file, creating it in kReadWrite.
  static absl::StatusOr<std::unique_ptr<Connection>> Open(const std::string& file, Mode mode);

  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  absl::StatusOr<Statement> Prepare(std::string_view sql);
  // Runs statements that need no parameters; rows are dropped.
  absl::Status Execute(const char* sql);
  // The first column of the first row of a statement without parameters, as text; empty where there is no row.
  absl::StatusOr<std::string> QueryText(std::string_view sql);

  // True where the file can only be read, whatever it was opened for.
  bool read_only() const;
  bool in_transaction() const;
  const std::string& file() const { return file_; }
  sqlite3* handle() const { return handle_.get(); }

 private:
  struct Closer {
    void operator()(sqlite3* handle) const;
  };
  explicit Connection(std::string file) : file_(std::move(file)) {}

  std::string file_;
  std::unique_ptr<sqlite3, Closer> handle_;
};

// The statements around a transaction, prepared once for a connection.
class TransactionStatements {
 public:
  static absl::StatusOr<TransactionStatements> Prepare(Connection& connection);

 private:
  friend class Transaction;
  Connection* connection_ = nullptr;
  Statement begin_read_;
  Statement begin_write_;
  Statement commit_;
  Statement rollback_;
};

// Rolls back when the scope ends without Commit.
class Transaction {
 public:
  enum class Kind { kRead, kWrite };

  explicit Transaction(TransactionStatements& statements) : statements_(statements) {}
  ~Transaction();
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;

  // kWrite takes SQLite's write lock at once, so that nothing read in the transaction can be stale when it writes.
  absl::Status Begin(Kind kind);
  absl::Status Commit();

 private:
  TransactionStatements& statements_;
};

}  // namespace tradewind::store
