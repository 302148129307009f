#include <CivetServer.h>
#include <fmt/format.h>
#include <netdb.h>
#include <prometheus/exposer.h>
#include <prometheus/registry.h>

#include <exception>
#include <string>
#include <utility>

#include "tradewind/net/host_port.h"
#include "tradewind/net/listening.h"
#include "tradewind/telemetry/logger.h"
#include "tradewind/telemetry/metrics.h"
#include "tradewind/telemetry/metrics_registry.h"

namespace tradewind::telemetry {
namespace {

constexpr Logger kLog{"metrics"};

// Why the server did not start, while one starts on this thread. civetweb tells it to its log alone.
thread_local std::string* start_error = nullptr;

int OnCivetwebMessage(const mg_connection* /*connection*/, const char* message) noexcept {
  if (start_error == nullptr) {
    kLog.Warn("metrics server complains", {{"reason", message}});
    return 1;
  }
  // The first says what happened; the ones after it only that the server did not start.
  if (start_error->empty()) *start_error = message;
  return 1;
}

// Of an address that passed CheckHostPort. May ask the name service.
bool HostIsKnown(const std::string& address) {
  addrinfo hints{};
  hints.ai_family = AF_INET;
  addrinfo* found = nullptr;
  bool known = getaddrinfo(address.substr(0, address.find(':')).c_str(), nullptr, &hints, &found) == 0;
  if (known) freeaddrinfo(found);
  return known;
}

}  // namespace

class MetricsServer::Impl {
 public:
  Impl(const std::string& address, const CivetCallbacks& callbacks) : exposer_(address, kThreads, &callbacks) {
    exposer_.RegisterCollectable(MetricsRegistry());
    exposer_.RegisterCollectable(AgesOnPage());
  }
  int port() const { return exposer_.GetListeningPorts().front(); }

 private:
  // One would let a single stalled reader keep the others out.
  static constexpr std::size_t kThreads = 2;
  prometheus::Exposer exposer_;
};

MetricsServer::MetricsServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

MetricsServer::~MetricsServer() = default;

int MetricsServer::port() const { return impl_ == nullptr ? 0 : impl_->port(); }

absl::StatusOr<std::unique_ptr<MetricsServer>> MetricsServer::Start(const MetricsConfig& config) {
  if (config.address.empty()) return std::unique_ptr<MetricsServer>(new MetricsServer(nullptr));
  // civetweb takes a bare port too, and listens on every interface then, and lists and suffixes; and Debian's is built
  // without IPv6.
  if (const absl::Status checked = net::CheckHostPort(config.address, net::Use::kListenOnIpv4); !checked.ok()) {
    return absl::InvalidArgumentError(fmt::format("setting 'metrics.address' {}", std::string(checked.message())));
  }
  const net::ListeningWait wait{.say = [](const std::string& line) { kLog.Warn(line); }};
  if (absl::Status free = net::WaitUntilFree(config.address, "metrics.address", wait); !free.ok()) return free;
  CivetCallbacks callbacks;
  callbacks.log_message = &OnCivetwebMessage;
  std::string reason;
  start_error = &reason;
  std::unique_ptr<Impl> impl;
  try {
    impl = std::make_unique<Impl>(config.address, callbacks);
  } catch (const std::exception& error) {
    if (reason.empty()) reason = error.what();
  }
  start_error = nullptr;
  if (impl != nullptr) return std::unique_ptr<MetricsServer>(new MetricsServer(std::move(impl)));
  // civetweb calls this an invalid port.
  if (!HostIsKnown(config.address)) reason = "this host has no IPv4 address that is known here";
  return absl::FailedPreconditionError(
      fmt::format("cannot serve metrics at {}: {}; choose another address by the setting 'metrics.address'",
                  config.address, reason));
}

}  // namespace tradewind::telemetry
