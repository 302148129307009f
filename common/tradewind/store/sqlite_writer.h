// The one connection of a store that writes, with its prepared statements, shared by all sessions.
//
// Shared, because SQLite writes one transaction at a time anyway, and because a connection drops its whole page cache
// when another one has written: with a connection each, two busy sessions would read every page again and again.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "absl/status/statusor.h"

#include "tradewind/store/sqlite_connection.h"
#include "tradewind/store/sqlite_names.h"

namespace tradewind::store {

struct SqliteWriterStatements {
  Statement take_task;
  Statement load_outbox;
  Statement load_aggregate;
  Statement load_request;
  Statement load_kept;
  Statement load_kept_by_id;
  Statement count_kept;
  Statement load_queue_heads;
  Statement load_queue;
  Statement load_requested;
  Statement load_timers;
  Statement prune_requests;

  Statement update_task;
  Statement remove_outbox;
  Statement insert_outbox;
  Statement update_aggregate;
  Statement insert_aggregate;
  Statement remove_aggregate;
  Statement load_removed_version;
  Statement update_removed_version;
  Statement remove_index_entry;
  Statement insert_index_entry;
  Statement insert_request;
  Statement insert_kept;
  Statement update_kept;
  Statement remove_kept;
  Statement request_kept;
  Statement set_timer;
  Statement remove_timer;
};

struct SqliteWriter {
  // Prepares everything; the schema is up to date.
  static absl::StatusOr<std::unique_ptr<SqliteWriter>> Make(std::unique_ptr<Connection> connection);

  // Held for the length of each call of a session, so that sessions queue here and not in SQLite's sleeping retries.
  std::mutex mutex;
  // Guarded by the mutex, as is all that follows. Declared first: the statements go before it.
  std::unique_ptr<Connection> connection;
  TransactionStatements transactions;
  SqliteNames names;
  SqliteWriterStatements statements;
};

}  // namespace tradewind::store
