#include "tradewind/commands/command_link.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "absl/time/clock.h"

#include "tradewind/bus/envelope.h"
#include "tradewind/bus/kafka_admin.h"
#include "tradewind/bus/kafka_sink.h"
#include "tradewind/ids/ids.h"
#include "tradewind/mesh/v1/envelope.pb.h"

namespace tradewind::commands {
namespace {

constexpr absl::Duration kKnockTimeout = absl::Seconds(5);

// Nobody waits for an answer any more: it was lost, or its service is slow or away.
void EndOverdue(PendingTable& pending, uint64_t id) {
  if (PendingCall* call = pending.Take(id)) {
    call->OnOutcomePending(absl::DeadlineExceededError("no answer came in time"));
  }
}

// Sends this instance a batch of no replies and waits until Kafka has it. A new producer needs a moment before its
// first record can go, longer while the broker itself is starting. Unavailable when it did not work out.
absl::Status Knock(bus::KafkaSink& sink, const bus::KafkaConfig& kafka, const std::string& instance_id,
                   int32_t reply_partition) {
  mesh::v1::ReplyBatch nothing;
  nothing.set_instance_id(instance_id);
  const std::string topic = bus::FullTopic(kafka, bus::kRepliesTopic);
  const std::string value = nothing.SerializeAsString();
  const bus::HeaderView headers[] = {{bus::kTypeHeader, mesh::v1::ReplyBatch::descriptor()->full_name()},
                                     {bus::kContentTypeHeader, bus::kProtobufContentType}};
  absl::Status status =
      sink.Produce({.topic = topic, .partition = reply_partition, .value = value, .headers = headers}, 0);
  if (status.ok()) {
    status = absl::UnavailableError("no delivery report");
    sink.Poll(kKnockTimeout, [&](const bus::Delivery& delivery) { status = delivery.status; });
  }
  return status.ok()
             ? status
             : absl::UnavailableError(fmt::format("cannot produce to {}: {}", topic, std::string(status.message())));
}

}  // namespace

CommandLink::CommandLink(LinkConfig config, bus::KafkaConfig kafka, telemetry::Gauge pending, OutcomeListener* listener)
    : config_(std::move(config)),
      kafka_(std::move(kafka)),
      instance_id_(ids::NewUuid(absl::Now()).view()),
      source_(fmt::format("{}/{}", config_.source, instance_id_)),
      pending_(std::move(pending), config_.max_pending, std::max(config_.max_pending / 2, 1), listener),
      deadlines_(config_.longest_wait, [this](uint64_t id) { EndOverdue(pending_, id); }) {}

CommandLink::~CommandLink() { Close(); }

absl::Status CommandLink::Open(const std::vector<std::string>& command_topics,
                               const std::map<std::string, int32_t>& pinned) {
  if (absl::Status made = MakeTopics(command_topics, pinned); !made.ok()) {
    return made;
  }
  absl::StatusOr<std::unique_ptr<ReplyReader>> replies =
      ReplyReader::Start(kafka_, config_.client_id + "-replies", instance_id_, reply_partition_, pending_);
  if (!replies.ok()) {
    return replies.status();
  }
  const auto make = [this] {
    return bus::KafkaSink::Create(kafka_, {.client_id = config_.client_id,
                                           .delivery_timeout = config_.delivery_timeout,
                                           .linger = config_.linger,
                                           .all_acknowledge = true,
                                           .queue_limit = config_.queue_limit});
  };
  absl::StatusOr<std::unique_ptr<bus::KafkaSink>> sink = make();
  if (!sink.ok()) {
    return sink.status();
  }
  if (absl::Status status = Knock(**sink, kafka_, instance_id_, reply_partition_); !status.ok()) {
    return status;
  }
  replies_ = *std::move(replies);
  publisher_ = std::make_unique<CommandPublisher>(*std::move(sink), make, pending_);
  return absl::OkStatus();
}

void CommandLink::OpenOver(std::unique_ptr<bus::EventSink> sink,
                           const std::map<std::string, int32_t>& partition_counts) {
  mesh_ = bus::MeshName("test", "");
  for (const auto& [topic, partitions] : partition_counts) {
    targets_[topic].topic = topic;
    targets_[topic].partitions = partitions;
  }
  const auto make = [] { return absl::UnavailableError("a test has one sink"); };
  publisher_ = std::make_unique<CommandPublisher>(std::move(sink), make, pending_);
}

absl::Status CommandLink::MakeTopics(const std::vector<std::string>& command_topics,
                                     const std::map<std::string, int32_t>& pinned) {
  absl::StatusOr<std::unique_ptr<bus::KafkaAdmin>> admin = bus::KafkaAdmin::Create(kafka_, config_.client_id);
  if (!admin.ok()) {
    return admin.status();
  }
  const std::string replies_topic = bus::FullTopic(kafka_, bus::kRepliesTopic);
  std::vector<std::string> names;
  for (const std::string& topic : command_topics) {
    names.push_back(bus::FullTopic(kafka_, topic));
  }
  absl::StatusOr<std::string> cluster_id = (*admin)->ClusterId();
  if (!cluster_id.ok()) {
    return cluster_id.status();
  }
  mesh_ = bus::MeshName(*cluster_id, kafka_.topic_prefix);
  absl::StatusOr<std::map<std::string, int32_t>> counts = (*admin)->EnsureTopics(names);
  if (!counts.ok()) {
    return counts.status();
  }
  const auto replies = (*admin)->EnsureTopics({&replies_topic, 1}, bus::TopicKind::kReplies);
  if (!replies.ok()) {
    return replies.status();
  }
  for (const std::string& topic : command_topics) {
    const std::string full_name = bus::FullTopic(kafka_, topic);
    const auto known = pinned.find(full_name);
    Target& target = targets_[topic];
    target.topic = full_name;
    target.partitions = known != pinned.end() ? known->second : bus::KeyedPartitions(kafka_, counts->at(full_name));
  }
  reply_partition_ = bus::PartitionOf(instance_id_, replies->at(replies_topic));
  return absl::OkStatus();
}

absl::Status CommandLink::Send(const Command& command, uint64_t id, PendingCall& call, Await await,
                               absl::Duration wait) {
  const Target& target = targets_.find(command.topic)->second;
  const ids::Uuid event_id = ids::NewUuid(command.now);
  const std::string time = bus::EventTime(command.now);
  const bus::Envelope envelope{
      .id = event_id.view(),
      .type = command.type,
      .source = source_,
      .time = time,
      .subject = command.key,
      .content_type = bus::kProtobufContentType,
      .traceparent = command.traceparent,
      .reply_to = bus::ReplyAddress{.partition = reply_partition_, .instance_id = instance_id_, .correlation_id = id},
      .caller = command.caller,
      .method = command.method,
      .request_id = command.request_id,
      .mesh = mesh_};
  const bus::EnvelopeHeaders headers(envelope, command.key);
  const bus::OutgoingRecord record{.topic = target.topic,
                                   .partition = bus::PartitionOf(command.key, target.partitions),
                                   .key = command.key,
                                   .value = command.value,
                                   .headers = headers.view()};
  if (absl::Status status = publisher_->Publish(record, id, call, await, *target.share); !status.ok()) {
    return status;
  }
  deadlines_.Add(id, wait);
  return absl::OkStatus();
}

void CommandLink::Close() {
  publisher_.reset();
  replies_.reset();
}

}  // namespace tradewind::commands
