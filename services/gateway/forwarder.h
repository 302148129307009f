// Passes calls on to the services that own the answers: bytes through, status and details back unchanged.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "grpcpp/client_context.h"
#include "grpcpp/generic/async_generic_service.h"
#include "grpcpp/generic/generic_stub.h"

#include "services/gateway/server_call.h"

namespace tradewind::gateway {

// Thread-safe. Outlives the calls it starts.
class Forwarder {
 public:
  // One channel for each address in `catalog`. `timeout` is given to a call that has no deadline, streams excepted.
  Forwarder(const Catalog& catalog, absl::Duration timeout);

  // Takes the call; the reactor owns itself.
  grpc::ServerGenericBidiReactor* Start(const Method& method, const MethodMetrics& metrics, Caller caller,
                                        grpc::GenericCallbackServerContext& context);

  // Ends all open streams with UNAVAILABLE: they would last for ever. New ones end at once.
  void EndStreams();

  // For the calls.
  grpc::GenericStub& StubOf(const Method& method) { return *stubs_[method.index]; }
  absl::Duration timeout() const { return timeout_; }
  // Makes a stream's upstream call one that EndStreams cancels. False when that has happened already: the stream must
  // not start.
  bool Register(const std::shared_ptr<grpc::ClientContext>& stream);
  void Unregister(const std::shared_ptr<grpc::ClientContext>& stream);
  bool ending() const;

 private:
  const absl::Duration timeout_;
  std::unordered_map<std::string, std::unique_ptr<grpc::GenericStub>> stubs_by_address_;
  // By Method::index.
  std::vector<grpc::GenericStub*> stubs_;
  mutable absl::Mutex mutex_;
  bool ending_ ABSL_GUARDED_BY(mutex_) = false;
  std::unordered_set<std::shared_ptr<grpc::ClientContext>> streams_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tradewind::gateway
