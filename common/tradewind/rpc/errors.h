// Problems as gRPC says them: grpc::Status with a serialized google.rpc.Status in `grpc-status-details-bin`.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "grpcpp/support/status.h"

#include "tradewind/errors/problem.h"

namespace google::rpc {
class Status;
}

namespace tradewind::rpc {

grpc::Status ToGrpcStatus(const errors::Problem& problem);
// Of one with more than 5,000 bytes, which clients would refuse as headers, the first detail and 1,000 bytes of the
// message are kept.
grpc::Status ToGrpcStatus(const google::rpc::Status& status);
// For what a library says, which names files, hosts and databases: logs it under the thread's trace, or a new one where
// there is none, and returns the problem with that trace in its message.
errors::Problem Traced(errors::Problem problem, std::string_view internal);
// For queries: a store that is away is UNAVAILABLE with reason STORE_UNAVAILABLE, anything unexpected INTERNAL. What
// the store said goes to the log alone: it names files, hosts and databases.
grpc::Status FromStoreError(const absl::Status& status);
// For answers with sealed fields (seal::Keys): a key that has not come yet is UNAVAILABLE with reason KEY_UNAVAILABLE,
// anything else INTERNAL.
grpc::Status FromKeysError(const absl::Status& status);

}  // namespace tradewind::rpc
