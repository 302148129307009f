#include "services/inventory/inventory_queries.h"

#include <string>

#include "services/inventory/product_decider.h"
#include "tradewind/app/paging.h"
#include "tradewind/rpc/pooled_call.h"

namespace tradewind::inventory {
namespace {

const std::string& Kind() { return v1::Product::descriptor()->full_name(); }

}  // namespace

grpc::ServerUnaryReactor* InventoryQueries::GetProduct(grpc::CallbackServerContext* context,
                                                       const v1::GetProductRequest* request, v1::Product* response) {
  return rpc::AnswerOn(pool_, *context, [=, this] { return Get(*request, response); });
}

grpc::ServerUnaryReactor* InventoryQueries::ListProducts(grpc::CallbackServerContext* context,
                                                         const v1::ListProductsRequest* request,
                                                         v1::ListProductsResponse* response) {
  return rpc::AnswerOn(pool_, *context, [=, this] { return List(*request, response); });
}

grpc::Status InventoryQueries::Get(const v1::GetProductRequest& request, v1::Product* response) {
  std::string stored;
  if (grpc::Status found = GetStored(reader_, Kind(), "product", request.id(), &stored); !found.ok()) return found;
  return response->ParseFromString(stored) ? grpc::Status::OK : UnreadableAggregate(Kind(), request.id());
}

grpc::Status InventoryQueries::List(const v1::ListProductsRequest& request, v1::ListProductsResponse* response) {
  const store::ListQuery query{.kind = Kind(), .index = kAllProducts};
  return ListPage(
      reader_, query, request.page_size(), request.page_token(),
      [&](const std::string& stored) { return AddParsed(stored, *response->mutable_products()); },
      response->mutable_next_page_token());
}

}  // namespace tradewind::inventory
