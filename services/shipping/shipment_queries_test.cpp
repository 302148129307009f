#include "services/shipping/shipment_queries.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "google/protobuf/util/time_util.h"

#include "services/shipping/shipment_decider.h"
#include "tradewind/app/hanging_store.h"
#include "tradewind/app/in_process_server.h"
#include "tradewind/testing/fake_reader.h"

namespace tradewind::shipping {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class ShipmentQueriesTest : public ::testing::Test {
 protected:
  void GivenShipment(const std::string& id, const std::string& user, int64_t created_us) {
    v1::Shipment shipment;
    shipment.set_id(id);
    shipment.set_user_id(user);
    shipment.set_state(v1::SHIPMENT_STATE_IN_TRANSIT);
    *shipment.mutable_create_time() = google::protobuf::util::TimeUtil::MicrosecondsToTimestamp(created_us);
    reader_.Put(shipment.GetDescriptor()->full_name(), id, shipment.SerializeAsString(), IndexShipment(shipment));
  }

  grpc::Status Get(const std::string& id, v1::Shipment* shipment) {
    v1::GetShipmentRequest request;
    request.set_id(id);
    return stub_->GetShipment(testing::MakeClientContext().get(), request, shipment);
  }

  std::vector<std::string> List(const v1::ListShipmentsRequest& request, std::string* next = nullptr) {
    v1::ListShipmentsResponse response;
    const grpc::Status status = stub_->ListShipments(testing::MakeClientContext().get(), request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    std::vector<std::string> ids;
    for (const auto& shipment : response.shipments()) ids.push_back(shipment.id());
    if (next != nullptr) *next = response.next_page_token();
    return ids;
  }

  testing::FakeReader reader_;
  rpc::WorkPool pool_{{.name = "test", .threads = 2, .max_waiting = 4}};
  ShipmentQueries queries_{reader_, pool_};
  testing::InProcessServer server_{queries_};
  std::unique_ptr<v1::ShippingService::Stub> stub_ = v1::ShippingService::NewStub(server_.channel());
};

TEST_F(ShipmentQueriesTest, GetsAShipmentOrSaysThatThereIsNone) {
  GivenShipment("o-1", "u-1", 1);
  v1::Shipment shipment;
  ASSERT_TRUE(Get("o-1", &shipment).ok());
  EXPECT_EQ(shipment.id(), "o-1");
  EXPECT_EQ(shipment.user_id(), "u-1");
  EXPECT_EQ(shipment.state(), v1::SHIPMENT_STATE_IN_TRANSIT);

  const grpc::Status missing = Get("o-2", &shipment);
  EXPECT_EQ(missing.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_THAT(missing.error_details(), HasSubstr("SHIPMENT_NOT_FOUND"));
}

TEST_F(ShipmentQueriesTest, ListsNewestFirstAndByUser) {
  GivenShipment("o-1", "ada", 10);
  GivenShipment("o-2", "bob", 20);
  GivenShipment("o-3", "ada", 30);
  v1::ListShipmentsRequest request;
  EXPECT_THAT(List(request), ElementsAre("o-3", "o-2", "o-1"));
  request.set_user_id("ada");
  EXPECT_THAT(List(request), ElementsAre("o-3", "o-1"));
  request.set_user_id("nobody");
  EXPECT_THAT(List(request), IsEmpty());
}

TEST_F(ShipmentQueriesTest, PagesWithATokenThatFitsItsFilterOnly) {
  GivenShipment("o-1", "ada", 10);
  GivenShipment("o-2", "ada", 20);
  v1::ListShipmentsRequest request;
  request.set_user_id("ada");
  request.set_page_size(1);
  std::string next;
  EXPECT_THAT(List(request, &next), ElementsAre("o-2"));
  request.set_page_token(next);
  EXPECT_THAT(List(request, &next), ElementsAre("o-1"));
  EXPECT_EQ(next, "");

  request.set_user_id("bob");
  v1::ListShipmentsResponse response;
  const grpc::Status foreign = stub_->ListShipments(testing::MakeClientContext().get(), request, &response);
  EXPECT_EQ(foreign.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(foreign.error_details(), HasSubstr("page_token"));
}

TEST_F(ShipmentQueriesTest, AnswersHealthWhileTheStoreHangs) {
  rpc::WorkPool pool({.name = "test", .threads = 2, .max_waiting = 100});
  ShipmentQueries queries(reader_, pool);
  const std::string service = "/tradewind.shipping.v1.ShippingService/";
  EXPECT_TRUE(testing::AnswersHealthWhileItsStoreHangs(queries, reader_, pool, 2,
                                                       {{service + "GetShipment"}, {service + "ListShipments"}}));
}

}  // namespace
}  // namespace tradewind::shipping
