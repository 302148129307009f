#include "tradewind/rpc/pooled_call.h"

#include <exception>
#include <utility>

#include "grpcpp/server_context.h"

#include "tradewind/errors/problem.h"
#include "tradewind/rpc/caller.h"
#include "tradewind/rpc/errors.h"
#include "tradewind/rpc/logger.h"

namespace tradewind::rpc {
namespace {

constexpr const char* kTraceMetadata = "traceparent";

grpc::Status Gone() { return {grpc::StatusCode::CANCELLED, "the caller went away"}; }

// As gRPC does it for handlers on its own threads.
grpc::Status WithoutExceptions(absl::AnyInvocable<grpc::Status()>& work) {
  try {
    return work();
  } catch (const std::exception& error) {
    kLog.Error("a call failed by an exception", {{"error", error.what()}});
    return {grpc::StatusCode::INTERNAL, "the call failed by a mistake in the service"};
  }
}

// Owns itself until gRPC is done with it.
class PooledCall final : public grpc::ServerUnaryReactor {
 public:
  PooledCall(WorkPool& pool, grpc::CallbackServerContext& context, absl::AnyInvocable<void(Done)> work)
      : pool_(pool), context_(context), work_(std::move(work)) {}

  // On the handler's thread, before gRPC has the reactor: it calls nothing of it until then.
  void Start(const Turn& turn) {
    const auto ticket =
        pool_.Submit({.run = [this] { Work(); }, .client = ClientOf(context_), .subject = turn.subject});
    if (ticket.ok()) {
      ticket_ = *ticket;
    } else {
      Finish(Busy(turn));
    }
  }

  // Also when the deadline passes. Work that has begun ends the call as always: its answer goes nowhere.
  void OnCancel() override {
    if (pool_.Withdraw(ticket_)) Finish(Gone());
  }

  void OnDone() override { delete this; }

 private:
  void Work() {
    if (context_.IsCancelled()) {
      Finish(Gone());
      return;
    }
    const telemetry::TraceScope scope(TraceOf(context_));
    // Once it has called back, this call may be gone.
    auto work = std::move(work_);
    std::move(work)([this](grpc::Status status) { Finish(std::move(status)); });
  }

  WorkPool& pool_;
  grpc::CallbackServerContext& context_;
  absl::AnyInvocable<void(Done)> work_;
  WorkPool::Ticket ticket_ = 0;
};

}  // namespace

grpc::ServerUnaryReactor* AnswerLaterOn(WorkPool& pool, grpc::CallbackServerContext& context,
                                        absl::AnyInvocable<void(Done done)> work, Turn turn) {
  auto* call = new PooledCall(pool, context, std::move(work));
  call->Start(turn);
  return call;
}

grpc::ServerUnaryReactor* AnswerOn(WorkPool& pool, grpc::CallbackServerContext& context,
                                   absl::AnyInvocable<grpc::Status()> work, Turn turn) {
  auto run = [work = std::move(work)](Done done) mutable { std::move(done)(WithoutExceptions(work)); };
  return AnswerLaterOn(pool, context, std::move(run), std::move(turn));
}

grpc::Status Busy(const Turn& turn) {
  return ToGrpcStatus(errors::Problem{
      .code = absl::StatusCode::kResourceExhausted, .reason = turn.busy_reason, .message = turn.busy_message});
}

telemetry::TraceContext TraceOf(const grpc::ServerContextBase& context) {
  const auto& metadata = context.client_metadata();
  if (const auto found = metadata.find(kTraceMetadata); found != metadata.end()) {
    if (const auto parent = telemetry::TraceContext::Parse({found->second.data(), found->second.size()})) {
      return parent->NewChild();
    }
  }
  return telemetry::TraceContext::NewRoot();
}

}  // namespace tradewind::rpc
