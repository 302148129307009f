#include "tradewind/bus/kafka_admin.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <set>

#include "absl/time/clock.h"

#include "tradewind/bus/internal/kafka_admin_impl.h"
#include "tradewind/bus/internal/queries.h"
#include "tradewind/bus/internal/rdkafka_error.h"
#include "tradewind/bus/internal/topic_settings.h"
#include "tradewind/bus/logger.h"

namespace tradewind::bus {
namespace {

using internal::AdminOptionsHandle;
using internal::ClientHandle;
using internal::ClientSettings;
using internal::ConfigResourceHandle;
using internal::Deadline;
using internal::EventHandle;
using internal::MetadataHandle;
using internal::NewTopicHandle;
using internal::QueueHandle;

// A client asks nothing about a partition that was added since it last heard of its topic, for a quarter of an hour
// unless told otherwise.
constexpr absl::Duration kMetadataAge = absl::Seconds(2);

// librdkafka wants plain arrays of pointers.
template <typename Owner>
auto Pointers(const std::vector<Owner>& owners) {
  std::vector<typename Owner::pointer> pointers;
  pointers.reserve(owners.size());
  for (const Owner& owner : owners) {
    pointers.push_back(owner.get());
  }
  return pointers;
}

absl::Span<const rd_kafka_metadata_topic_t> TopicsIn(const rd_kafka_metadata_t& metadata) {
  return {metadata.topics, static_cast<size_t>(metadata.topic_cnt)};
}

absl::Span<const rd_kafka_metadata_partition_t> PartitionsOf(const rd_kafka_metadata_topic_t& topic) {
  return {topic.partitions, static_cast<size_t>(topic.partition_cnt)};
}

bool Ready(const rd_kafka_metadata_topic_t& topic) {
  const auto partitions = PartitionsOf(topic);
  return topic.err == RD_KAFKA_RESP_ERR_NO_ERROR && !partitions.empty() &&
         std::all_of(partitions.begin(), partitions.end(), [](const auto& partition) { return partition.leader >= 0; });
}

}  // namespace

void KafkaAdmin::Impl::SetAdminDefaults(ClientSettings& settings) { settings.Set("metadata.max.age.ms", kMetadataAge); }

absl::Status KafkaAdmin::Impl::Start(const std::string& client_id) {
  if (config_.min_insync_replicas > config_.replication_factor) {
    return absl::InvalidArgumentError(
        fmt::format("kafka.min_insync_replicas is {}, more than kafka.replication_factor, {}: no write could succeed",
                    config_.min_insync_replicas, config_.replication_factor));
  }
  ClientSettings settings(config_, client_id);
  SetAdminDefaults(settings);
  absl::StatusOr<ClientHandle> client = std::move(settings).Build(RD_KAFKA_PRODUCER, this);
  if (!client.ok()) {
    return client.status();
  }
  client_ = *std::move(client);
  client_id_ = client_id;
  return absl::OkStatus();
}

// ---- asking --------------------------------------------------------------------------------------------------------

AdminOptionsHandle KafkaAdmin::Impl::Options(rd_kafka_admin_op_t operation) const {
  AdminOptionsHandle options(rd_kafka_AdminOptions_new(client_.get(), operation));
  char reason[256];
  const int timeout_ms = static_cast<int>(absl::ToInt64Milliseconds(config_.request_timeout));
  rd_kafka_AdminOptions_set_request_timeout(options.get(), timeout_ms, reason, sizeof(reason));
  return options;
}

absl::StatusOr<EventHandle> KafkaAdmin::Impl::Answer(rd_kafka_queue_t* queue, std::string_view what) const {
  // The client gives up by itself at the request timeout and says why; the rest is for it to do so.
  const Deadline deadline(config_.request_timeout + absl::Seconds(1));
  EventHandle event(rd_kafka_queue_poll(queue, deadline.RemainingMs()));
  if (event == nullptr) {
    return absl::UnavailableError(fmt::format("{}: no answer from Kafka at {}", what, config_.brokers));
  }
  if (const rd_kafka_resp_err_t error = rd_kafka_event_error(event.get()); error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return internal::ToStatus(error, what, rd_kafka_event_error_string(event.get()));
  }
  return event;
}

absl::StatusOr<MetadataHandle> KafkaAdmin::Impl::Metadata(const Deadline& deadline) const {
  const rd_kafka_metadata_t* metadata = nullptr;
  // All topics: asking for one by name would make the client follow it from then on.
  const rd_kafka_resp_err_t error = rd_kafka_metadata(client_.get(), 1, nullptr, &metadata, deadline.RemainingMs());
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return internal::ToStatus(error, fmt::format("no answer from Kafka at {}", config_.brokers));
  }
  return MetadataHandle(metadata);
}

