#include "tradewind/app/in_process_server.h"

#include "absl/time/clock.h"
#include "grpcpp/server_builder.h"

#include "tradewind/rpc/server.h"

namespace tradewind::testing {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(10);

}  // namespace

InProcessServer::InProcessServer(grpc::Service& service) {
  grpc::ServerBuilder builder;
  rpc::RefuseCompression(builder);
  builder.RegisterService(&service);
  server_ = builder.BuildAndStart();
}

InProcessServer::~InProcessServer() { Shutdown(absl::ZeroDuration()); }

void InProcessServer::Shutdown(absl::Duration deadline) {
  if (server_ == nullptr) return;
  server_->Shutdown(absl::ToChronoTime(absl::Now() + deadline));
  server_->Wait();
}

std::unique_ptr<grpc::ClientContext> MakeClientContext() {
  auto context = std::make_unique<grpc::ClientContext>();
  context->set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
  return context;
}

}  // namespace tradewind::testing
