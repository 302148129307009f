// A seek that waits until the client takes it.
#pragma once

#include "absl/status/status.h"

#include "tradewind/bus/internal/deadline.h"
#include "tradewind/bus/internal/rdkafka_handle.h"

namespace tradewind::bus::internal {

// Has the client go on at the offsets in `list`, of partitions that it is assigned. Nothing that was fetched before
// comes out of it afterwards. Blocks until the deadline at most. A partition that was assigned a moment ago is not
// being fetched yet, and takes no seek: the client's own thread is about to start that, and it is tried again.
absl::Status SeekTo(rd_kafka_t* client, rd_kafka_topic_partition_list_t& list, const Deadline& deadline);

}  // namespace tradewind::bus::internal
