// Problems as gRPC says them: grpc::Status with a serialized google.rpc.Status in `grpc-status-details-bin`.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "grpcpp/support/status.h"

#include "tradewind/errors/problem.h"

namespace google::rpc {
class Status;
}

namespace tradewind::rpc {

grpc::Status ToGrpcStatus(const errors::Problem& problem);
grpc::Status ToGrpcStatus(const google::rpc::Status& status);
// For queries: a store that is away is UNAVAILABLE with reason STORE_UNAVAILABLE, anything unexpected INTERNAL.
grpc::Status FromStoreError(const absl::Status& status);
// For answers with sealed fields (seal::Keys): a key that has not come yet is UNAVAILABLE with reason KEY_UNAVAILABLE,
// anything else INTERNAL.
grpc::Status FromKeysError(const absl::Status& status);

}  // namespace tradewind::rpc
