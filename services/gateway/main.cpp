// tradewind-gateway: the front door. Turns calls into commands on the log and answers with their outcome.
#include <sodium.h>

#include <cstdio>
#include <string>

#include "services/gateway/gateway.h"
#include "services/gateway/gateway_config.h"
#include "services/gateway/logger.h"
#include "tradewind/app/process.h"
#include "tradewind/app/shutdown.h"
#include "tradewind/bus/kafka_config.h"
#include "tradewind/config/config.h"
#include "tradewind/rpc/server.h"
#include "tradewind/seal/keys.h"
#include "tradewind/telemetry/logger.h"
#include "tradewind/telemetry/metrics.h"

namespace tradewind::gateway {
namespace {

constexpr int kExitFailed = 1;
constexpr absl::Duration kHealthTimeout = absl::Seconds(3);
// Beyond gateway.drain, for everything that comes after the calls.
constexpr absl::Duration kShutdownGrace = absl::Seconds(5);

struct Settings {
  bus::KafkaConfig kafka;
  rpc::ServerConfig grpc{.address = "127.0.0.1:50051"};
  GatewayConfig gateway;
  seal::KeysConfig keys;
  telemetry::LogConfig log;
  telemetry::MetricsConfig metrics{.address = "127.0.0.1:9464"};
};

int Fail(const absl::Status& status) {
  std::fprintf(stderr, "tradewind-gateway: %s\n", std::string(status.message()).c_str());
  return kExitFailed;
}

// Asked to stop while it started, which is no failure.
int Ended(const absl::Status& status) { return absl::IsCancelled(status) ? 0 : Fail(status); }

int Run(const Settings& settings, ShutdownSignal& stop) {
  absl::StatusOr<std::unique_ptr<telemetry::MetricsServer>> metrics = telemetry::MetricsServer::Start(settings.metrics);
  if (!metrics.ok()) {
    return Ended(metrics.status());
  }
  absl::StatusOr<std::unique_ptr<Gateway>> gateway =
      Gateway::Start(settings.gateway, settings.kafka, settings.grpc, settings.keys);
  if (!gateway.ok()) {
    return Ended(gateway.status());
  }
  if (const absl::Status status = (*gateway)->Connect(stop); !status.ok()) {
    return Fail(status);
  }
  stop.WaitFor(absl::InfiniteDuration());
  kLog.Info("stopping", {{"drain", settings.gateway.drain}});
  StartWatchdog(settings.gateway.drain + kShutdownGrace);
  (*gateway)->Stop();
  kLog.Info("stopped");
  return 0;
}

int Main(int argc, char** argv) {
  SetUpProcess();
  ShutdownSignal stop;
  if (sodium_init() < 0) {
    return Fail(absl::InternalError("libsodium cannot be initialised"));
  }

  Settings settings;
  config::Schema schema;
  bus::Describe(schema, settings.kafka);
  rpc::Describe(schema, settings.grpc);
  Describe(schema, settings.gateway);
  seal::Describe(schema, settings.keys);
  telemetry::Describe(schema, settings.log);
  telemetry::Describe(schema, settings.metrics);
  const absl::StatusOr<config::Command> command = config::Load(
      schema,
      {.name = "tradewind-gateway", .summary = "Front door: turns calls into events and answers with their outcome."},
      argc, argv);
  if (!command.ok()) {
    return Fail(command.status());
  }
  switch (command->verb) {
    case config::Verb::kHelp:
    case config::Verb::kVersion:
    case config::Verb::kPrintConfig:
      std::fputs(command->output.c_str(), stdout);
      return 0;
    case config::Verb::kCheckConfig:
      return 0;
    case config::Verb::kHealth: {
      const absl::Status health = rpc::CheckHealth(settings.grpc.address, kHealthTimeout);
      return health.ok() ? 0 : Fail(health);
    }
    case config::Verb::kRun:
      break;
  }
  telemetry::InitLogging(settings.log, "gateway");
  return Run(settings, stop);
}

}  // namespace
}  // namespace tradewind::gateway

int main(int argc, char** argv) { tradewind::ExitNow(tradewind::gateway::Main(argc, argv)); }
