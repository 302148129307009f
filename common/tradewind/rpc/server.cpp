#include "tradewind/rpc/server.h"

#include <fmt/format.h>

#include <atomic>
#include <chrono>
#include <limits>
#include <mutex>

#include "google/protobuf/descriptor.h"
#include "grpc/support/log.h"
#include "grpcpp/generic/async_generic_service.h"
#include "grpcpp/health_check_service_interface.h"
#include "grpcpp/server.h"
#include "grpcpp/server_builder.h"

#include "tradewind/config/config.h"
#include "tradewind/net/listening.h"
#include "tradewind/rpc/logger.h"
#include "tradewind/rpc/reflection.h"

namespace tradewind::rpc {
namespace {

constexpr const char* kHealthService = "grpc.health.v1.Health";
constexpr const char* kReflectionServices[] = {"grpc.reflection.v1.ServerReflection",
                                               "grpc.reflection.v1alpha.ServerReflection"};

// Whatever matters comes back to us as a status; gRPC's own lines would only say it a second time, in its own format.
void LogGrpcLine(gpr_log_func_args* line) { kLog.Debug(line->message, {{"file", line->file}, {"line", line->line}}); }

void InitGrpcOnce() {
  static std::once_flag once;
  std::call_once(once, [] {
    gpr_set_log_function(LogGrpcLine);
    grpc::EnableDefaultHealthCheckService(true);
  });
}

std::vector<std::string> WithOwnServices(std::vector<std::string> listed) {
  listed.emplace_back(kHealthService);
  listed.insert(listed.end(), std::begin(kReflectionServices), std::end(kReflectionServices));
  return listed;
}

}  // namespace

class Server::Impl {
 public:
  explicit Impl(const ServerParts& parts)
      : listed_services_(parts.listed_services),
        index_(parts.pool != nullptr ? parts.pool : google::protobuf::DescriptorPool::generated_pool(),
               WithOwnServices(parts.listed_services)),
        reflection_(MakeReflectionServices(index_)) {}

  absl::Status Start(const ServerConfig& config, const ServerParts& parts) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort(config.address, grpc::InsecureServerCredentials(), &port_);
    // Two processes that share a port without knowing would each get half of the calls.
    builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
    // Clients with keepalive are not sent away for it.
    builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
    builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 10'000);
    RefuseCompression(builder);
    builder.SetMaxReceiveMessageSize(
        static_cast<int>(std::min<int64_t>(config.max_message_bytes, std::numeric_limits<int>::max())));
    for (grpc::Service* service : parts.services) {
      builder.RegisterService(service);
    }
    for (const std::unique_ptr<grpc::Service>& service : reflection_) {
      builder.RegisterService(service.get());
    }
    if (parts.generic != nullptr) {
      builder.RegisterCallbackGenericService(parts.generic);
    }
    server_ = builder.BuildAndStart();
    if (server_ == nullptr) {
      return absl::FailedPreconditionError(
          fmt::format("cannot listen on grpc.address {}: the port is taken, or the address is not one of this host; "
                      "set grpc.address to another host:port, or stop what listens there",
                      config.address));
    }
    SetServing(false);
    return absl::OkStatus();
  }

  void SetServing(bool serving) {
    grpc::HealthCheckServiceInterface* health = server_->GetHealthCheckService();
    health->SetServingStatus("", serving);
    for (const std::string& name : listed_services_) {
      health->SetServingStatus(name, serving);
    }
  }

  void Shutdown(absl::Duration deadline) {
    if (server_ == nullptr || shut_down_.exchange(true)) {
      return;
    }
    SetServing(false);
    server_->Shutdown(std::chrono::system_clock::now() + absl::ToChronoMilliseconds(deadline));
  }

  int port() const { return port_; }

 private:
  std::vector<std::string> listed_services_;
  ReflectionIndex index_;
  std::vector<std::unique_ptr<grpc::Service>> reflection_;
  std::unique_ptr<grpc::Server> server_;
  std::atomic<bool> shut_down_ = false;
  int port_ = 0;
};

void Describe(config::Schema& schema, ServerConfig& config) {
  auto section = schema.Section("grpc", "gRPC server.");
  section.Field("address", &config.address, "host:port to listen on; empty listens on none").ListensOn();
  section.Field("max_message_bytes", &config.max_message_bytes, "largest request, in bytes")
      .Min(1024)
      .Max(std::numeric_limits<int32_t>::max());
}

void RefuseCompression(grpc::ServerBuilder& builder) {
  for (const grpc_compression_algorithm algorithm : {GRPC_COMPRESS_GZIP, GRPC_COMPRESS_DEFLATE}) {
    builder.SetCompressionAlgorithmSupportStatus(algorithm, false);
  }
}

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Server::~Server() { impl_->Shutdown(absl::ZeroDuration()); }

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const ServerConfig& config, const ServerParts& parts) {
  if (config.address.empty()) {
    return absl::InvalidArgumentError("grpc.address is empty; set it to the host:port to listen on");
  }
  const net::ListeningWait wait{.say = [](const std::string& line) { kLog.Warn(line); }};
  if (absl::Status free = net::WaitUntilFree(config.address, "grpc.address", wait); !free.ok()) return free;
  InitGrpcOnce();
  auto impl = std::make_unique<Impl>(parts);
  if (absl::Status status = impl->Start(config, parts); !status.ok()) {
    return status;
  }
  return std::unique_ptr<Server>(new Server(std::move(impl)));
}

void Server::SetServing(bool serving) { impl_->SetServing(serving); }

void Server::Shutdown(absl::Duration deadline) { impl_->Shutdown(deadline); }

int Server::port() const { return impl_->port(); }

}  // namespace tradewind::rpc
