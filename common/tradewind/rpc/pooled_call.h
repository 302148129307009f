// Unary calls that are answered on a WorkPool, because their answer has to be waited for: gRPC's own threads must not
// wait. A call whose client has gone, or whose deadline has passed, leaves the queue at once and does no work.
#pragma once

#include <string>

#include "absl/functional/any_invocable.h"
#include "grpcpp/support/server_callback.h"
#include "grpcpp/support/status.h"

#include "tradewind/rpc/work_pool.h"
#include "tradewind/telemetry/trace.h"

namespace tradewind::rpc {

// How a call takes its turn; the client is ClientOf(context).
struct Turn {
  // WorkPool::Job::subject.
  std::string subject;
  // Reason and message of RESOURCE_EXHAUSTED, where the pool does not take the call.
  const char* busy_reason = "SERVICE_BUSY";
  const char* busy_message = "too many calls wait for an answer; try again later";
};

// Ends the call with what `work` returns. Request, response and context stay valid while it runs; the lines that it
// logs carry the caller's trace. The pool outlives the server.
grpc::ServerUnaryReactor* AnswerOn(WorkPool& pool, grpc::CallbackServerContext& context,
                                   absl::AnyInvocable<grpc::Status()> work, Turn turn = {});

// The same for work that ends later and elsewhere: it has to call `done` once, from any thread.
using Done = absl::AnyInvocable<void(grpc::Status)>;
grpc::ServerUnaryReactor* AnswerLaterOn(WorkPool& pool, grpc::CallbackServerContext& context,
                                        absl::AnyInvocable<void(Done done)> work, Turn turn = {});

// RESOURCE_EXHAUSTED, as `turn` says it.
grpc::Status Busy(const Turn& turn);

// The trace that the call belongs to: of the metadata traceparent, or a new one.
telemetry::TraceContext TraceOf(const grpc::ServerContextBase& context);

}  // namespace tradewind::rpc