absl::StatusOr<std::string> KafkaAdmin::Impl::ClusterId() {
  char* id = rd_kafka_clusterid(client_.get(), NewDeadline().RemainingMs());
  if (id == nullptr) {
    return absl::UnavailableError(fmt::format("no answer from Kafka at {} within {}", config_.brokers,
                                              absl::FormatDuration(config_.request_timeout)));
  }
  std::string copy = id;
  rd_kafka_mem_free(client_.get(), id);
  return copy;
}

absl::StatusOr<std::vector<TopicInfo>> KafkaAdmin::Impl::ListTopics() {
  const absl::StatusOr<MetadataHandle> metadata = Metadata(NewDeadline());
  if (!metadata.ok()) {
    return metadata.status();
  }
  std::vector<TopicInfo> topics;
  for (const rd_kafka_metadata_topic_t& topic : TopicsIn(**metadata)) {
    const auto partitions = PartitionsOf(topic);
    topics.push_back({topic.topic, static_cast<int32_t>(partitions.size()),
                      partitions.empty() ? 0 : static_cast<int32_t>(partitions.front().replica_cnt)});
  }
  std::sort(topics.begin(), topics.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return topics;
}

absl::StatusOr<ClusterBrokers> KafkaAdmin::Impl::Brokers() {
  const absl::StatusOr<MetadataHandle> metadata = Metadata(NewDeadline());
  if (!metadata.ok()) {
    return metadata.status();
  }
  ClusterBrokers brokers;
  std::set<int32_t> present;
  for (const rd_kafka_metadata_broker_t& broker :
       absl::MakeConstSpan((*metadata)->brokers, static_cast<size_t>((*metadata)->broker_cnt))) {
    present.insert(broker.id);
    const std::string host = broker.host;
    // An address of IPv6 has colons of its own.
    brokers.addresses.push_back(host.find(':') == std::string::npos ? fmt::format("{}:{}", host, broker.port)
                                                                    : fmt::format("[{}]:{}", host, broker.port));
  }
  std::set<int32_t> missing;
  for (const rd_kafka_metadata_topic_t& topic : TopicsIn(**metadata)) {
    for (const rd_kafka_metadata_partition_t& partition : PartitionsOf(topic)) {
      const auto replicas = absl::MakeConstSpan(partition.replicas, static_cast<size_t>(partition.replica_cnt));
      std::copy_if(replicas.begin(), replicas.end(), std::inserter(missing, missing.end()),
                   [&](int32_t id) { return !present.contains(id); });
    }
  }
  std::sort(brokers.addresses.begin(), brokers.addresses.end());
  brokers.missing.assign(missing.begin(), missing.end());
  return brokers;
}

absl::StatusOr<OffsetRange> KafkaAdmin::Impl::Range(const std::string& topic, int32_t partition) {
  return internal::QueryRange(client_.get(), topic, partition, NewDeadline());
}

// ---- topics --------------------------------------------------------------------------------------------------------

absl::StatusOr<std::map<std::string, int32_t>> KafkaAdmin::Impl::EnsureTopics(absl::Span<const std::string> topics,
                                                                              TopicKind kind) {
  const absl::StatusOr<std::vector<TopicInfo>> known = ListTopics();
  if (!known.ok()) {
    return known.status();
  }
  std::vector<std::string> missing;
  for (const std::string& topic : topics) {
    const bool there =
        std::any_of(known->begin(), known->end(), [&](const TopicInfo& info) { return info.name == topic; });
    if (!there && std::find(missing.begin(), missing.end(), topic) == missing.end()) {
      missing.push_back(topic);
    }
  }
  if (absl::Status status = CreateTopics(missing, kind); !status.ok()) {
    return status;
  }
  absl::StatusOr<std::map<std::string, int32_t>> counts = WaitUntilReady(topics);
  if (!counts.ok()) {
    return counts;
  }
  if (absl::Status status = CheckTopics(topics, kind); !status.ok()) {
    return status;
  }
  return counts;
}

absl::Status KafkaAdmin::Impl::CreateTopics(absl::Span<const std::string> topics, TopicKind kind) {
  if (topics.empty()) {
    return absl::OkStatus();
  }
  std::vector<NewTopicHandle> wanted;
  for (const std::string& topic : topics) {
    char reason[256] = "";
    NewTopicHandle created(
        rd_kafka_NewTopic_new(topic.c_str(), config_.partitions, config_.replication_factor, reason, sizeof(reason)));
    if (created == nullptr) {
      return absl::InvalidArgumentError(fmt::format("topic {} cannot be created: {}", topic, reason));
    }
    for (const auto& [name, value] : internal::TopicSettings(config_, kind)) {
      rd_kafka_NewTopic_set_config(created.get(), name.c_str(), value.c_str());
    }
    wanted.push_back(std::move(created));
  }
  const QueueHandle queue(rd_kafka_queue_new(client_.get()));
  auto pointers = Pointers(wanted);
  rd_kafka_CreateTopics(client_.get(), pointers.data(), pointers.size(), Options(RD_KAFKA_ADMIN_OP_CREATETOPICS).get(),
                        queue.get());
  const absl::StatusOr<EventHandle> answer = Answer(queue.get(), "creation of topics");
  if (!answer.ok()) {
    return answer.status();
  }
  size_t count = 0;
  const rd_kafka_topic_result_t** results =
      rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(answer->get()), &count);
  for (const rd_kafka_topic_result_t* result : absl::MakeConstSpan(results, count)) {
    const std::string name = rd_kafka_topic_result_name(result);
    const rd_kafka_resp_err_t error = rd_kafka_topic_result_error(result);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
      kLog.Info("topic created", {{"topic", name}, {"partitions", config_.partitions}});
    } else if (error != RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS) {  // Another process was quicker: as good.
      const char* reason = rd_kafka_topic_result_error_string(result);
      return internal::ToStatus(error, fmt::format("creation of topic {}", name), reason != nullptr ? reason : "");
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::map<std::string, int32_t>> KafkaAdmin::Impl::WaitUntilReady(absl::Span<const std::string> topics) {
  // A new topic is announced to the brokers one after the other, and its partitions get their leaders a moment later.
  const Deadline deadline(2 * config_.request_timeout);
  std::string waiting_for;
  do {
    const absl::StatusOr<MetadataHandle> metadata = Metadata(deadline);
    if (!metadata.ok()) {
      return metadata.status();
    }
    std::map<std::string, int32_t> ready;
    for (const rd_kafka_metadata_topic_t& topic : TopicsIn(**metadata)) {
      if (Ready(topic) && std::find(topics.begin(), topics.end(), topic.topic) != topics.end()) {
        ready.emplace(topic.topic, topic.partition_cnt);
      }
    }
    const auto late =
        std::find_if(topics.begin(), topics.end(), [&](const auto& topic) { return !ready.contains(topic); });
    if (late == topics.end()) {
      return ready;
    }
    waiting_for = *late;
    absl::SleepFor(absl::Milliseconds(20));  // Between two looks; the condition ends the wait.
  } while (!deadline.expired());
  return absl::UnavailableError(fmt::format("topic {} has partitions without a leader", waiting_for));
}

absl::Status KafkaAdmin::Impl::CheckTopics(absl::Span<const std::string> topics, TopicKind kind) {
  if (topics.empty()) {
    return absl::OkStatus();
  }
  std::vector<ConfigResourceHandle> wanted;
  for (const std::string& topic : topics) {
    wanted.emplace_back(rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic.c_str()));
  }
  const QueueHandle queue(rd_kafka_queue_new(client_.get()));
  auto pointers = Pointers(wanted);
  rd_kafka_DescribeConfigs(client_.get(), pointers.data(), pointers.size(),
                           Options(RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS).get(), queue.get());
  const absl::StatusOr<EventHandle> answer = Answer(queue.get(), "settings of topics");
  if (!answer.ok()) {
    return answer.status();
  }
  size_t count = 0;
  const rd_kafka_ConfigResource_t** resources =
      rd_kafka_DescribeConfigs_result_resources(rd_kafka_event_DescribeConfigs_result(answer->get()), &count);
  for (const rd_kafka_ConfigResource_t* resource : absl::MakeConstSpan(resources, count)) {
    const std::string topic = rd_kafka_ConfigResource_name(resource);
    const rd_kafka_resp_err_t error = rd_kafka_ConfigResource_error(resource);
    // It is there: WaitUntilReady has seen it. The broker that was asked for its settings is one that has yet to hear.
    if (error == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) {
      return absl::UnavailableError(fmt::format("not every broker knows topic {} yet", topic));
    }
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
      return internal::ToStatus(error, fmt::format("settings of topic {}", topic));
    }
    std::map<std::string, std::string, std::less<>> settings;
    size_t entries = 0;
    const rd_kafka_ConfigEntry_t** list = rd_kafka_ConfigResource_configs(resource, &entries);
    for (const rd_kafka_ConfigEntry_t* entry : absl::MakeConstSpan(list, entries)) {
      const char* value = rd_kafka_ConfigEntry_value(entry);
      settings.emplace(rd_kafka_ConfigEntry_name(entry), value != nullptr ? value : "");
    }
    if (absl::Status status = internal::CheckTopicSettings(config_, kind, topic, settings); !status.ok()) {
      return status;
    }
    if (const std::string advice = internal::AdviseTopicSettings(kind, topic, settings); !advice.empty()) {
      kLog.Warn(advice);
    }
  }
  return absl::OkStatus();
}

