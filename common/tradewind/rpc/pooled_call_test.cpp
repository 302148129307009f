// Calls whose answers hang, on a real server: whatever waits, health is answered.
#include "tradewind/rpc/pooled_call.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"

#include "tradewind/order/v1/order.grpc.pb.h"
#include "tradewind/rpc/caller.h"
#include "tradewind/rpc/channel.h"
#include "tradewind/rpc/server.h"
#include "tradewind/testing/eventually.h"

namespace tradewind::rpc {
namespace {

using order::v1::GetOrderRequest;
using order::v1::Order;
using order::v1::OrderService;
using ::testing::HasSubstr;

constexpr int kThreads = 4;
constexpr int kWaiting = 8;

// Answers nothing until it is let go.
class Hanging final : public OrderService::CallbackService {
 public:
  explicit Hanging(WorkPool& pool) : pool_(pool) {}

  grpc::ServerUnaryReactor* GetOrder(grpc::CallbackServerContext* context, const GetOrderRequest* request,
                                     Order* response) override {
    return AnswerOn(pool_, *context, [this, request, response] {
      ++begun;
      let_go.WaitForNotification();
      response->set_id(request->id());
      return grpc::Status::OK;
    });
  }

  std::atomic<int> begun = 0;
  absl::Notification let_go;

 private:
  WorkPool& pool_;
};

class PooledCallTest : public ::testing::Test {
 protected:
  struct Call {
    grpc::ClientContext context;
    GetOrderRequest request;
    Order response;
    grpc::Status status;
    absl::Notification ended;
  };

  void SetUp() override {
    auto server = Server::Start({.address = "127.0.0.1:0"}, {.services = {&service_}});
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    server_->SetServing(true);
    stub_ = OrderService::NewStub(MakeChannel(address()));
  }
  void TearDown() override {
    if (!service_.let_go.HasBeenNotified()) service_.let_go.Notify();
    for (const auto& call : calls_) call->ended.WaitForNotification();
  }
  std::string address() const { return "127.0.0.1:" + std::to_string(server_->port()); }

  Call& Begin(absl::Duration deadline = absl::Minutes(1), const std::string& client = "") {
    Call& call = *calls_.emplace_back(std::make_unique<Call>());
    call.request.set_id("o-" + std::to_string(calls_.size()));
    call.context.set_deadline(absl::ToChronoTime(absl::Now() + deadline));
    if (!client.empty()) call.context.AddMetadata(kClientAddressMetadata, client);
    stub_->async()->GetOrder(&call.context, &call.request, &call.response, [&call](grpc::Status status) {
      call.status = std::move(status);
      call.ended.Notify();
    });
    return call;
  }
  bool AllThreadsAreHeld() {
    return testing::Eventually([&] { return service_.begun == kThreads; });
  }
  bool Waits(size_t count) {
    return testing::Eventually([&] { return pool_.waiting() == count; });
  }

  WorkPool pool_{{.name = "test", .threads = kThreads, .max_waiting = kWaiting}};
  Hanging service_{pool_};
  std::unique_ptr<Server> server_;
  std::unique_ptr<OrderService::Stub> stub_;
  std::vector<std::unique_ptr<Call>> calls_;
};

TEST_F(PooledCallTest, AnswersHealthWhileEveryCallHangs) {
  for (int i = 0; i < kThreads; ++i) Begin();
  ASSERT_TRUE(AllThreadsAreHeld());
  for (int i = 0; i < kWaiting / 2; ++i) Begin();
  ASSERT_TRUE(Waits(kWaiting / 2));
  // It comes back at all: nothing is let go before it.
  EXPECT_TRUE(CheckHealth(address(), absl::Seconds(30)).ok());
  service_.let_go.Notify();
  for (const auto& call : calls_) {
    call->ended.WaitForNotification();
    EXPECT_TRUE(call->status.ok()) << call->status.error_message();
    EXPECT_EQ(call->response.id(), call->request.id());
  }
}

TEST_F(PooledCallTest, RefusesWhatTheQueueDoesNotHold) {
  for (int i = 0; i < kThreads; ++i) Begin();
  ASSERT_TRUE(AllThreadsAreHeld());
  for (int i = 0; i < kWaiting / 2; ++i) Begin(absl::Minutes(1), "one");
  ASSERT_TRUE(Waits(kWaiting / 2));
  // One client has half of the places, whatever connection it comes by; the others have theirs.
  Call& refused = Begin(absl::Minutes(1), "one");
  refused.ended.WaitForNotification();
  EXPECT_EQ(refused.status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(refused.status.error_details(), HasSubstr("SERVICE_BUSY"));
  Begin(absl::Minutes(1), "another");
  EXPECT_TRUE(Waits(kWaiting / 2 + 1));
}

TEST_F(PooledCallTest, ForgetsACallWhoseCallerWentAway) {
  for (int i = 0; i < kThreads; ++i) Begin();
  ASSERT_TRUE(AllThreadsAreHeld());
  Call& call = Begin();
  ASSERT_TRUE(Waits(1));
  call.context.TryCancel();
  EXPECT_TRUE(Waits(0));
  service_.let_go.Notify();
  for (const auto& one : calls_) one->ended.WaitForNotification();
  EXPECT_EQ(service_.begun, kThreads);
}

TEST_F(PooledCallTest, ForgetsACallWhoseDeadlinePassesInTheQueue) {
  for (int i = 0; i < kThreads; ++i) Begin();
  ASSERT_TRUE(AllThreadsAreHeld());
  Call& call = Begin(absl::Milliseconds(200));
  call.ended.WaitForNotification();
  EXPECT_EQ(call.status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_TRUE(Waits(0));
}

TEST(AddressOf, LeavesThePortOut) {
  EXPECT_EQ(AddressOf("ipv4:10.0.0.1:50000"), "ipv4:10.0.0.1");
  EXPECT_EQ(AddressOf("ipv6:%5B::1%5D:50000"), "ipv6:%5B::1%5D");
  EXPECT_EQ(AddressOf("unix:/run/x:1"), "unix:/run/x:1");
}

}  // namespace
}  // namespace tradewind::rpc
