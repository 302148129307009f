#include "services/gateway/forwarder.h"

#include <fmt/format.h>

#include "grpcpp/channel.h"

#include "services/gateway/forward_call.h"
#include "tradewind/bus/envelope.h"
#include "tradewind/rpc/caller.h"
#include "tradewind/rpc/channel.h"
#include "tradewind/rpc/errors.h"

namespace tradewind::gateway {
Forwarder::Forwarder(const Catalog& catalog, absl::Duration timeout) : timeout_(timeout) {
  for (const std::unique_ptr<Method>& method : catalog.methods()) {
    std::unique_ptr<grpc::GenericStub>& stub = stubs_by_address_[method->address];
    if (stub == nullptr) {
      stub = std::make_unique<grpc::GenericStub>(rpc::MakeChannel(method->address));
    }
    stubs_.push_back(stub.get());
  }
}

grpc::ServerGenericBidiReactor* Forwarder::Start(const Method& method, const MethodMetrics& metrics, Caller caller,
                                                 grpc::GenericCallbackServerContext& context) {
  return method.server_streaming ? StartStreamForward(*this, method, metrics, std::move(caller), context)
                                 : StartUnaryForward(*this, method, metrics, std::move(caller), context);
}

void Forwarder::EndStreams() {
  std::unordered_set<std::shared_ptr<grpc::ClientContext>> streams;
  {
    absl::MutexLock lock(&mutex_);
    ending_ = true;
    streams.swap(streams_);
  }
  for (const std::shared_ptr<grpc::ClientContext>& stream : streams) {
    stream->TryCancel();
  }
}

bool Forwarder::Register(const std::shared_ptr<grpc::ClientContext>& stream) {
  absl::MutexLock lock(&mutex_);
  return !ending_ && streams_.insert(stream).second;
}

void Forwarder::Unregister(const std::shared_ptr<grpc::ClientContext>& stream) {
  absl::MutexLock lock(&mutex_);
  streams_.erase(stream);
}

bool Forwarder::ending() const {
  absl::MutexLock lock(&mutex_);
  return ending_;
}

void PrepareUpstream(grpc::ClientContext& upstream, const telemetry::TraceContext& trace, const std::string& caller,
                     const std::string& address, std::optional<std::chrono::system_clock::time_point> deadline) {
  if (!caller.empty()) {
    upstream.AddMetadata(rpc::kCallerMetadata, caller);
  }
  upstream.AddMetadata(rpc::kClientAddressMetadata, address);
  upstream.AddMetadata(std::string(bus::kTraceparentHeader), trace.ToTraceparent());
  if (deadline.has_value()) {
    upstream.set_deadline(*deadline);
  }
}

std::optional<errors::Problem> ProblemOfUpstream(const grpc::Status& status, const Method& method,
                                                 const telemetry::TraceContext& trace) {
  if (!status.error_details().empty()) return std::nullopt;
  errors::Problem problem{.code = static_cast<absl::StatusCode>(status.error_code())};
  switch (status.error_code()) {
    case grpc::StatusCode::UNAVAILABLE:
      problem.reason = "SERVICE_UNAVAILABLE";
      problem.message = fmt::format("the service that answers {} cannot be reached now; try again", method.path);
      break;
    case grpc::StatusCode::UNKNOWN:
    case grpc::StatusCode::INTERNAL:
    case grpc::StatusCode::DATA_LOSS:
      problem.reason = "SERVICE_ERROR";
      problem.message = fmt::format("the service that answers {} failed", method.path);
      break;
    default:
      return std::nullopt;
  }
  const telemetry::TraceScope scope(trace);
  return rpc::Traced(std::move(problem), status.error_message());
}

void PassTrailingMetadata(const grpc::ClientContext& upstream, grpc::GenericCallbackServerContext& downstream) {
  constexpr std::string_view kReserved = "grpc-";
  for (const auto& [name, value] : upstream.GetServerTrailingMetadata()) {
    if (std::string_view(name.data(), name.size()).substr(0, kReserved.size()) != kReserved) {
      downstream.AddTrailingMetadata(std::string(name.data(), name.size()), std::string(value.data(), value.size()));
    }
  }
}

}  // namespace tradewind::gateway
