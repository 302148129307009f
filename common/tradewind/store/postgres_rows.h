// Rows that the session and the reader both turn into structs.
#pragma once

#include <string>
#include <vector>

#include "absl/time/time.h"

#include "tradewind/store/postgres_wire.h"
#include "tradewind/store/store.h"

namespace tradewind::store {

// The columns of `kept` in the order in which ReadKeptRows takes them.
#define TRADEWIND_POSTGRES_KEPT_COLUMNS                                                                               \
  "\"group\", partition, id, state, coalesce(long_key, key) AS key, source, type, reason, record, queued, attempts, " \
  "due_ms, requested, place"

inline std::vector<KeptRecord> ReadKeptRows(const PostgresResult& rows) {
  std::vector<KeptRecord> records(static_cast<size_t>(rows.rows()));
  for (int row = 0; row < rows.rows(); ++row) {
    KeptRecord& kept = records[static_cast<size_t>(row)];
    kept.task.group = rows.Bytes(row, 0);
    kept.task.partition = rows.Integer(row, 1);
    kept.id = rows.Bigint(row, 2);
    kept.state = static_cast<KeptState>(rows.Integer(row, 3));
    kept.key = rows.Bytes(row, 4);
    kept.source = rows.Bytes(row, 5);
    kept.type = rows.Bytes(row, 6);
    kept.reason = rows.Bytes(row, 7);
    kept.record = rows.Bytes(row, 8);
    kept.queued = rows.Boolean(row, 9);
    kept.attempts = rows.Integer(row, 10);
    kept.due = absl::FromUnixMillis(rows.Bigint(row, 11));
    kept.requested = static_cast<KeptAction>(rows.Integer(row, 12));
    kept.ahead = rows.Integer(row, 13) < 0;
  }
  return records;
}

}  // namespace tradewind::store
