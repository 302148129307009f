#include "tradewind/app/watch_stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/synchronization/notification.h"

#include "tradewind/app/fake_event_feed.h"
#include "tradewind/app/in_process_server.h"
#include "tradewind/order/v1/events.pb.h"
#include "tradewind/order/v1/order.grpc.pb.h"
#include "tradewind/testing/eventually.h"

namespace tradewind {
namespace {

using order::v1::Order;
using order::v1::OrderCancelled;
using order::v1::OrderService;
using order::v1::WatchOrderRequest;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr size_t kCapacity = 4;

Order OrderNamed(const std::string& id) {
  Order order;
  order.set_id(id);
  return order;
}

// Shows the reason of each cancellation as an order's id; ends at the reason "end".
class ScriptedViewer final : public Viewer<Order> {
 public:
  explicit ScriptedViewer(std::function<grpc::Status(WatchOutput<Order>&)> open) : open_(std::move(open)) {}

  grpc::Status Open(WatchOutput<Order>& output) override { return open_(output); }

  void OnEvent(std::string_view type, std::string_view value, WatchOutput<Order>& output) override {
    EXPECT_EQ(type, OrderCancelled::descriptor()->full_name());
    OrderCancelled event;
    EXPECT_TRUE(event.ParseFromString(std::string(value)));
    if (event.reason() == "end") {
      output.End(grpc::Status::OK);
    } else {
      output.Send(OrderNamed(event.reason()));
    }
  }

 private:
  std::function<grpc::Status(WatchOutput<Order>&)> open_;
};

class TestService final : public OrderService::CallbackService {
 public:
  grpc::ServerWriteReactor<Order>* WatchOrder(grpc::CallbackServerContext* context,
                                              const WatchOrderRequest* request) override {
    return StartWatch<Order>(streams, feed, *context, request->id(), std::make_unique<ScriptedViewer>(open), kCapacity);
  }

  rpc::WorkPool pool{{.name = "test", .threads = 2, .max_waiting = 4}};
  WatchStreams streams{pool};
  testing::FakeEventFeed feed;
  std::function<grpc::Status(WatchOutput<Order>&)> open = [](WatchOutput<Order>&) { return grpc::Status::OK; };
};

class WatchStreamTest : public ::testing::Test {
 protected:
  void Publish(const std::string& reason) {
    OrderCancelled event;
    event.set_order_id("o-1");
    event.set_reason(reason);
    service_.feed.Publish(event);
  }

  std::unique_ptr<grpc::ClientReader<Order>> Watch() {
    WatchOrderRequest request;
    request.set_id("o-1");
    return stub_->WatchOrder(context_.get(), request);
  }

  // The ids of all that comes.
  static std::vector<std::string> ReadAll(grpc::ClientReader<Order>& reader) {
    std::vector<std::string> ids;
    Order order;
    while (reader.Read(&order)) ids.push_back(order.id());
    return ids;
  }

  bool Watched() {
    return testing::Eventually([&] { return service_.feed.watchers() == 1; });
  }
  // gRPC and the feed have let go of every stream.
  bool AllGone() {
    return testing::Eventually([&] { return service_.feed.watchers() == 0 && service_.streams.open() == 0; });
  }

