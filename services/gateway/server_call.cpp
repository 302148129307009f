#include "services/gateway/server_call.h"

#include <fmt/format.h>

#include "grpcpp/support/proto_buffer_reader.h"

#include "services/gateway/logger.h"
#include "services/gateway/refusals.h"
#include "services/gateway/unknown_fields.h"
#include "services/gateway/validator.h"
#include "tradewind/clock/steady_now.h"
#include "tradewind/rpc/caller.h"
#include "tradewind/rpc/errors.h"
#include "tradewind/rpc/pooled_call.h"

namespace tradewind::gateway {
namespace {

constexpr std::array<const char*, 17> kCodeNames = {
    "OK",        "CANCELLED",      "UNKNOWN",           "INVALID_ARGUMENT",   "DEADLINE_EXCEEDED",
    "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
    "ABORTED",   "OUT_OF_RANGE",   "UNIMPLEMENTED",     "INTERNAL",           "UNAVAILABLE",
    "DATA_LOSS", "UNAUTHENTICATED"};

size_t CodeIndex(grpc::StatusCode code) {
  const auto index = static_cast<size_t>(code);
  return index < kCodeNames.size() ? index : static_cast<size_t>(grpc::StatusCode::UNKNOWN);
}

// Our own failures are for whoever runs the mesh; all others are the caller's to read.
bool IsOurs(grpc::StatusCode code) {
  return code == grpc::StatusCode::INTERNAL || code == grpc::StatusCode::DATA_LOSS ||
         code == grpc::StatusCode::UNKNOWN || code == grpc::StatusCode::UNAVAILABLE;
}

}  // namespace

MethodMetrics::MethodMetrics(const Method& method)
    : seconds_(telemetry::NewHistogram("tradewind_gateway_call_seconds", "Time from a call's arrival to its end.",
                                       {{"method", method.path}})) {
  calls_.reserve(kCodeNames.size());
  for (const char* code : kCodeNames) {
    calls_.push_back(telemetry::NewCounter("tradewind_gateway_calls_total", "Calls that have ended, by status code.",
                                           {{"method", method.path}, {"code", code}}));
  }
}

void MethodMetrics::Observe(grpc::StatusCode code, absl::Duration took) const {
  calls_[CodeIndex(code)].Add();
  seconds_.Observe(absl::ToDoubleSeconds(took));
}

ServerCall::ServerCall(const Method& method, const MethodMetrics& metrics, Caller caller,
                       grpc::GenericCallbackServerContext& context)
    : method_(method),
      metrics_(metrics),
      caller_(std::move(caller)),
      context_(context),
      start_(clock::SteadyNow()),
      trace_(rpc::TraceOf(context)) {}

void ServerCall::OnReadDone(bool ok) {
  if (!ok) {
    End(grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "the call carries no request"));
  } else if (caller_.authenticator == nullptr) {
    OnRequest();
  } else {
    // The call may have ended when this returns.
    caller_.authenticator->Await(std::move(caller_.authorization),
                                 [this](Identity identity) { OnIdentified(std::move(identity)); });
  }
}

void ServerCall::OnIdentified(Identity identity) {
  if (context_.IsCancelled()) {
    End(grpc::Status(grpc::StatusCode::CANCELLED, "the caller went away"));
  } else if (identity.problem.has_value()) {
    End(*identity.problem);
  } else {
    caller_.id = std::move(identity.id);
    OnRequest();
  }
}

std::string ServerCall::client() const {
  return caller_.id.empty() ? rpc::AddressOf(context_.peer()) : "caller:" + caller_.id;
}

void ServerCall::End(const grpc::Status& status) {
  Account(status);
  Finish(status);
}

void ServerCall::End(const errors::Problem& problem) {
  // Neither an outcome that is not known yet nor a failure of ours is a refusal.
  if (problem.code != absl::StatusCode::kDeadlineExceeded && problem.code != absl::StatusCode::kInternal) {
    CountRefusal(problem.reason, method_.path);
  }
  End(rpc::ToGrpcStatus(problem));
}

void ServerCall::EndWith(grpc::ByteBuffer response) {
  Account(grpc::Status::OK);
  response_.Swap(&response);
  StartWriteAndFinish(&response_, grpc::WriteOptions(), grpc::Status::OK);
}

void ServerCall::Account(const grpc::Status& status) {
  const absl::Duration took = clock::SteadyNow() - start_;
  metrics_.Observe(status.error_code(), took);
  const telemetry::TraceScope scope(trace_);
  const char* code = kCodeNames[CodeIndex(status.error_code())];
  if (IsOurs(status.error_code())) {
    kLog.Warn("call failed",
              {{"method", method_.path}, {"code", code}, {"took", took}, {"error", status.error_message()}});
  } else {
    kLog.Debug("call", {{"method", method_.path}, {"code", code}, {"took", took}});
  }
}

google::protobuf::Message* ServerCall::ParseAndCheck(google::protobuf::Arena& arena) {
  google::protobuf::Message* message = method_.request_prototype->New(&arena);
  grpc::ProtoBufferReader reader(&request_);
  if (!reader.status().ok() || !message->ParseFromZeroCopyStream(&reader)) {
    End(errors::Problem{.code = absl::StatusCode::kInvalidArgument,
                        .reason = "MALFORMED_REQUEST",
                        .message = fmt::format("the request is not a {}: not protobuf, or text that is not UTF-8",
                                               method_.request_type)});
    return nullptr;
  }
  if (std::vector<errors::FieldViolation> unknown = TakeUnknownFields(*message); !unknown.empty()) {
    End(UnknownFields(std::move(unknown)));
    return nullptr;
  }
  std::vector<errors::FieldViolation> violations = Validate(*method_.rules, *message);
  if (!violations.empty()) {
    End(errors::InvalidFields(std::move(violations)));
    return nullptr;
  }
  return message;
}

bool ServerCall::CheckRequest() {
  google::protobuf::Arena arena;
  const google::protobuf::Message* message = ParseAndCheck(arena);
  if (message == nullptr) {
    return false;
  }
  const grpc::Slice slice(message->SerializeAsString());
  request_ = grpc::ByteBuffer(&slice, 1);
  return true;
}

RefusedCall::RefusedCall(const errors::Problem& problem, const MethodMetrics* metrics,
                         const grpc::GenericCallbackServerContext& context) {
  CountRefusal(problem.reason, context.method());
  const grpc::Status status = rpc::ToGrpcStatus(problem);
  if (metrics != nullptr) {
    metrics->Observe(status.error_code(), absl::ZeroDuration());
  }
  Finish(status);
}

std::string_view ServerCall::Metadata(const char* name) const {
  const auto& metadata = context_.client_metadata();
  const auto found = metadata.find(name);
  return found != metadata.end() ? std::string_view(found->second.data(), found->second.size()) : std::string_view();
}

}  // namespace tradewind::gateway
