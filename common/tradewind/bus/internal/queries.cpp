#include "tradewind/bus/internal/queries.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "absl/time/clock.h"

#include "tradewind/bus/internal/partition_list.h"
#include "tradewind/bus/internal/rdkafka_error.h"

namespace tradewind::bus::internal {
namespace {

// How long a broker may not have heard of a topic that another one has announced.
constexpr absl::Duration kUntilAnnounced = absl::Seconds(2);
// How long one of several leaders is waited for. The others' partitions stand still meanwhile.
constexpr absl::Duration kForOneLeader = absl::Seconds(1);
// Of partitions that nobody is known to lead.
constexpr int32_t kUnknownLeader = -2;
// One second more than a topic may take to be announced.
constexpr absl::Duration kForUnknownLeader = absl::Seconds(3);

absl::Status ResolveOnce(rd_kafka_t* client, rd_kafka_topic_partition_list_t& list, const Deadline& deadline) {
  // The offset fields hold timestamps to look up, of which -1 and -2 are the protocol's names for the two ends.
  const rd_kafka_resp_err_t error = rd_kafka_offsets_for_times(client, &list, deadline.RemainingMs());
  const std::string first = fmt::format("{}-{}", list.elems[0].topic, list.elems[0].partition);
  absl::Status status =
      ToStatus(error, list.cnt == 1 ? "offsets of " + first : fmt::format("offsets of {} and others", first));
  return status.ok() ? FirstError(list, "offsets of") : status;
}

using PartitionName = std::pair<std::string, int32_t>;

// By partition; negative where it has none. Of all topics that the client knows.
absl::StatusOr<std::map<PartitionName, int32_t>> QueryLeaders(rd_kafka_t* client, const Deadline& deadline) {
  const rd_kafka_metadata_t* answer = nullptr;
  // The client chooses whom it asks, and may choose a broker that has just died: another one is asked a second later.
  rd_kafka_resp_err_t error = RD_KAFKA_RESP_ERR_NO_ERROR;
  while ((error = rd_kafka_metadata(client, 0, nullptr, &answer, deadline.RemainingMs(kForOneLeader))) !=
             RD_KAFKA_RESP_ERR_NO_ERROR &&
         !deadline.expired()) {
    absl::SleepFor(absl::Milliseconds(20));
  }
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return ToStatus(error, "leaders of partitions");
  }
  const MetadataHandle metadata(answer);
  std::map<PartitionName, int32_t> leaders;
  for (const rd_kafka_metadata_topic_t& topic :
       absl::MakeConstSpan(metadata->topics, static_cast<size_t>(metadata->topic_cnt))) {
    for (const rd_kafka_metadata_partition_t& partition :
         absl::MakeConstSpan(topic.partitions, static_cast<size_t>(topic.partition_cnt))) {
      leaders[{topic.topic, partition.id}] = partition.leader;
    }
  }
  return leaders;
}

// Asks for all of them together: those at `places` among `partitions`, which one broker leads.
void QueryRangesOf(rd_kafka_t* client, absl::Span<const Position> partitions, absl::Span<const size_t> places,
                   const Deadline& deadline, std::vector<absl::StatusOr<OffsetRange>>& ranges) {
  const PartitionListHandle lists[] = {NewPartitionList(places.size()), NewPartitionList(places.size())};
  absl::Status status;
  for (const auto& [list, end] : {std::pair(lists[0].get(), kEarliest), {lists[1].get(), kLatest}}) {
    for (const size_t place : places) Add(*list, partitions[place].topic, partitions[place].partition, end);
    status = ResolveOffsets(client, *list, deadline);
    // One of them may have an error of its own, or all may have had no answer.
    const auto elements = Elements(*list);
    if (std::all_of(elements.begin(), elements.end(), [](const auto& element) { return element.offset < 0; })) break;
  }
  for (size_t i = 0; i < places.size(); ++i) {
    const rd_kafka_topic_partition_t& low = lists[0]->elems[i];
    const bool known = lists[1]->cnt > 0 && low.offset >= 0 && lists[1]->elems[i].offset >= 0;
    if (known) {
      ranges[places[i]] = OffsetRange{low.offset, lists[1]->elems[i].offset};
    } else {
      ranges[places[i]] = status;
    }
  }
}

}  // namespace

std::vector<absl::StatusOr<OffsetRange>> QueryRanges(rd_kafka_t* client, absl::Span<const Position> partitions,
                                                     const Deadline& deadline) {
  if (partitions.empty()) return {};
  const auto leaders = QueryLeaders(client, deadline);
  if (!leaders.ok()) return std::vector<absl::StatusOr<OffsetRange>>(partitions.size(), leaders.status());
  std::vector<absl::StatusOr<OffsetRange>> ranges(partitions.size());
  std::map<int32_t, std::vector<size_t>> by_leader;
  for (size_t i = 0; i < partitions.size(); ++i) {
    const auto& [topic, partition, offset] = partitions[i];
    const auto leader = leaders->find({topic, partition});
    if (leader == leaders->end()) {
      // Made a moment ago, not followed by this client, or not there: asking tells, and is waited for.
      by_leader[kUnknownLeader].push_back(i);
    } else if (leader->second < 0) {
      ranges[i] = absl::UnavailableError(fmt::format("{}-{} has no leader", topic, partition));
    } else {
      by_leader[leader->second].push_back(i);
    }
  }
  for (const auto& [leader, places] : by_leader) {
    const absl::Duration patience = leader == kUnknownLeader ? kForUnknownLeader : kForOneLeader;
    QueryRangesOf(client, partitions, places, Deadline(patience), ranges);
  }
  return ranges;
}

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
  const Position wanted[] = {{.topic = topic, .partition = partition}};
  std::vector<absl::StatusOr<OffsetRange>> range(1);
  QueryRangesOf(client, wanted, {0}, deadline, range);
  return range[0];
}

}  // namespace tradewind::bus::internal
