#include "tradewind/store/sqlite_connection.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include <mutex>
#include <utility>

namespace tradewind::store {
namespace {

// How long a statement waits for a lock that someone outside this process holds, say an operator's sqlite3.
constexpr int kBusyTimeoutMs = 5000;

absl::StatusCode CodeOf(int code) {
  switch (code & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
      return absl::StatusCode::kOk;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_PROTOCOL:
    case SQLITE_NOMEM:
    // The file became unwritable or was moved away under a running store: like a disk that is away.
    case SQLITE_READONLY:
      return absl::StatusCode::kUnavailable;
    case SQLITE_FULL:
      return absl::StatusCode::kResourceExhausted;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return absl::StatusCode::kDataLoss;
    case SQLITE_TOOBIG:
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
    case SQLITE_RANGE:
      return absl::StatusCode::kInvalidArgument;
    case SQLITE_PERM:
    case SQLITE_AUTH:
      return absl::StatusCode::kPermissionDenied;
    default:
      return absl::StatusCode::kInternal;
  }
}

// SQLite counts every allocation under one process-wide mutex unless told not to before its first use. A program that
// used SQLite before us keeps its setting, which costs speed only.
void ConfigureOnce() {
  static std::once_flag once;
  std::call_once(once, [] { sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0); });
}

}  // namespace

absl::Status SqliteStatus(int code, std::string_view file, std::string_view detail) {
  const absl::StatusCode status = CodeOf(code);
  if (status == absl::StatusCode::kOk) return absl::OkStatus();
  return absl::Status(status, fmt::format("{}: {} (SQLite error {})", file, detail, code));
}

void Statement::Finalizer::operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }

void Statement::NoteBind(int code) {
  if (code != SQLITE_OK && bind_error_ == SQLITE_OK) bind_error_ = code;
}

Statement& Statement::BindInteger(int parameter, int64_t value) {
  NoteBind(sqlite3_bind_int64(statement_.get(), parameter, value));
  return *this;
}

// A null pointer would bind NULL, and an empty view may have one.
Statement& Statement::BindText(int parameter, std::string_view text) {
  const char* data = text.data() != nullptr ? text.data() : "";
  NoteBind(sqlite3_bind_text64(statement_.get(), parameter, data, text.size(), SQLITE_STATIC, SQLITE_UTF8));
  return *this;
}

Statement& Statement::BindBytes(int parameter, std::string_view bytes) {
  const char* data = bytes.data() != nullptr ? bytes.data() : "";
  NoteBind(sqlite3_bind_blob64(statement_.get(), parameter, data, bytes.size(), SQLITE_STATIC));
  return *this;
}

Statement& Statement::BindNull(int parameter) {
  NoteBind(sqlite3_bind_null(statement_.get(), parameter));
  return *this;
}

absl::Status Statement::Fail(int code) {
  sqlite3* handle = connection_->handle();
  const int extended = sqlite3_extended_errcode(handle);
  // The connection remembers the error of its last call only: it is this one's where the primary codes agree.
  const bool same = (extended & 0xff) == (code & 0xff);
  absl::Status status =
      SqliteStatus(same ? extended : code, connection_->file(), same ? sqlite3_errmsg(handle) : sqlite3_errstr(code));
  Reset();
  return status;
}

absl::StatusOr<bool> Statement::Step() {
  if (bind_error_ != SQLITE_OK) return Fail(std::exchange(bind_error_, SQLITE_OK));
  const int code = sqlite3_step(statement_.get());
  if (code == SQLITE_ROW) return true;
  if (code != SQLITE_DONE) return Fail(code);
  Reset();
  return false;
}

absl::StatusOr<int64_t> Statement::Run() {
  absl::StatusOr<bool> row = Step();
  while (row.ok() && *row) row = Step();
  if (!row.ok()) return row.status();
  return sqlite3_changes64(connection_->handle());
}

// Reports the error of the last step once more, which has been dealt with.
void Statement::Reset() {
  sqlite3_reset(statement_.get());
  bind_error_ = SQLITE_OK;
}

