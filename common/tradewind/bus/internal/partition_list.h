// librdkafka's list of topic partitions, made and read without its raw fields all over the place.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/types/span.h"

#include "tradewind/bus/event_source.h"
#include "tradewind/bus/internal/rdkafka_handle.h"

namespace tradewind::bus::internal {

PartitionListHandle NewPartitionList(size_t capacity);
void Add(rd_kafka_topic_partition_list_t& list, const std::string& topic, int32_t partition, int64_t offset);
void Add(rd_kafka_topic_partition_list_t& list, const CommittedOffset& offset);

absl::Span<const rd_kafka_topic_partition_t> Elements(const rd_kafka_topic_partition_list_t& list);

// The first error that an entry carries, named as `what` and the partition.
absl::Status FirstError(const rd_kafka_topic_partition_list_t& list, std::string_view what);

}  // namespace tradewind::bus::internal
