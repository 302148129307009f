#include "tradewind/bus/internal/seek.h"

#include <algorithm>

#include "absl/time/clock.h"

#include "tradewind/bus/internal/partition_list.h"
#include "tradewind/bus/internal/rdkafka_error.h"

namespace tradewind::bus::internal {
namespace {

absl::Status SeekOnce(rd_kafka_t* client, rd_kafka_topic_partition_list_t& list, const Deadline& deadline) {
  const ErrorHandle error(rd_kafka_seek_partitions(client, &list, std::max(deadline.RemainingMs(), 1)));
  return error != nullptr ? ToStatus(error.get(), "seek") : FirstError(list, "seek in");
}

}  // namespace

absl::Status SeekTo(rd_kafka_t* client, rd_kafka_topic_partition_list_t& list, const Deadline& deadline) {
  absl::Status status = SeekOnce(client, list, deadline);
  while (status.code() == absl::StatusCode::kFailedPrecondition && !deadline.expired()) {
    absl::SleepFor(absl::Milliseconds(1));
    status = SeekOnce(client, list, deadline);
  }
  return status;
}

}  // namespace tradewind::bus::internal
