// How many records a group has still to take. Offsets are not records: the end of a transaction takes one, an aborted
// record keeps the one it had, and what compaction removed leaves a gap; a group that has taken every record there is
// stays behind the end by those.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "tradewind/bus/kafka_config.h"

namespace tradewind::cli {

// Topic and partition.
using Place = std::pair<std::string, int32_t>;

// What was read of a partition from some offset on.
struct LogPiece {
  int64_t from = 0;
  // Everything below it was read.
  int64_t to = 0;
  // Of the records, rising.
  std::vector<int64_t> offsets;
};

// Records at or behind `next`, in a partition that ends at `end`. What was not read counts as if every offset were a
// record.
int64_t RecordsFrom(int64_t next, int64_t end, const LogPiece& piece);

// Of so many records of each partition it is said exactly how many they are.
inline constexpr size_t kMaxCounted = 1000;

// Reads each of `pieces`, whose `from` and `to` are given, up to its `to`, to the log's end, to kMaxCounted records or
// until `patience` is over, whichever comes first; sets `to` to what it came to. Blocks.
absl::Status ReadPieces(const bus::KafkaConfig& kafka, std::map<Place, LogPiece>& pieces, absl::Duration patience);

}  // namespace tradewind::cli
