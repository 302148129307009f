// tradewind-gateway: the front door. Turns calls into commands on the log and answers with their outcome.
#include <pthread.h>
#include <sodium.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <string>
#include <thread>

#include "absl/synchronization/notification.h"

#include "services/gateway/gateway.h"
#include "services/gateway/gateway_config.h"
#include "services/gateway/logger.h"
#include "tradewind/bus/kafka_config.h"
#include "tradewind/config/config.h"
#include "tradewind/rpc/server.h"
#include "tradewind/telemetry/logger.h"
#include "tradewind/telemetry/metrics.h"

namespace tradewind::gateway {
namespace {

constexpr int kExitFailed = 1;
constexpr int kExitHung = 3;
constexpr absl::Duration kHealthTimeout = absl::Seconds(3);
// Beyond gateway.drain, for everything that comes after the calls.
constexpr absl::Duration kShutdownGrace = absl::Seconds(5);

struct Settings {
  bus::KafkaConfig kafka;
  rpc::ServerConfig grpc{.address = "127.0.0.1:50051"};
  GatewayConfig gateway;
  telemetry::LogConfig log;
  telemetry::MetricsConfig metrics{.address = "127.0.0.1:9464"};
};

int Fail(const absl::Status& status) {
  std::fprintf(stderr, "tradewind-gateway: %s\n", std::string(status.message()).c_str());
  return kExitFailed;
}

// SIGTERM and SIGINT reach this thread alone. It also sees to it that a shutdown that hangs ends.
void WaitForSignal(const sigset_t& signals, absl::Duration drain, absl::Notification& stop) {
  int signal = 0;
  sigwait(&signals, &signal);
  kLog.Info("stopping", {{"signal", signal}, {"drain", drain}});
  stop.Notify();
  const absl::Duration limit = drain + kShutdownGrace;
  std::this_thread::sleep_for(absl::ToChronoMilliseconds(limit));
  kLog.Error("the shutdown hangs, giving up", {{"after", limit}});
  _exit(kExitHung);
}

int Run(const Settings& settings) {
  absl::StatusOr<std::unique_ptr<telemetry::MetricsServer>> metrics = telemetry::MetricsServer::Start(settings.metrics);
  if (!metrics.ok()) {
    return Fail(metrics.status());
  }
  absl::StatusOr<std::unique_ptr<Gateway>> gateway = Gateway::Start(settings.gateway, settings.kafka, settings.grpc);
  if (!gateway.ok()) {
    return Fail(gateway.status());
  }
  // Blocked before there were threads; see Main.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  absl::Notification stop;
  std::thread([&] { WaitForSignal(signals, settings.gateway.drain, stop); }).detach();
  if (const absl::Status status = (*gateway)->Connect(stop); !status.ok()) {
    return Fail(status);
  }
  stop.WaitForNotification();
  (*gateway)->Stop();
  kLog.Info("stopped");
  return 0;
}

int Main(int argc, char** argv) {
  // Inherited by every thread, so that only the one that waits for signals gets them.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  if (sodium_init() < 0) {
    return Fail(absl::InternalError("libsodium cannot be initialised"));
  }

  Settings settings;
  config::Schema schema;
  bus::Describe(schema, settings.kafka);
  rpc::Describe(schema, settings.grpc);
  Describe(schema, settings.gateway);
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
  return Run(settings);
}

}  // namespace
}  // namespace tradewind::gateway

int main(int argc, char** argv) {
  const int code = tradewind::gateway::Main(argc, argv);
  std::fflush(nullptr);
  // Threads of gRPC and librdkafka may still be about; static destructors under them are how shutdowns crash or hang.
  _exit(code);
}
