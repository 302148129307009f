#include "tradewind/rpc/errors.h"

#include <fmt/format.h>

#include <string_view>

#include "google/rpc/status.pb.h"

namespace tradewind::rpc {
namespace {

// An error that claims to be none, or a code nobody knows, must still reach the caller as an error.
grpc::StatusCode ErrorCode(int32_t code) {
  if (code <= grpc::StatusCode::OK || code > grpc::StatusCode::UNAUTHENTICATED) {
    return grpc::StatusCode::UNKNOWN;
  }
  return static_cast<grpc::StatusCode>(code);
}

// Reason "<part>_UNAVAILABLE" where it may pass by itself, else "<part>_ERROR".
grpc::Status ReadingFailed(const absl::Status& status, std::string_view part, std::string_view passing,
                           std::string_view lasting) {
  if (status.ok()) {
    return grpc::Status::OK;
  }
  const bool may_pass = errors::Read(status) == errors::Reading::kRetryable;
  return ToGrpcStatus(
      errors::Problem{.code = may_pass ? absl::StatusCode::kUnavailable : absl::StatusCode::kInternal,
                      .reason = fmt::format("{}_{}", part, may_pass ? "UNAVAILABLE" : "ERROR"),
                      .message = fmt::format("{}: {}", may_pass ? passing : lasting, std::string(status.message()))});
}

}  // namespace

grpc::Status ToGrpcStatus(const google::rpc::Status& status) {
  return grpc::Status(ErrorCode(status.code()), status.message(), status.SerializeAsString());
}

grpc::Status ToGrpcStatus(const errors::Problem& problem) { return ToGrpcStatus(errors::ToRpcStatus(problem)); }

grpc::Status FromStoreError(const absl::Status& status) {
  return ReadingFailed(status, "STORE", "the store cannot answer now, try again", "the store failed");
}

grpc::Status FromKeysError(const absl::Status& status) {
  return ReadingFailed(status, "KEY", "personal data cannot be opened now, try again",
                       "personal data cannot be opened");
}

}  // namespace tradewind::rpc
