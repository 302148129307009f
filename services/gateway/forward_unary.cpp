// One request to the owning service, one answer back.
#include "services/gateway/forward_call.h"
#include "tradewind/rpc/caller.h"

namespace tradewind::gateway {
namespace {

class UnaryForward final : public ServerCall {
 public:
  UnaryForward(Forwarder& forwarder, const Method& method, const MethodMetrics& metrics, Caller caller,
               grpc::GenericCallbackServerContext& context)
      : ServerCall(method, metrics, std::move(caller), context), forwarder_(forwarder), upstream_(*this) {
    ReadRequest();
  }

  void OnRequest() override {
    if (!CheckRequest()) {
      return;
    }
    auto deadline = context().deadline();
    if (deadline == std::chrono::system_clock::time_point::max()) {
      deadline = std::chrono::system_clock::now() + absl::ToChronoMilliseconds(forwarder_.timeout());
    }
    PrepareUpstream(upstream_context_, trace(), caller(), rpc::AddressOf(context().peer()), deadline);
    forwarder_.StubOf(method()).PrepareUnaryCall(&upstream_context_, method().path, {}, &request(), &response_,
                                                 &upstream_);
    upstream_.StartCall();
  }

  // The call upstream then ends with CANCELLED, and this one with it. Harmless before it starts and after its end.
  void OnCancel() override { upstream_context_.TryCancel(); }

 private:
  // The client side. A base class of its own would clash with the server side's names.
  class Upstream final : public grpc::ClientUnaryReactor {
   public:
    explicit Upstream(UnaryForward& call) : call_(call) {}
    void OnDone(const grpc::Status& status) override { call_.OnAnswer(status); }

   private:
    UnaryForward& call_;
  };

  void OnAnswer(const grpc::Status& status) {
    PassTrailingMetadata(upstream_context_, context());
    if (status.ok()) {
      EndWith(std::move(response_));
    } else if (const auto problem = ProblemOfUpstream(status, method(), trace())) {
      End(*problem);
    } else {
      End(status);
    }
  }

  Forwarder& forwarder_;
  grpc::ClientContext upstream_context_;
  grpc::ByteBuffer response_;
  Upstream upstream_;
};

}  // namespace

grpc::ServerGenericBidiReactor* StartUnaryForward(Forwarder& forwarder, const Method& method,
                                                  const MethodMetrics& metrics, Caller caller,
                                                  grpc::GenericCallbackServerContext& context) {
  return new UnaryForward(forwarder, method, metrics, std::move(caller), context);
}

}  // namespace tradewind::gateway
