#include "tradewind/app/hanging_store.h"

#include <memory>

#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"
#include "grpcpp/generic/generic_stub.h"

#include "tradewind/rpc/channel.h"
#include "tradewind/rpc/server.h"
#include "tradewind/testing/eventually.h"

namespace tradewind::testing {
namespace {

constexpr int kTimes = 3;
constexpr absl::Duration kPatience = absl::Minutes(1);

struct Call {
  grpc::ClientContext context;
  grpc::ByteBuffer request;
  grpc::ByteBuffer response;
  absl::Notification ended;
};

std::unique_ptr<Call> Begin(grpc::GenericStub& stub, const RawCall& raw) {
  auto call = std::make_unique<Call>();
  call->context.set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
  const grpc::Slice slice(raw.request);
  call->request = grpc::ByteBuffer(&slice, 1);
  // A stream of answers is begun in the same way as a single one; what comes of it does not matter here.
  stub.UnaryCall(&call->context, raw.method, {}, &call->request, &call->response,
                 [one = call.get()](const grpc::Status&) { one->ended.Notify(); });
  return call;
}

}  // namespace

bool AnswersHealthWhileItsStoreHangs(grpc::Service& service, FakeReader& reader, rpc::WorkPool& pool, size_t threads,
                                     const std::vector<RawCall>& calls) {
  auto server = rpc::Server::Start({.address = "127.0.0.1:0"}, {.services = {&service}});
  if (!server.ok()) return false;
  (*server)->SetServing(true);
  const std::string address = "127.0.0.1:" + std::to_string((*server)->port());
  reader.Hold();
  grpc::GenericStub stub(rpc::MakeChannel(address));
  std::vector<std::unique_ptr<Call>> begun;
  for (int i = 0; i < kTimes; ++i) {
    for (const RawCall& raw : calls) begun.push_back(Begin(stub, raw));
  }
  const bool all_hang = Eventually(
      [&] { return static_cast<size_t>(reader.held()) == threads && pool.waiting() == begun.size() - threads; });
  const bool healthy = rpc::CheckHealth(address, kPatience).ok();
  const bool still_held = static_cast<size_t>(reader.held()) == threads;
  reader.Release();
  for (const auto& call : begun) {
    call->context.TryCancel();
    call->ended.WaitForNotification();
  }
  (*server)->Shutdown(kPatience);
  return all_hang && healthy && still_held;
}

}  // namespace tradewind::testing
