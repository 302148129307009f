#include "tradewind/bus/internal/queries.h"

#include <fmt/format.h>

#include "absl/time/clock.h"

#include "tradewind/bus/internal/partition_list.h"
#include "tradewind/bus/internal/rdkafka_error.h"

namespace tradewind::bus::internal {
namespace {

// How long a broker may not have heard of a topic that another one has announced.
constexpr absl::Duration kUntilAnnounced = absl::Seconds(2);

absl::Status ResolveOnce(rd_kafka_t* client, rd_kafka_topic_partition_list_t& list, const Deadline& deadline) {
  // The offset fields hold timestamps to look up, of which -1 and -2 are the protocol's names for the two ends.
  const rd_kafka_resp_err_t error = rd_kafka_offsets_for_times(client, &list, deadline.RemainingMs());
  const std::string first = fmt::format("{}-{}", list.elems[0].topic, list.elems[0].partition);
  absl::Status status =
      ToStatus(error, list.cnt == 1 ? "offsets of " + first : fmt::format("offsets of {} and others", first));
  return status.ok() ? FirstError(list, "offsets of") : status;
}

}  // namespace

absl::Status ResolveOffsets(rd_kafka_t* client, rd_kafka_topic_partition_list_t& list, const Deadline& deadline) {
  if (list.cnt == 0) {
    return absl::OkStatus();
  }
  const PartitionListHandle question(rd_kafka_topic_partition_list_copy(&list));
  absl::Status status = ResolveOnce(client, list, deadline);
  // The partition of a topic made a moment ago, or of a broker that has just started: its leader is named before it has
  // taken office, and may not even know the topic yet.
  const Deadline announced(kUntilAnnounced);
  const auto passes = [&] { return absl::IsUnavailable(status) || (absl::IsNotFound(status) && !announced.expired()); };
  while (passes() && !deadline.expired()) {
    absl::SleepFor(absl::Milliseconds(20));
    for (int i = 0; i < list.cnt; ++i) {
      list.elems[i].offset = question->elems[i].offset;
      list.elems[i].err = RD_KAFKA_RESP_ERR_NO_ERROR;
    }
    status = ResolveOnce(client, list, deadline);
  }
  return status;
}

absl::StatusOr<OffsetRange> QueryRange(rd_kafka_t* client, const std::string& topic, int32_t partition,
                                       const Deadline& deadline) {
  const PartitionListHandle low = NewPartitionList(1);
  Add(*low, topic, partition, kEarliest);
  const PartitionListHandle high = NewPartitionList(1);
  Add(*high, topic, partition, kLatest);
  for (rd_kafka_topic_partition_list_t* list : {low.get(), high.get()}) {
    if (absl::Status status = ResolveOffsets(client, *list, deadline); !status.ok()) {
      return status;
    }
  }
  return OffsetRange{low->elems[0].offset, high->elems[0].offset};
}

}  // namespace tradewind::bus::internal
