#include "tradewind/rpc/errors.h"

#include <fmt/format.h>

#include <string_view>

#include "google/rpc/status.pb.h"

#include "tradewind/errors/printable.h"
#include "tradewind/rpc/logger.h"
#include "tradewind/telemetry/trace.h"

namespace tradewind::rpc {
namespace {

// An error that claims to be none, or a code nobody knows, must still reach the caller as an error.
grpc::StatusCode ErrorCode(int32_t code) {
  if (code <= grpc::StatusCode::OK || code > grpc::StatusCode::UNAUTHENTICATED) {
    return grpc::StatusCode::UNKNOWN;
  }
  return static_cast<grpc::StatusCode>(code);
}

// What errors::ToRpcStatus makes is smaller: this comes from elsewhere, and would not reach the caller at all.
constexpr size_t kMaxStatusBytes = 5'000;

google::rpc::Status Cut(const google::rpc::Status& status) {
  google::rpc::Status cut;
  cut.set_code(status.code());
  cut.set_message(errors::Shortened(status.message(), 1'000));
  // The ErrorInfo, as a rule.
  if (status.details_size() > 0 && status.details(0).ByteSizeLong() <= 1'000) *cut.add_details() = status.details(0);
  return cut;
}

// Reason "<part>_UNAVAILABLE" where it may pass by itself, else "<part>_ERROR".
grpc::Status ReadingFailed(const absl::Status& status, std::string_view part, std::string_view passing,
                           std::string_view lasting) {
  if (status.ok()) {
    return grpc::Status::OK;
  }
  const bool may_pass = errors::Read(status) == errors::Reading::kRetryable;
  return ToGrpcStatus(Traced({.code = may_pass ? absl::StatusCode::kUnavailable : absl::StatusCode::kInternal,
                              .reason = fmt::format("{}_{}", part, may_pass ? "UNAVAILABLE" : "ERROR"),
                              .message = std::string(may_pass ? passing : lasting)},
                             std::string(status.message())));
}

}  // namespace

grpc::Status ToGrpcStatus(const google::rpc::Status& status) {
  if (status.ByteSizeLong() > kMaxStatusBytes) return ToGrpcStatus(Cut(status));
  return grpc::Status(ErrorCode(status.code()), status.message(), status.SerializeAsString());
}

grpc::Status ToGrpcStatus(const errors::Problem& problem) { return ToGrpcStatus(errors::ToRpcStatus(problem)); }

errors::Problem Traced(errors::Problem problem, std::string_view internal) {
  const telemetry::TraceContext* current = telemetry::TraceScope::Current();
  const telemetry::TraceContext trace = current != nullptr ? *current : telemetry::TraceContext::NewRoot();
  const telemetry::TraceScope scope(trace);
  kLog.Warn("a call ends with an error that its caller is not told in full",
            {{"reason", problem.reason}, {"error", internal}});
  problem.message += fmt::format(" (trace {})", trace.trace_id_hex());
  return problem;
}

grpc::Status FromStoreError(const absl::Status& status) {
  return ReadingFailed(status, "STORE", "the store cannot answer now, try again", "the store failed");
}

grpc::Status FromKeysError(const absl::Status& status) {
  return ReadingFailed(status, "KEY", "personal data cannot be opened now, try again",
                       "personal data cannot be opened");
}

}  // namespace tradewind::rpc
