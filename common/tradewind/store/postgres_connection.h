// RAII over libpq: a connection to a PostgreSQL server. Used by everything of PostgresStore; no header outside this
// folder includes it.
//
// A connection belongs to one thread at a time. Calls block, but never for longer than the time-outs it was opened
// with: the server ends a statement that takes too long, and should the server itself be stuck or the network swallow
// everything, the call gives up kGrace later and the connection is no longer usable. Errors name the server and carry
// the code that store.h promises; see postgres_status.h.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"

#include "tradewind/store/postgres_wire.h"

struct pg_conn;

namespace tradewind::store {

// Where to connect and how long to wait.
struct PostgresTarget {
  // postgresql://user:password@host:port/database or libpq's key=value form. Never shown in a message.
  std::string url;
  // Shown by the server in pg_stat_activity.
  std::string application;
  // For each host of the url.
  absl::Duration connect_timeout = absl::Seconds(5);
  // For each round trip.
  absl::Duration statement_timeout = absl::Seconds(10);
};

// A statement by name, prepared once for a connection.
struct PostgresStatement {
  const char* name;
  const char* sql;
};

// One statement to run: the name of a prepared one, or its SQL.
struct PostgresCall {
  const char* text;
  bool is_prepared = true;
  PostgresParameters parameters;
};

class PostgresConnection {
 public:
  // Beyond the statement's time-out, for the server's own cancellation to arrive first.
  static constexpr absl::Duration kGrace = absl::Seconds(2);

  // Connects. InvalidArgument when the url is none; PermissionDenied when the server refuses the user,
  // FailedPrecondition when there is no such database, Unavailable when it cannot be reached or takes nobody now.
  static absl::StatusOr<std::unique_ptr<PostgresConnection>> Open(const PostgresTarget& target);

  PostgresConnection(const PostgresConnection&) = delete;
  PostgresConnection& operator=(const PostgresConnection&) = delete;

  // Runs SQL without parameters, any number of statements in one transaction; rows are dropped.
  absl::Status Execute(const std::string& sql);
  // Prepares all of them in one round trip.
  absl::Status Prepare(absl::Span<const PostgresStatement> statements);
  // Runs all of them in one round trip and, unless a transaction is open already, as one transaction; each sees what
  // was committed before it began. One result a call. After an error nothing of it stays, except where the connection
  // broke: then that is not known.
  absl::StatusOr<std::vector<PostgresResult>> Run(absl::Span<const PostgresCall> calls);

  // False once the connection broke or gave up waiting.
  bool usable() const { return !broken_; }
  // Looks whether the server has closed an idle connection, without a round trip.
  void NoticeClosing();

  // "PostgreSQL at 127.0.0.1:5432/tradewind", for messages.
  const std::string& where() const { return where_; }
  // As a number such as 150004 for 15.4.
  int server_version() const;
  // `name` as SQL has an identifier, in quotes.
  std::string Quote(std::string_view name) const;

 private:
  struct Finisher {
    void operator()(pg_conn* connection) const;
  };
  explicit PostgresConnection(const PostgresTarget& target) : target_(target) {}

  absl::Status Connect();
  absl::Status ExplainConnect() const;
  // Waits until the socket has something to read, or room to write where asked.
  absl::Status Wait(bool to_write, absl::Time deadline);
  absl::Status Flush(absl::Time deadline);
  absl::StatusOr<pg_result*> NextResult(absl::Time deadline);
  absl::Status Send(const PostgresCall& call);
  // Everything up to the end of the round trip. The first error counts.
  absl::StatusOr<std::vector<PostgresResult>> Receive(absl::Time deadline);
  absl::Status Broken(std::string_view detail);
  absl::Time Deadline() const;

  const PostgresTarget target_;
  std::string where_ = "PostgreSQL";
  std::unique_ptr<pg_conn, Finisher> connection_;
  bool broken_ = false;
};

}  // namespace tradewind::store
