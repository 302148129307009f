// Questions to the brokers that more than one kind of client asks.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

#include "tradewind/bus/event_source.h"
#include "tradewind/bus/internal/deadline.h"
#include "tradewind/bus/internal/rdkafka_handle.h"

namespace tradewind::bus::internal {

// Which end of a partition.
inline constexpr int64_t kEarliest = -2;
inline constexpr int64_t kLatest = -1;

// Replaces kEarliest and kLatest in `list` by the offsets they stand for now. Blocks until the deadline. Unavailable
// without an answer, NotFound where there is still no such partition after two seconds.
//
// Not by rd_kafka_query_watermark_offsets: in 2.0.2 that one forgets its timeout while the leader is away.
absl::Status ResolveOffsets(rd_kafka_t* client, rd_kafka_topic_partition_list_t& list, const Deadline& deadline);

// The offsets that a partition holds. As ResolveOffsets.
absl::StatusOr<OffsetRange> QueryRange(rd_kafka_t* client, const std::string& topic, int32_t partition,
                                       const Deadline& deadline);

// The ranges of many, as EventSource::Ranges says: who leads them is asked once, and each leader once for all of its
// first offsets and once for all of its ends.
std::vector<absl::StatusOr<OffsetRange>> QueryRanges(rd_kafka_t* client, absl::Span<const Position> partitions,
                                                     const Deadline& deadline);

}  // namespace tradewind::bus::internal
