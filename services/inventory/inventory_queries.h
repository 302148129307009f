// What the inventory service answers over gRPC: its own products, read from its store. Commands come through Kafka and
// are not implemented here.
#pragma once

#include "tradewind/inventory/v1/inventory.grpc.pb.h"
#include "tradewind/store/store.h"

namespace tradewind::inventory {

// Thread-safe. Its methods read the store on gRPC's own threads; with SQLite that is a matter of microseconds, less
// than handing the call to another thread and back.
class InventoryQueries final : public v1::InventoryService::CallbackService {
 public:
  // `reader` outlives the service.
  explicit InventoryQueries(store::Reader& reader) : reader_(reader) {}

  grpc::ServerUnaryReactor* GetProduct(grpc::CallbackServerContext* context, const v1::GetProductRequest* request,
                                       v1::Product* response) override;
  grpc::ServerUnaryReactor* ListProducts(grpc::CallbackServerContext* context, const v1::ListProductsRequest* request,
                                         v1::ListProductsResponse* response) override;

 private:
  grpc::Status Get(const v1::GetProductRequest& request, v1::Product* response);
  grpc::Status List(const v1::ListProductsRequest& request, v1::ListProductsResponse* response);

  store::Reader& reader_;
};

}  // namespace tradewind::inventory