  TestService service_;
  testing::InProcessServer server_{service_};
  std::unique_ptr<OrderService::Stub> stub_ = OrderService::NewStub(server_.channel());
  std::unique_ptr<grpc::ClientContext> context_ = testing::MakeClientContext();
};

TEST_F(WatchStreamTest, SendsWhatIsThereThenWhatHappens) {
  service_.open = [](WatchOutput<Order>& output) {
    output.Send(OrderNamed("there"));
    return grpc::Status::OK;
  };
  const auto reader = Watch();
  ASSERT_TRUE(Watched());
  Publish("a");
  Publish("b");
  Publish("end");
  EXPECT_THAT(ReadAll(*reader), ElementsAre("there", "a", "b"));
  EXPECT_TRUE(reader->Finish().ok());
  EXPECT_TRUE(AllGone());
}

TEST_F(WatchStreamTest, KeepsWhatHappensWhileTheViewerOpensForAfterwards) {
  std::atomic<bool> opened = false;
  service_.open = [&](WatchOutput<Order>& output) {
    Publish("meanwhile");
    output.Send(OrderNamed("there"));
    opened = true;
    return grpc::Status::OK;
  };
  const auto reader = Watch();
  ASSERT_TRUE(testing::Eventually([&] { return opened.load(); }));
  Publish("later");
  Publish("end");
  EXPECT_THAT(ReadAll(*reader), ElementsAre("there", "meanwhile", "later"));
  EXPECT_TRUE(reader->Finish().ok());
}

TEST_F(WatchStreamTest, LosesNothingBetweenOpeningAndFollowing) {
  // Publishes without pause while streams open; whatever a stream shows has no hole.
  std::atomic<bool> stop = false;
  std::thread publisher([&] {
    for (int i = 0; !stop; ++i) Publish(std::to_string(i));
  });
  for (int round = 0; round < 20; ++round) {
    auto context = testing::MakeClientContext();
    WatchOrderRequest request;
    request.set_id("o-1");
    const auto reader = stub_->WatchOrder(context.get(), request);
    Order order;
    int last = -1;
    for (int seen = 0; seen < 3 && reader->Read(&order); ++seen) {
      const int number = std::stoi(order.id());
      if (last >= 0) {
        EXPECT_EQ(number, last + 1);
      }
      last = number;
    }
    context->TryCancel();
    reader->Finish();
  }
  stop = true;
  publisher.join();
  EXPECT_TRUE(AllGone());
}

TEST_F(WatchStreamTest, EndsWithTheErrorOfTheViewer) {
  service_.open = [](WatchOutput<Order>&) { return grpc::Status(grpc::StatusCode::NOT_FOUND, "no such order"); };
  const auto reader = Watch();
  EXPECT_TRUE(ReadAll(*reader).empty());
  const grpc::Status status = reader->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(status.error_message(), "no such order");
  EXPECT_TRUE(AllGone());
}

TEST_F(WatchStreamTest, EndsTheStreamOfAClientThatDoesNotRead) {
  const auto reader = Watch();
  ASSERT_TRUE(Watched());
  // More than gRPC buffers and the queue holds; none of these calls waits for the client.
  const std::string large(64 * 1024, 'x');
  for (int i = 0; i < 200; ++i) Publish(large);

  const auto read = ReadAll(*reader);
  EXPECT_LT(read.size(), 200);
  const grpc::Status status = reader->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(status.error_message(), HasSubstr("too slowly"));
  EXPECT_TRUE(AllGone());
}

TEST_F(WatchStreamTest, BoundsWhatWaitsForTheViewerToOpen) {
  service_.open = [this](WatchOutput<Order>&) {
    for (size_t i = 0; i <= kCapacity; ++i) Publish("meanwhile");
    return grpc::Status::OK;
  };
  const auto reader = Watch();
  EXPECT_TRUE(ReadAll(*reader).empty());
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_TRUE(AllGone());
}

TEST_F(WatchStreamTest, LetsGoWhenTheClientCancels) {
  const auto reader = Watch();
  ASSERT_TRUE(Watched());
  context_->TryCancel();
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
  EXPECT_TRUE(AllGone());
  Publish("nobody sees this");
}

TEST_F(WatchStreamTest, EndsAllStreamsWithUnavailableForAShutdown) {
  const auto reader = Watch();
  ASSERT_TRUE(Watched());
  service_.streams.EndAll();
  EXPECT_TRUE(ReadAll(*reader).empty());
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_TRUE(AllGone());

  // Those that come late as well.
  context_ = testing::MakeClientContext();
  const auto late = Watch();
  EXPECT_TRUE(ReadAll(*late).empty());
  EXPECT_EQ(late->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_TRUE(AllGone());
}

TEST_F(WatchStreamTest, LeavesNothingBehindWhenTheServerIsShutDownUnderIt) {
  const auto reader = Watch();
  ASSERT_TRUE(Watched());
  server_.Shutdown(absl::ZeroDuration());
  EXPECT_EQ(service_.feed.watchers(), 0);
  EXPECT_EQ(service_.streams.open(), 0);
  EXPECT_FALSE(reader->Finish().ok());
}

// Two viewers open at once, and two may wait for their turn.
TEST_F(WatchStreamTest, BoundsHowManyViewersWaitToOpen) {
  std::atomic<int> opening = 0;
  // The pool's threads may be the last to use it: a stream ends without waiting for its viewer to open.
  const auto let_go = std::make_shared<absl::Notification>();
  service_.open = [&opening, let_go](WatchOutput<Order>&) {
    ++opening;
    let_go->WaitForNotification();
    return grpc::Status::OK;
  };
  const auto first = Watch();
  auto second_context = testing::MakeClientContext();
  const auto second = stub_->WatchOrder(second_context.get(), {});
  EXPECT_TRUE(testing::Eventually([&] { return opening == 2; }));
  auto third_context = testing::MakeClientContext();
  const auto third = stub_->WatchOrder(third_context.get(), {});
  auto fourth_context = testing::MakeClientContext();
  const auto fourth = stub_->WatchOrder(fourth_context.get(), {});
  EXPECT_TRUE(testing::Eventually([&] { return service_.pool.waiting() == 2; }));
  auto fifth_context = testing::MakeClientContext();
  const auto fifth = stub_->WatchOrder(fifth_context.get(), {});
  const grpc::Status refused = fifth->Finish();
  EXPECT_EQ(refused.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(refused.error_details(), HasSubstr("SERVICE_BUSY"));
  // One that goes away leaves its place.
  third_context->TryCancel();
  EXPECT_EQ(third->Finish().error_code(), grpc::StatusCode::CANCELLED);
  EXPECT_TRUE(testing::Eventually([&] { return service_.pool.waiting() == 1; }));
  fourth_context->TryCancel();
  fourth->Finish();
  EXPECT_TRUE(testing::Eventually([&] { return service_.pool.waiting() == 0; }));
  let_go->Notify();
  context_->TryCancel();
  second_context->TryCancel();
  first->Finish();
  second->Finish();
  EXPECT_TRUE(AllGone());
  EXPECT_EQ(opening, 2);
}

}  // namespace
}  // namespace tradewind
