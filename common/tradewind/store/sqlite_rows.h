// Rows that the session and the reader both turn into structs.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

#include "tradewind/store/short_key.h"
#include "tradewind/store/sqlite_connection.h"
#include "tradewind/store/store.h"

namespace tradewind::store {

// What ReadKeptRows reads, in its order.
#define TRADEWIND_KEPT_COLUMNS                                                                                         \
  "\"group\", partition, id, state, coalesce(long_key, key), source, type, reason, record, queued, attempts, due_ms, " \
  "requested, place"

// Runs a statement, bound already, whose columns are TRADEWIND_KEPT_COLUMNS. Reads no row after those that together
// have `max_bytes` in their record.
inline absl::StatusOr<std::vector<KeptRecord>> ReadKeptRows(Statement& statement,
                                                            int64_t max_bytes = std::numeric_limits<int64_t>::max()) {
  std::vector<KeptRecord> records;
  int64_t bytes = 0;
  absl::StatusOr<bool> row = statement.Step();
  for (; row.ok() && *row && bytes < max_bytes; row = statement.Step()) {
    bytes += static_cast<int64_t>(statement.Bytes(8).size());
    KeptRecord& kept = records.emplace_back();
    kept.task.group = statement.Bytes(0);
    kept.task.partition = static_cast<int32_t>(statement.Integer(1));
    kept.id = statement.Integer(2);
    kept.state = static_cast<KeptState>(statement.Integer(3));
    kept.key = statement.Bytes(4);
    kept.source = statement.Bytes(5);
    kept.type = statement.Bytes(6);
    kept.reason = statement.Bytes(7);
    kept.record = statement.Bytes(8);
    kept.queued = statement.Integer(9) != 0;
    kept.attempts = static_cast<int32_t>(statement.Integer(10));
    kept.due = absl::FromUnixMillis(statement.Integer(11));
    kept.requested = static_cast<KeptAction>(statement.Integer(12));
    kept.ahead = statement.Integer(13) < 0;
  }
  if (!row.ok()) return row.status();
  return records;
}

// The condition of a KeptFilter, whose parameters BindFilter sets: ?1 to ?5.
#define TRADEWIND_KEPT_FILTER                                                                \
  "(?1 IS NULL OR id = ?1) AND (?2 IS NULL OR state = ?2) AND (?3 IS NULL OR key = ?3) AND " \
  "(?4 IS NULL OR type = ?4) AND (?5 = 0 OR NOT (state = 3 AND due_ms = 0))"

// `key` lives until the statement is reset.
inline Statement& BindFilter(Statement& statement, const KeptFilter& filter, std::string& key) {
  filter.id.has_value() ? statement.BindInteger(1, *filter.id) : statement.BindNull(1);
  filter.state.has_value() ? statement.BindInteger(2, static_cast<int64_t>(*filter.state)) : statement.BindNull(2);
  filter.key.has_value() ? statement.BindBytes(3, ShortKey(*filter.key, key)) : statement.BindNull(3);
  filter.type.has_value() ? statement.BindText(4, *filter.type) : statement.BindNull(4);
  return statement.BindInteger(5, filter.failed_only ? 1 : 0);
}

}  // namespace tradewind::store
