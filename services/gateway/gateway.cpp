#include "services/gateway/gateway.h"

#include <algorithm>

#include "services/gateway/logger.h"
#include "tradewind/app/wait_for_part.h"

namespace tradewind::gateway {
namespace {

// Empty where nobody is named who has them.
std::string KeysAddress(const GatewayConfig& config) {
  const auto found = config.services.find(config.keys_of);
  return found == config.services.end() ? "" : found->second;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Gateway>> Gateway::Start(const GatewayConfig& config, const bus::KafkaConfig& kafka,
                                                        const rpc::ServerConfig& server, const seal::KeysConfig& keys) {
  const absl::StatusOr<std::string> path = DescriptorPath(config);
  if (!path.ok()) {
    return path.status();
  }
  absl::StatusOr<std::unique_ptr<Catalog>> catalog = Catalog::Load(*path, config.services);
  if (!catalog.ok()) {
    return catalog.status();
  }
  // Told at once, and not once Kafka is there.
  if ((*catalog)->NeedsKeys()) {
    if (absl::Status checked = seal::Check(keys); !checked.ok()) {
      return checked;
    }
  }
  auto gateway = std::unique_ptr<Gateway>(new Gateway(config, kafka, keys, *std::move(catalog)));
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
                          {"instance", gateway->link_.instance_id()},
                          {"methods", gateway->catalog_->methods().size()}});
  return gateway;
}

Gateway::Gateway(const GatewayConfig& config, const bus::KafkaConfig& kafka, const seal::KeysConfig& keys,
                 std::unique_ptr<Catalog> catalog)
    : config_(config),
      kafka_(kafka),
      keys_config_(keys),
      catalog_(std::move(catalog)),
      hashers_(
          {.name = "hashes", .threads = config.hash_threads, .max_waiting = static_cast<size_t>(config.hash_queue)}),
      link_({.client_id = "tradewind-gateway",
             .source = "/tradewind/gateway",
             .delivery_timeout = config.delivery_timeout,
             .linger = config.linger,
             .queue_limit = config.queue_limit,
             .max_pending = config.max_pending,
             .longest_wait = std::max(config.timeout, config.max_timeout)},
            kafka, telemetry::NewGauge("tradewind_gateway_pending_commands", "Commands that wait for their outcome."),
            &undecided_keys_),
      commands_{.timeout = config.timeout,
                .max_timeout = config.max_timeout,
                .key_timeout = config.delivery_timeout,
                .hash_cost = {.memory_bytes = config.hash_memory.bytes, .passes = config.hash_passes},
                .link = link_,
                .hashers = hashers_,
                .keys = keys_,
                .undecided_keys = undecided_keys_},
      forwarder_(*catalog_, config.timeout),
      authenticator_(KeysAddress(config)),
      service_(*catalog_, forwarder_, authenticator_) {}

Gateway::~Gateway() { Stop(); }

absl::Status Gateway::Connect(ShutdownSignal& stop) {
  absl::Status connected = WaitForPart(
      "Kafka", [this] { return ReadKeys(); }, stop);
  if (connected.ok()) {
    connected = WaitForPart(
        "Kafka", [this] { return link_.Open(catalog_->CommandTopics()); }, stop);
  }
  if (absl::IsCancelled(connected)) {
    return absl::OkStatus();
  }
  if (connected.ok()) {
    service_.Open(commands_);
    server_->SetServing(true);
    kLog.Info("serving", {{"instance", link_.instance_id()}, {"reply_partition", link_.reply_partition()}});
  }
  return connected;
}

absl::Status Gateway::ReadKeys() {
  return catalog_->NeedsKeys() ? keys_.Start(keys_config_, kafka_, "tradewind-gateway-keys") : absl::OkStatus();
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
  link_.Close();
}

}  // namespace tradewind::gateway
