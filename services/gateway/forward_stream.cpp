// One request to the owning service, a stream of answers back. One message is under way at a time: the next is read
// upstream when the caller has taken the last, so that a slow caller slows the service down and fills no memory here.
#include "services/gateway/forward_call.h"
#include "tradewind/rpc/caller.h"

namespace tradewind::gateway {
namespace {

class StreamForward final : public ServerCall {
 public:
  StreamForward(Forwarder& forwarder, const Method& method, const MethodMetrics& metrics, Caller caller,
                grpc::GenericCallbackServerContext& context)
      : ServerCall(method, metrics, std::move(caller), context), forwarder_(forwarder), upstream_(*this) {
    ReadRequest();
  }

  void OnRequest() override {
    if (!CheckRequest()) {
      return;
    }
    if (!forwarder_.Register(upstream_context_)) {
      End(ShuttingDown());
      return;
    }
    // A watch lasts as long as its caller wants.
    const auto deadline = context().deadline();
    const bool has_deadline = deadline != std::chrono::system_clock::time_point::max();
    PrepareUpstream(*upstream_context_, trace(), caller(), rpc::AddressOf(context().peer()),
                    has_deadline ? std::optional(deadline) : std::nullopt);
    forwarder_.StubOf(method()).PrepareBidiStreamingCall(upstream_context_.get(), method().path, {}, &upstream_);
    upstream_.Begin(&request());
  }

  void OnWriteDone(bool ok) override {
    if (ok) {
      upstream_.ReadNext();
      return;
    }
    upstream_context_->TryCancel();
    upstream_.ReadNoMore();
  }

  void OnCancel() override { upstream_context_->TryCancel(); }

 private:
  class Upstream final : public grpc::ClientBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {
   public:
    explicit Upstream(StreamForward& call) : call_(call) {}

    void Begin(const grpc::ByteBuffer* request) {
      // Reads are started from the server's reactions: without the hold the call could end before one of them.
      AddHold();
      StartWriteLast(request, grpc::WriteOptions());
      StartRead(&message_);
      StartCall();
    }
    void ReadNext() { StartRead(&message_); }
    void ReadNoMore() { RemoveHold(); }

    void OnReadDone(bool ok) override {
      if (ok) {
        call_.StartWrite(&message_);
      } else {
        RemoveHold();
      }
    }
    void OnDone(const grpc::Status& status) override { call_.OnUpstreamEnd(status); }

   private:
    StreamForward& call_;
    grpc::ByteBuffer message_;
  };

  static errors::Problem ShuttingDown() {
    return {.code = absl::StatusCode::kUnavailable,
            .reason = "SHUTTING_DOWN",
            .message = "the gateway is going down; call again to watch on through another"};
  }

  void OnUpstreamEnd(const grpc::Status& status) {
    forwarder_.Unregister(upstream_context_);
    PassTrailingMetadata(*upstream_context_, context());
    if (status.error_code() == grpc::StatusCode::CANCELLED && forwarder_.ending()) {
      End(ShuttingDown());
    } else if (const auto problem = ProblemOfUpstream(status, method(), trace())) {
      End(*problem);
    } else {
      End(status);
    }
  }

  Forwarder& forwarder_;
  // Shared with the forwarder, which cancels it when the gateway goes down.
  const std::shared_ptr<grpc::ClientContext> upstream_context_ = std::make_shared<grpc::ClientContext>();
  Upstream upstream_;
};

}  // namespace

grpc::ServerGenericBidiReactor* StartStreamForward(Forwarder& forwarder, const Method& method,
                                                   const MethodMetrics& metrics, Caller caller,
                                                   grpc::GenericCallbackServerContext& context) {
  return new StreamForward(forwarder, method, metrics, std::move(caller), context);
}

}  // namespace tradewind::gateway
