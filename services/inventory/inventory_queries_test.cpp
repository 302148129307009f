#include "services/inventory/inventory_queries.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "google/protobuf/util/time_util.h"

#include "services/inventory/product_decider.h"
#include "tradewind/app/hanging_store.h"
#include "tradewind/app/in_process_server.h"
#include "tradewind/testing/fake_reader.h"

namespace tradewind::inventory {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class InventoryQueriesTest : public ::testing::Test {
 protected:
  void GivenProduct(const std::string& id, int64_t created_us) {
    v1::Product product;
    product.set_id(id);
    product.set_free(3);
    product.set_reserved(2);
    *product.mutable_create_time() = google::protobuf::util::TimeUtil::MicrosecondsToTimestamp(created_us);
    reader_.Put(product.GetDescriptor()->full_name(), id, product.SerializeAsString(), IndexProduct(product));
  }

  std::vector<std::string> List(const v1::ListProductsRequest& request, std::string* next = nullptr) {
    v1::ListProductsResponse response;
    const grpc::Status status = stub_->ListProducts(testing::MakeClientContext().get(), request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    std::vector<std::string> ids;
    for (const auto& product : response.products()) ids.push_back(product.id());
    if (next != nullptr) *next = response.next_page_token();
    return ids;
  }

  testing::FakeReader reader_;
  rpc::WorkPool pool_{{.name = "test", .threads = 2, .max_waiting = 4}};
  InventoryQueries queries_{reader_, pool_};
  testing::InProcessServer server_{queries_};
  std::unique_ptr<v1::InventoryService::Stub> stub_ = v1::InventoryService::NewStub(server_.channel());
};

TEST_F(InventoryQueriesTest, GetsAProductOrSaysThatThereIsNone) {
  GivenProduct("tea", 1);
  v1::GetProductRequest request;
  request.set_id("tea");
  v1::Product product;
  ASSERT_TRUE(stub_->GetProduct(testing::MakeClientContext().get(), request, &product).ok());
  EXPECT_EQ(product.id(), "tea");
  EXPECT_EQ(product.free(), 3);
  EXPECT_EQ(product.reserved(), 2);

  request.set_id("salt");
  const grpc::Status missing = stub_->GetProduct(testing::MakeClientContext().get(), request, &product);
  EXPECT_EQ(missing.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_THAT(missing.error_details(), HasSubstr("PRODUCT_NOT_FOUND"));
}

TEST_F(InventoryQueriesTest, ListsOldestFirstInPages) {
  GivenProduct("tea", 10);
  GivenProduct("rice", 20);
  v1::ListProductsRequest request;
  EXPECT_THAT(List(request), ElementsAre("tea", "rice"));

  request.set_page_size(1);
  std::string next;
  EXPECT_THAT(List(request, &next), ElementsAre("tea"));
  request.set_page_token(next);
  EXPECT_THAT(List(request, &next), ElementsAre("rice"));
  EXPECT_EQ(next, "");
}

TEST_F(InventoryQueriesTest, RefusesAPageTokenThatIsDamaged) {
  v1::ListProductsRequest request;
  request.set_page_token("nonsense");
  v1::ListProductsResponse response;
  const grpc::Status status = stub_->ListProducts(testing::MakeClientContext().get(), request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_details(), HasSubstr("page_token"));
}

TEST_F(InventoryQueriesTest, AnswersHealthWhileTheStoreHangs) {
  rpc::WorkPool pool({.name = "test", .threads = 2, .max_waiting = 100});
  InventoryQueries queries(reader_, pool);
  const std::string service = "/tradewind.inventory.v1.InventoryService/";
  EXPECT_TRUE(testing::AnswersHealthWhileItsStoreHangs(queries, reader_, pool, 2,
                                                       {{service + "GetProduct"}, {service + "ListProducts"}}));
}

}  // namespace
}  // namespace tradewind::inventory
