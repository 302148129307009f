// What a KafkaAdmin tells of where logs end and how far groups are behind.
#include <fmt/format.h>

#include <algorithm>

#include "tradewind/bus/internal/kafka_admin_impl.h"
#include "tradewind/bus/internal/partition_list.h"
#include "tradewind/bus/internal/queries.h"
#include "tradewind/bus/internal/rdkafka_error.h"

namespace tradewind::bus {

using internal::ClientHandle;
using internal::ClientSettings;
using internal::EventHandle;
using internal::GroupOffsetsHandle;
using internal::PartitionListHandle;
using internal::QueueHandle;

absl::StatusOr<std::vector<KafkaAdmin::Impl::Place>> KafkaAdmin::Impl::PlacesOf(absl::Span<const std::string> topics) {
  const absl::StatusOr<std::vector<TopicInfo>> known = ListTopics();
  if (!known.ok()) {
    return known.status();
  }
  std::vector<Place> places;
  for (const TopicInfo& info : *known) {
    if (std::find(topics.begin(), topics.end(), info.name) == topics.end()) {
      continue;
    }
    for (int32_t partition = 0; partition < info.partitions; ++partition) {
      places.emplace_back(info.name, partition);
    }
  }
  return places;
}

absl::StatusOr<std::vector<int64_t>> KafkaAdmin::Impl::EndsOf(rd_kafka_t* client,
                                                              absl::Span<const Place> places) const {
  const PartitionListHandle list = internal::NewPartitionList(places.size());
  for (const auto& [topic, partition] : places) {
    internal::Add(*list, topic, partition, internal::kLatest);
  }
  if (absl::Status status = internal::ResolveOffsets(client, *list, NewDeadline()); !status.ok()) {
    return status;
  }
  std::vector<int64_t> ends;
  for (const rd_kafka_topic_partition_t& entry : internal::Elements(*list)) {
    ends.push_back(entry.offset);
  }
  return ends;
}

// A client asks for ends with its isolation level, and the one that all clients have by default is read_committed.
absl::StatusOr<rd_kafka_t*> KafkaAdmin::Impl::UncommittedClient() {
  const absl::MutexLock lock(&mutex_);
  if (uncommitted_client_ == nullptr) {
    ClientSettings settings(config_, client_id_);
    SetAdminDefaults(settings);
    settings.Set("isolation.level", "read_uncommitted");
    absl::StatusOr<ClientHandle> client = std::move(settings).Build(RD_KAFKA_PRODUCER, this);
    if (!client.ok()) {
      return client.status();
    }
    uncommitted_client_ = *std::move(client);
  }
  return uncommitted_client_.get();
}

absl::StatusOr<std::vector<LogEnd>> KafkaAdmin::Impl::LogEnds(absl::Span<const std::string> topics) {
  const absl::StatusOr<rd_kafka_t*> uncommitted = UncommittedClient();
  if (!uncommitted.ok()) {
    return uncommitted.status();
  }
  const absl::StatusOr<std::vector<Place>> places = PlacesOf(topics);
  if (!places.ok()) {
    return places.status();
  }
  // In this order, so that what is written meanwhile does not look like an open transaction.
  const absl::StatusOr<std::vector<int64_t>> high = EndsOf(*uncommitted, *places);
  if (!high.ok()) {
    return high.status();
  }
  const absl::StatusOr<std::vector<int64_t>> stable = EndsOf(client_.get(), *places);
  if (!stable.ok()) {
    return stable.status();
  }
  std::vector<LogEnd> ends;
  for (size_t i = 0; i < places->size(); ++i) {
    const auto& [topic, partition] = (*places)[i];
    ends.push_back({topic, partition, (*stable)[i], std::max((*stable)[i], (*high)[i])});
  }
  return ends;
}

absl::StatusOr<std::vector<GroupLag>> KafkaAdmin::Impl::Lag(const std::string& group,
                                                            absl::Span<const std::string> topics) {
  const absl::StatusOr<std::vector<Place>> places = PlacesOf(topics);
  if (!places.ok()) {
    return places.status();
  }
  for (const std::string& topic : topics) {
    if (std::none_of(places->begin(), places->end(), [&](const Place& place) { return place.first == topic; })) {
      return absl::NotFoundError(fmt::format("there is no topic {}", topic));
    }
  }
  const absl::StatusOr<std::vector<int64_t>> ends = EndsOf(client_.get(), *places);
  if (!ends.ok()) {
    return ends.status();
  }
  std::vector<GroupLag> lags;
  for (size_t i = 0; i < places->size(); ++i) {
    const auto& [topic, partition] = (*places)[i];
    lags.push_back({topic, partition, -1, (*ends)[i]});
  }
  if (absl::Status status = ReadCommitted(group, lags); !status.ok()) {
    return status;
  }
  return lags;
}

absl::Status KafkaAdmin::Impl::ReadCommitted(const std::string& group, std::vector<GroupLag>& lags) {
  if (lags.empty()) {
    return absl::OkStatus();
  }
  const PartitionListHandle list = internal::NewPartitionList(lags.size());
  std::map<std::pair<std::string, int32_t>, GroupLag*> places;
  for (GroupLag& lag : lags) {
    internal::Add(*list, lag.topic, lag.partition, RD_KAFKA_OFFSET_INVALID);
    places.emplace(std::pair(lag.topic, lag.partition), &lag);
  }
  const GroupOffsetsHandle wanted(rd_kafka_ListConsumerGroupOffsets_new(group.c_str(), list.get()));
  rd_kafka_ListConsumerGroupOffsets_t* pointer = wanted.get();
  const QueueHandle queue(rd_kafka_queue_new(client_.get()));
  rd_kafka_ListConsumerGroupOffsets(client_.get(), &pointer, 1,
                                    Options(RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS).get(), queue.get());
  const std::string what = fmt::format("offsets of group {}", group);
  const absl::StatusOr<EventHandle> answer = Answer(queue.get(), what);
  if (!answer.ok()) {
    return answer.status();
  }
  size_t count = 0;
  const rd_kafka_group_result_t** groups = rd_kafka_ListConsumerGroupOffsets_result_groups(
      rd_kafka_event_ListConsumerGroupOffsets_result(answer->get()), &count);
  for (const rd_kafka_group_result_t* result : absl::MakeConstSpan(groups, count)) {
    if (const rd_kafka_error_t* error = rd_kafka_group_result_error(result); error != nullptr) {
      return internal::ToStatus(error, what);
    }
    for (const rd_kafka_topic_partition_t& entry : internal::Elements(*rd_kafka_group_result_partitions(result))) {
      if (const auto place = places.find({entry.topic, entry.partition}); place != places.end() && entry.offset >= 0) {
        place->second->committed = entry.offset;
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace tradewind::bus
