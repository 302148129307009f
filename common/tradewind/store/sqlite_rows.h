// Rows that the session and the reader both turn into structs.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"

#include "tradewind/store/sqlite_connection.h"
#include "tradewind/store/store.h"

namespace tradewind::store {

// Runs a statement, bound already, whose columns are those of `kept`: group, partition, id, state, key, source, type,
// reason, record.
inline absl::StatusOr<std::vector<KeptRecord>> ReadKeptRows(Statement& statement) {
  std::vector<KeptRecord> records;
  absl::StatusOr<bool> row = statement.Step();
  for (; row.ok() && *row; row = statement.Step()) {
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
  }
  if (!row.ok()) return row.status();
  return records;
}

}  // namespace tradewind::store
