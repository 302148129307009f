#include "services/gateway/gateway.h"

#include <fmt/format.h>

#include "absl/time/clock.h"

#include "services/gateway/ids.h"
#include "services/gateway/logger.h"
#include "tradewind/app/wait_for_part.h"
#include "tradewind/bus/envelope.h"
#include "tradewind/bus/kafka_admin.h"
#include "tradewind/bus/kafka_sink.h"
#include "tradewind/mesh/v1/envelope.pb.h"

namespace tradewind::gateway {
namespace {

constexpr const char* kClientId = "tradewind-gateway";
constexpr absl::Duration kKnockTimeout = absl::Seconds(5);

// Nobody waits for an answer any more: it was lost, or its service is slow or away.
void EndOverdue(PendingTable& pending, uint64_t id) {
  if (PendingCall* call = pending.Take(id)) {
    call->OnOutcomePending(absl::DeadlineExceededError("no answer came in time"));
  }
}

// Sends this gateway a batch of no replies and waits until Kafka has it. A new producer needs a moment before its first
// record can go, longer while the broker itself is starting: no caller's second should be spent on that. Unavailable
// when it did not work out.
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

absl::StatusOr<std::unique_ptr<Gateway>> Gateway::Start(const GatewayConfig& config, const bus::KafkaConfig& kafka,
                                                        const rpc::ServerConfig& server) {
  const absl::StatusOr<std::string> path = DescriptorPath(config);
  if (!path.ok()) {
    return path.status();
  }
  absl::StatusOr<std::unique_ptr<Catalog>> catalog = Catalog::Load(*path, config.services);
  if (!catalog.ok()) {
    return catalog.status();
  }
  auto gateway = std::unique_ptr<Gateway>(new Gateway(config, kafka, *std::move(catalog)));
  absl::StatusOr<std::unique_ptr<rpc::Server>> started =
      rpc::Server::Start(server, {.generic = &gateway->service_,
                                  .pool = &gateway->catalog_->pool(),
                                  .listed_services = gateway->catalog_->services()});
  if (!started.ok()) {
    return started.status();
  }
  gateway->server_ = *std::move(started);
  kLog.Info("listening", {{"address", server.address},
                          {"port", gateway->port()},
                          {"instance", gateway->instance_id_},
                          {"methods", gateway->catalog_->methods().size()}});
  return gateway;
}

Gateway::Gateway(const GatewayConfig& config, const bus::KafkaConfig& kafka, std::unique_ptr<Catalog> catalog)
    : config_(config),
      kafka_(kafka),
      instance_id_(NewUuid(absl::Now()).view()),
      catalog_(std::move(catalog)),
      pending_(telemetry::NewGauge("tradewind_gateway_pending_commands", "Commands that wait for their outcome.")),
      hashers_(config.hash_threads, static_cast<size_t>(config.hash_queue)),
      deadlines_(std::max(config.timeout, config.max_timeout), [this](uint64_t id) { EndOverdue(pending_, id); }),
      forwarder_(*catalog_, config.timeout),
      service_(*catalog_, forwarder_) {}

Gateway::~Gateway() { Stop(); }

absl::Status Gateway::Connect(ShutdownSignal& stop) {
  absl::Status connected = WaitForPart(
      "Kafka", [this] { return TryConnect(); }, stop);
  if (absl::IsCancelled(connected)) {
    return absl::OkStatus();
  }
  if (connected.ok()) {
    server_->SetServing(true);
    kLog.Info("serving", {{"instance", instance_id_}, {"reply_partition", commands_->topology.reply_partition}});
  }
  return connected;
}

absl::Status Gateway::TryConnect() {
  absl::StatusOr<Topology> topology = MakeTopics();
  if (!topology.ok()) {
    return topology.status();
  }
  absl::StatusOr<std::unique_ptr<ReplyReader>> replies =
      ReplyReader::Start(kafka_, instance_id_, topology->reply_partition, pending_);
  if (!replies.ok()) {
    return replies.status();
  }
  absl::StatusOr<std::unique_ptr<bus::KafkaSink>> sink =
      bus::KafkaSink::Create(kafka_, {.client_id = kClientId,
                                      .delivery_timeout = config_.delivery_timeout,
                                      .linger = config_.linger,
                                      .all_acknowledge = true,
                                      .queue_limit = config_.queue_limit});
  if (!sink.ok()) {
    return sink.status();
  }
  if (absl::Status status = Knock(**sink, kafka_, instance_id_, topology->reply_partition); !status.ok()) {
    return status;
  }
  replies_ = *std::move(replies);
  publisher_ = std::make_unique<CommandPublisher>(*std::move(sink), pending_);
  commands_ = std::make_unique<CommandPath>(
      CommandPath{.instance_id = instance_id_,
                  .source = fmt::format("/tradewind/gateway/{}", instance_id_),
                  .timeout = config_.timeout,
                  .max_timeout = config_.max_timeout,
                  .hash_cost = {.memory_bytes = config_.hash_memory.bytes, .passes = config_.hash_passes},
                  .topology = *std::move(topology),
                  .pending = pending_,
                  .deadlines = deadlines_,
                  .publisher = *publisher_,
                  .hashers = hashers_});
  service_.Open(*commands_);
  return absl::OkStatus();
}

absl::StatusOr<Topology> Gateway::MakeTopics() {
  absl::StatusOr<std::unique_ptr<bus::KafkaAdmin>> admin = bus::KafkaAdmin::Create(kafka_, kClientId);
  if (!admin.ok()) {
    return admin.status();
  }
  const std::vector<std::string> command_topics = catalog_->CommandTopics();
  const std::string replies_topic = bus::FullTopic(kafka_, bus::kRepliesTopic);
  std::vector<std::string> names = {replies_topic};
  for (const std::string& topic : command_topics) {
    names.push_back(bus::FullTopic(kafka_, topic));
  }
  absl::StatusOr<std::map<std::string, int32_t>> counts = (*admin)->EnsureTopics(names);
  if (!counts.ok()) {
    return counts.status();
  }
  Topology topology;
  for (const std::string& topic : command_topics) {
    const std::string full_name = bus::FullTopic(kafka_, topic);
    topology.targets[topic] = {.topic = full_name, .partitions = counts->at(full_name)};
  }
  topology.reply_partition = bus::PartitionOf(instance_id_, counts->at(replies_topic));
  return topology;
}

void Gateway::Stop() {
  if (server_ == nullptr) {
    return;
  }
  server_->SetServing(false);
  forwarder_.EndStreams();
  server_->Shutdown(config_.drain);
  // No calls are left, and nothing new can come: what remains are threads and the last delivery reports.
  server_.reset();
  publisher_.reset();
  replies_.reset();
}

}  // namespace tradewind::gateway
