// What the inventory service answers over gRPC: its own products, read from its store. Commands come through Kafka and
// are not implemented here.
#pragma once

#include "tradewind/inventory/v1/inventory.grpc.pb.h"
#include "tradewind/rpc/work_pool.h"
#include "tradewind/store/store.h"

namespace tradewind::inventory {

// Thread-safe. Its methods read the store on the pool's threads: gRPC's own must not wait.
class InventoryQueries final : public v1::InventoryService::CallbackService {
 public:
  // Both outlive the service.
  InventoryQueries(store::Reader& reader, rpc::WorkPool& pool) : reader_(reader), pool_(pool) {}

  grpc::ServerUnaryReactor* GetProduct(grpc::CallbackServerContext* context, const v1::GetProductRequest* request,
                                       v1::Product* response) override;
  grpc::ServerUnaryReactor* ListProducts(grpc::CallbackServerContext* context, const v1::ListProductsRequest* request,
                                         v1::ListProductsResponse* response) override;

 private:
  grpc::Status Get(const v1::GetProductRequest& request, v1::Product* response);
  grpc::Status List(const v1::ListProductsRequest& request, v1::ListProductsResponse* response);

  store::Reader& reader_;
  rpc::WorkPool& pool_;
};

}  // namespace tradewind::inventory