int64_t Statement::Integer(int column) const { return sqlite3_column_int64(statement_.get(), column); }

std::string_view Statement::Bytes(int column) const {
  // In this order: asking for the value may convert it, which the size must reflect.
  const void* data = sqlite3_column_blob(statement_.get(), column);
  const int size = sqlite3_column_bytes(statement_.get(), column);
  if (data == nullptr) return {};
  return {static_cast<const char*>(data), static_cast<size_t>(size)};
}

void Connection::Closer::operator()(sqlite3* handle) const { sqlite3_close_v2(handle); }

absl::StatusOr<std::unique_ptr<Connection>> Connection::Open(const std::string& file, Mode mode) {
  ConfigureOnce();
  std::unique_ptr<Connection> connection(new Connection(file));
  const int flags = mode == Mode::kReadWrite ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY;
  sqlite3* handle = nullptr;
  const int code = sqlite3_open_v2(file.c_str(), &handle, flags | SQLITE_OPEN_NOMUTEX, nullptr);
  // SQLite gives a handle with the error in it unless memory ran out.
  connection->handle_.reset(handle);
  if (code != SQLITE_OK) {
    return SqliteStatus(handle != nullptr ? sqlite3_extended_errcode(handle) : code, file,
                        handle != nullptr ? sqlite3_errmsg(handle) : sqlite3_errstr(code));
  }
  sqlite3_extended_result_codes(handle, 1);
  sqlite3_busy_timeout(handle, kBusyTimeoutMs);
  return connection;
}

absl::StatusOr<Statement> Connection::Prepare(std::string_view sql) {
  sqlite3_stmt* statement = nullptr;
  const int code = sqlite3_prepare_v3(handle(), sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT,
                                      &statement, nullptr);
  if (code != SQLITE_OK) return SqliteStatus(code, file_, sqlite3_errmsg(handle()));
  return Statement(this, statement);
}

absl::Status Connection::Execute(const char* sql) {
  const int code = sqlite3_exec(handle(), sql, nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return SqliteStatus(code, file_, sqlite3_errmsg(handle()));
  return absl::OkStatus();
}

absl::StatusOr<std::string> Connection::QueryText(std::string_view sql) {
  absl::StatusOr<Statement> statement = Prepare(sql);
  if (!statement.ok()) return statement.status();
  const absl::StatusOr<bool> row = statement->Step();
  if (!row.ok()) return row.status();
  return *row ? std::string(statement->Bytes(0)) : std::string();
}

bool Connection::read_only() const { return sqlite3_db_readonly(handle(), "main") == 1; }

bool Connection::in_transaction() const { return sqlite3_get_autocommit(handle()) == 0; }

absl::StatusOr<TransactionStatements> TransactionStatements::Prepare(Connection& connection) {
  TransactionStatements statements;
  statements.connection_ = &connection;
  for (auto& [target, sql] :
       {std::pair(&statements.begin_read_, "BEGIN DEFERRED"), std::pair(&statements.begin_write_, "BEGIN IMMEDIATE"),
        std::pair(&statements.commit_, "COMMIT"), std::pair(&statements.rollback_, "ROLLBACK")}) {
    absl::StatusOr<Statement> statement = connection.Prepare(sql);
    if (!statement.ok()) return statement.status();
    *target = *std::move(statement);
  }
  return statements;
}

Transaction::~Transaction() {
  // Some errors, a full disk for one, have rolled back already.
  if (!statements_.connection_->in_transaction()) return;
  // What was written in it is gone either way: where the statement fails, SQLite rolls back when the file is next
  // opened.
  (void)statements_.rollback_.Run();
}

absl::Status Transaction::Begin(Kind kind) {
  return (kind == Kind::kRead ? statements_.begin_read_ : statements_.begin_write_).Run().status();
}

absl::Status Transaction::Commit() { return statements_.commit_.Run().status(); }

}  // namespace tradewind::store
