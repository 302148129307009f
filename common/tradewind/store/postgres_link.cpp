#include "tradewind/store/postgres_link.h"

#include <fmt/format.h>

#include <utility>

#include "tradewind/store/logger.h"
#include "tradewind/store/postgres_status.h"

namespace tradewind::store {
namespace {

constexpr int kMaxAttempts = 5;

// Every statement here finds its rows by a unique key. The planner is kept from anything else: a plan made while a
// table is empty would scan it, and is kept when the table has grown. Plans are made once, not for each execution.
//
// READ COMMITTED, whatever the database's default: each statement of a commit must see what was committed while it
// waited for a row. The server is told to notice a client that vanished, so that no lock outlives its holder.
constexpr const char* kSettings =
    "SET search_path = {schema};"
    "SET default_transaction_isolation = 'read committed';"
    "SET statement_timeout = {timeout_ms};"
    "SET idle_in_transaction_session_timeout = {timeout_ms};"
    "SET client_min_messages = error;"
    "SET tcp_keepalives_idle = 5; SET tcp_keepalives_interval = 2; SET tcp_keepalives_count = 3;"
    "SET plan_cache_mode = force_generic_plan; SET jit = off;"
    "SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off;"
    "SET enable_sort = off";

}  // namespace

absl::Status PostgresLink::Ready() {
  if (connection_ != nullptr) {
    connection_->NoticeClosing();
    DropIfBroken(absl::UnavailableError("the server closed the connection"));
  }
  if (connection_ != nullptr) return absl::OkStatus();
  absl::StatusOr<std::unique_ptr<PostgresConnection>> connection = PostgresConnection::Open(place_.target);
  if (!connection.ok()) return connection.status();
  if (absl::Status set_up = SetUp(**connection); !set_up.ok()) return set_up;
  names_.Forget();
  connection_ = *std::move(connection);
  ++generation_;
  if (std::exchange(was_lost_, false)) kLog.Info("the database is back", {{"server", connection_->where()}});
  return absl::OkStatus();
}

absl::Status PostgresLink::SetUp(PostgresConnection& connection) const {
  const std::string settings =
      fmt::format(fmt::runtime(kSettings), fmt::arg("schema", place_.quoted_schema),
                  fmt::arg("timeout_ms", absl::ToInt64Milliseconds(place_.target.statement_timeout)));
  if (absl::Status set = connection.Execute(settings); !set.ok()) return set;
  const PostgresCall ask_id{"SELECT value FROM meta WHERE name = 'id'", false, {}};
  const absl::StatusOr<std::vector<PostgresResult>> id = connection.Run({&ask_id, 1});
  if (!id.ok()) return id.status();
  if (id->front().rows() != 1 || id->front().Bytes(0, 0) != place_.id) {
    return absl::FailedPreconditionError(
        fmt::format("{}: schema {} is another store than it was; restart the service to begin with that one",
                    connection.where(), place_.quoted_schema));
  }
  if (absl::Status prepared = connection.Prepare(PostgresNames::Statements()); !prepared.ok()) return prepared;
  return connection.Prepare(statements_);
}

absl::StatusOr<std::vector<PostgresResult>> PostgresLink::Run(absl::Span<const PostgresCall> calls) {
  if (connection_ == nullptr) return absl::UnavailableError("PostgreSQL: not connected");
  absl::StatusOr<std::vector<PostgresResult>> results = connection_->Run(calls);
  for (int attempt = 1; attempt < kMaxAttempts && IsWorthRepeating(results.status()); ++attempt) {
    results = connection_->Run(calls);
  }
  DropIfBroken(results.status());
  return results;
}

absl::StatusOr<PostgresResult> PostgresLink::Run(const PostgresCall& call) {
  absl::StatusOr<std::vector<PostgresResult>> results = Run({&call, 1});
  if (!results.ok()) return results.status();
  return std::move(results->front());
}

void PostgresLink::DropIfBroken(const absl::Status& why) {
  if (connection_->usable()) return;
  if (!std::exchange(was_lost_, true)) kLog.Warn("lost the connection to the database", {{"error", why}});
  connection_.reset();
}

}  // namespace tradewind::store
