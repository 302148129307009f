// A gRPC server with what every service of the mesh has: health, reflection, deadlines, one clear error for a taken
// port and an orderly end.
//
// Uses the callback API throughout. Health is grpc.health.v1; reflection is grpc.reflection.v1alpha and v1, for the
// whole descriptor pool it is given.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace google::protobuf {
class DescriptorPool;
}
namespace grpc {
class CallbackGenericService;
class Server;  // NOLINT(bugprone-forward-declaration-namespace): it is not the one below.
class ServerBuilder;
class Service;
}  // namespace grpc
namespace tradewind::config {
class Schema;
}

namespace tradewind::rpc {

struct ServerConfig {
  // host:port to listen on. A service that answers no calls may leave it empty; Server::Start refuses that.
  std::string address;
  // A larger message is refused with RESOURCE_EXHAUSTED.
  int64_t max_message_bytes = 1 << 20;
};

// Binds the fields under "grpc".
void Describe(config::Schema& schema, ServerConfig& config);

struct ServerParts {
  // Registered by their names; null-free. Outlive the server.
  std::vector<grpc::Service*> services;
  // Takes every method that no service claims. May be null.
  grpc::CallbackGenericService* generic = nullptr;
  // What reflection tells. The generated pool unless a gateway brings its own.
  const google::protobuf::DescriptorPool* pool = nullptr;
  // Full names that reflection lists.
  std::vector<std::string> listed_services;
};

// Thread-safe.
class Server {
 public:
  // Listening when it returns, NOT_SERVING until SetServing(true). FailedPrecondition, naming the setting and the
  // address, when the port cannot be had.
  static absl::StatusOr<std::unique_ptr<Server>> Start(const ServerConfig& config, const ServerParts& parts);
  ~Server();

  // What grpc.health.v1 answers, for the server ("") and each listed service.
  void SetServing(bool serving);

  // Takes no new calls, lets those under way finish until `deadline`, then cancels them. Blocks. Idempotent.
  void Shutdown(absl::Duration deadline);

  // The port that was bound, for an address that ends in ":0".
  int port() const;

 private:
  class Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Has the server refuse compressed requests with UNIMPLEMENTED, before anything is decompressed: gRPC compares a
// message with the largest allowed size only once it is decompressed, so that a request of 400 kB could take 440 MiB.
// Server does it for itself; whoever builds a gRPC server without it calls this.
void RefuseCompression(grpc::ServerBuilder& builder);

// Asks the server at `address` for its health, as the verb `health` and `tradewind status` do. OK when SERVING;
// otherwise a status whose message says what was seen.
absl::Status CheckHealth(const std::string& address, absl::Duration timeout);

}  // namespace tradewind::rpc
