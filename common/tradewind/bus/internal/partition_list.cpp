#include "tradewind/bus/internal/partition_list.h"

#include <fmt/format.h>

#include <cstdlib>
#include <cstring>

#include "tradewind/bus/internal/rdkafka_error.h"

namespace tradewind::bus::internal {

PartitionListHandle NewPartitionList(size_t capacity) {
  return PartitionListHandle(rd_kafka_topic_partition_list_new(static_cast<int>(capacity)));
}

void Add(rd_kafka_topic_partition_list_t& list, const std::string& topic, int32_t partition, int64_t offset) {
  rd_kafka_topic_partition_list_add(&list, topic.c_str(), partition)->offset = offset;
}

void Add(rd_kafka_topic_partition_list_t& list, const CommittedOffset& offset) {
  rd_kafka_topic_partition_t* entry = rd_kafka_topic_partition_list_add(&list, offset.topic.c_str(), offset.partition);
  entry->offset = offset.offset;
  if (!offset.metadata.empty()) {
    // Freed with the list, by free().
    entry->metadata = std::malloc(offset.metadata.size());
    std::memcpy(entry->metadata, offset.metadata.data(), offset.metadata.size());
    entry->metadata_size = offset.metadata.size();
  }
}

absl::Span<const rd_kafka_topic_partition_t> Elements(const rd_kafka_topic_partition_list_t& list) {
  return {list.elems, static_cast<size_t>(list.cnt)};
}

absl::Status FirstError(const rd_kafka_topic_partition_list_t& list, std::string_view what) {
  for (const rd_kafka_topic_partition_t& entry : Elements(list)) {
    if (entry.err != RD_KAFKA_RESP_ERR_NO_ERROR) {
      return ToStatus(entry.err, fmt::format("{} {}-{}", what, entry.topic, entry.partition));
    }
  }
  return absl::OkStatus();
}

}  // namespace tradewind::bus::internal
