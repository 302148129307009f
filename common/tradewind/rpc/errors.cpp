#include "tradewind/rpc/errors.h"

#include <fmt/format.h>

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

}  // namespace

grpc::Status ToGrpcStatus(const google::rpc::Status& status) {
  return grpc::Status(ErrorCode(status.code()), status.message(), status.SerializeAsString());
}

grpc::Status ToGrpcStatus(const errors::Problem& problem) { return ToGrpcStatus(errors::ToRpcStatus(problem)); }

grpc::Status FromStoreError(const absl::Status& status) {
  if (status.ok()) {
    return grpc::Status::OK;
  }
  if (errors::Read(status) == errors::Reading::kRetryable) {
    return ToGrpcStatus(errors::Problem{
        .code = absl::StatusCode::kUnavailable,
        .reason = "STORE_UNAVAILABLE",
        .message = fmt::format("the store cannot answer now, try again: {}", std::string(status.message()))});
  }
  return ToGrpcStatus(errors::Problem{.code = absl::StatusCode::kInternal,
                                      .reason = "STORE_ERROR",
                                      .message = fmt::format("the store failed: {}", std::string(status.message()))});
}

}  // namespace tradewind::rpc