// ---- the public face -----------------------------------------------------------------------------------------------

KafkaAdmin::KafkaAdmin(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
KafkaAdmin::~KafkaAdmin() = default;

absl::StatusOr<std::unique_ptr<KafkaAdmin>> KafkaAdmin::Create(const KafkaConfig& config,
                                                               const std::string& client_id) {
  auto impl = std::make_unique<Impl>(config);
  if (absl::Status status = impl->Start(client_id); !status.ok()) {
    return status;
  }
  return std::unique_ptr<KafkaAdmin>(new KafkaAdmin(std::move(impl)));
}

absl::StatusOr<std::string> KafkaAdmin::ClusterId() { return impl_->ClusterId(); }
absl::StatusOr<std::map<std::string, int32_t>> KafkaAdmin::EnsureTopics(absl::Span<const std::string> topics,
                                                                        TopicKind kind) {
  return impl_->EnsureTopics(topics, kind);
}
absl::StatusOr<std::vector<TopicInfo>> KafkaAdmin::ListTopics() { return impl_->ListTopics(); }
absl::StatusOr<ClusterBrokers> KafkaAdmin::Brokers() { return impl_->Brokers(); }
absl::StatusOr<OffsetRange> KafkaAdmin::Range(const std::string& topic, int32_t partition) {
  return impl_->Range(topic, partition);
}
absl::StatusOr<std::vector<LogEnd>> KafkaAdmin::LogEnds(absl::Span<const std::string> topics) {
  return impl_->LogEnds(topics);
}
absl::StatusOr<std::vector<GroupLag>> KafkaAdmin::Lag(const std::string& group, absl::Span<const std::string> topics) {
  return impl_->Lag(group, topics);
}

}  // namespace tradewind::bus
