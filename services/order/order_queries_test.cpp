#include "services/order/order_queries.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "google/protobuf/util/time_util.h"

#include "services/order/order_decider.h"
#include "services/order/order_fold.h"
#include "tradewind/app/fake_event_feed.h"
#include "tradewind/app/hanging_store.h"
#include "tradewind/app/in_process_server.h"
#include "tradewind/testing/fake_reader.h"

namespace tradewind::order {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class OrderQueriesTest : public ::testing::Test {
 protected:
  // An order as it is after its creation.
  void GivenOrder(const std::string& id, const std::string& user, int64_t created_us,
                  v1::OrderState state = v1::ORDER_STATE_CONFIRMED) {
    v1::Order order;
    order.set_id(id);
    order.set_user_id(user);
    order.set_state(state);
    order.set_revision(2);
    *order.mutable_create_time() = google::protobuf::util::TimeUtil::MicrosecondsToTimestamp(created_us);
    reader_.Put(order.GetDescriptor()->full_name(), id, order.SerializeAsString(), IndexOrder(order));
  }

  static v1::OrderCancelled Cancelled(const std::string& id, int64_t revision) {
    v1::OrderCancelled event;
    event.set_order_id(id);
    event.set_revision(revision);
    event.set_reason("changed my mind");
    return event;
  }

  std::vector<std::string> List(const v1::ListOrdersRequest& request, std::string* next = nullptr) {
    v1::ListOrdersResponse response;
    const auto context = testing::MakeClientContext();
    const grpc::Status status = stub_->ListOrders(context.get(), request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    std::vector<std::string> ids;
    for (const auto& order : response.orders()) ids.push_back(order.id());
    if (next != nullptr) *next = response.next_page_token();
    return ids;
  }

  std::unique_ptr<grpc::ClientReader<v1::Order>> Watch(const std::string& id) {
    v1::WatchOrderRequest request;
    request.set_id(id);
    return stub_->WatchOrder(context_.get(), request);
  }

  testing::FakeReader reader_;
  testing::FakeEventFeed feed_;
  rpc::WorkPool pool_{{.name = "test", .threads = 2, .max_waiting = 4}};
  OrderQueries queries_{reader_, feed_, pool_};
  testing::InProcessServer server_{queries_};
  std::unique_ptr<v1::OrderService::Stub> stub_ = v1::OrderService::NewStub(server_.channel());
  std::unique_ptr<grpc::ClientContext> context_ = testing::MakeClientContext();
};

TEST_F(OrderQueriesTest, GetsAnOrderOrSaysThatThereIsNone) {
  GivenOrder("o-1", "u-1", 1);
  v1::GetOrderRequest request;
  request.set_id("o-1");
  v1::Order order;
  ASSERT_TRUE(stub_->GetOrder(context_.get(), request, &order).ok());
  EXPECT_EQ(order.user_id(), "u-1");

  request.set_id("o-2");
  const grpc::Status missing = stub_->GetOrder(testing::MakeClientContext().get(), request, &order);
  EXPECT_EQ(missing.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_THAT(missing.error_details(), HasSubstr("ORDER_NOT_FOUND"));
}

TEST_F(OrderQueriesTest, ListsNewestFirstAndByUser) {
  GivenOrder("o-1", "ada", 10);
  GivenOrder("o-2", "bob", 20);
  GivenOrder("o-3", "ada", 30);
  v1::ListOrdersRequest request;
  EXPECT_THAT(List(request), ElementsAre("o-3", "o-2", "o-1"));
  request.set_user_id("ada");
  EXPECT_THAT(List(request), ElementsAre("o-3", "o-1"));
}

TEST_F(OrderQueriesTest, PagesWithATokenThatFitsItsFilterOnly) {
  GivenOrder("o-1", "ada", 10);
  GivenOrder("o-2", "ada", 20);
  v1::ListOrdersRequest request;
  request.set_user_id("ada");
  request.set_page_size(1);
  std::string next;
  EXPECT_THAT(List(request, &next), ElementsAre("o-2"));
  request.set_page_token(next);
  EXPECT_THAT(List(request, &next), ElementsAre("o-1"));
  EXPECT_EQ(next, "");

  request.set_user_id("bob");
  v1::ListOrdersResponse response;
  const grpc::Status foreign = stub_->ListOrders(context_.get(), request, &response);
  EXPECT_EQ(foreign.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(foreign.error_details(), HasSubstr("page_token"));
}

TEST_F(OrderQueriesTest, WatchesAnOrderToItsEnd) {
  GivenOrder("o-1", "u-1", 1);
  const auto reader = Watch("o-1");
  v1::Order order;
  ASSERT_TRUE(reader->Read(&order));
  EXPECT_EQ(order.state(), v1::ORDER_STATE_CONFIRMED);
  EXPECT_EQ(order.revision(), 2);

  // Already in what the store said, so not shown.
  v1::OrderConfirmed confirmed;
  confirmed.set_order_id("o-1");
  confirmed.set_revision(2);
  feed_.Publish(confirmed);
  feed_.Publish(Cancelled("o-1", 3));
  ASSERT_TRUE(reader->Read(&order));
  EXPECT_EQ(order.state(), v1::ORDER_STATE_CANCELLED);
  EXPECT_EQ(order.revision(), 3);
  EXPECT_EQ(order.cancel_reason(), "changed my mind");
  EXPECT_EQ(order.user_id(), "u-1");
  EXPECT_FALSE(reader->Read(&order));
  EXPECT_TRUE(reader->Finish().ok());
}

TEST_F(OrderQueriesTest, EndsAWatchAtOnceWhereNothingCanChange) {
  for (const auto state : {v1::ORDER_STATE_CANCELLED, v1::ORDER_STATE_DELIVERED, v1::ORDER_STATE_REJECTED}) {
    GivenOrder("o-1", "u-1", 1, state);
    context_ = testing::MakeClientContext();
    const auto reader = Watch("o-1");
    v1::Order order;
    ASSERT_TRUE(reader->Read(&order));
    EXPECT_EQ(order.state(), state);
    EXPECT_FALSE(reader->Read(&order));
    EXPECT_TRUE(reader->Finish().ok());
  }
}

TEST_F(OrderQueriesTest, RefusesToWatchAnOrderThatIsNotThere) {
  const auto reader = Watch("o-1");
  v1::Order order;
  EXPECT_FALSE(reader->Read(&order));
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(OrderQueriesTest, EndsStreamsWhenTheServiceDrains) {
  GivenOrder("o-1", "u-1", 1);
  const auto reader = Watch("o-1");
  v1::Order order;
  ASSERT_TRUE(reader->Read(&order));
  queries_.EndStreams();
  EXPECT_FALSE(reader->Read(&order));
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(OrderQueriesTest, AnswersHealthWhileTheStoreHangs) {
  rpc::WorkPool pool({.name = "test", .threads = 4, .max_waiting = 100});
  OrderQueries queries(reader_, feed_, pool);
  const std::string service = "/tradewind.order.v1.OrderService/";
  EXPECT_TRUE(testing::AnswersHealthWhileItsStoreHangs(
      queries, reader_, pool, 4, {{service + "GetOrder"}, {service + "ListOrders"}, {service + "WatchOrder"}}));
}

}  // namespace
}  // namespace tradewind::order
