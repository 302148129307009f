// A gRPC service behind an in-process channel, for testing queries and streams without a port.
#pragma once

#include <memory>

#include "absl/time/time.h"
#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"
#include "grpcpp/impl/service_type.h"
#include "grpcpp/server.h"

namespace tradewind::testing {

class InProcessServer {
 public:
  // `service` outlives the server.
  explicit InProcessServer(grpc::Service& service);
  // Cancels the calls that are still open.
  ~InProcessServer();

  std::shared_ptr<grpc::Channel> channel() { return server_->InProcessChannel({}); }
  // Waits up to `deadline` for open calls, then cancels them; once it returns no reactor is left.
  void Shutdown(absl::Duration deadline);

 private:
  std::unique_ptr<grpc::Server> server_;
};

// A client context that gives up after a while, so that a test fails where it would hang.
std::unique_ptr<grpc::ClientContext> MakeClientContext();

}  // namespace tradewind::testing
