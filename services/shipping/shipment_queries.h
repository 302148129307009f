// What the shipping service answers over gRPC: its own shipments, read from its store. Commands come through Kafka and
// are not implemented here.
#pragma once

#include "tradewind/rpc/work_pool.h"
#include "tradewind/shipping/v1/shipping.grpc.pb.h"
#include "tradewind/store/store.h"

namespace tradewind::shipping {

// Thread-safe. Its methods read the store on the pool's threads: gRPC's own must not wait.
class ShipmentQueries final : public v1::ShippingService::CallbackService {
 public:
  // Both outlive the service.
  ShipmentQueries(store::Reader& reader, rpc::WorkPool& pool) : reader_(reader), pool_(pool) {}

  grpc::ServerUnaryReactor* GetShipment(grpc::CallbackServerContext* context, const v1::GetShipmentRequest* request,
                                        v1::Shipment* response) override;
  grpc::ServerUnaryReactor* ListShipments(grpc::CallbackServerContext* context, const v1::ListShipmentsRequest* request,
                                          v1::ListShipmentsResponse* response) override;

 private:
  grpc::Status Get(const v1::GetShipmentRequest& request, v1::Shipment* response);
  grpc::Status List(const v1::ListShipmentsRequest& request, v1::ListShipmentsResponse* response);

  store::Reader& reader_;
  rpc::WorkPool& pool_;
};

}  // namespace tradewind::shipping
