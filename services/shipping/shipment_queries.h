// What the shipping service answers over gRPC: its own shipments, read from its store. Commands come through Kafka and
// are not implemented here.
#pragma once

#include "tradewind/shipping/v1/shipping.grpc.pb.h"
#include "tradewind/store/store.h"

namespace tradewind::shipping {

// Thread-safe. Its methods read the store on gRPC's own threads; with SQLite that is a matter of microseconds, less
// than handing the call to another thread and back.
class ShipmentQueries final : public v1::ShippingService::CallbackService {
 public:
  // `reader` outlives the service.
  explicit ShipmentQueries(store::Reader& reader) : reader_(reader) {}

  grpc::ServerUnaryReactor* GetShipment(grpc::CallbackServerContext* context, const v1::GetShipmentRequest* request,
                                        v1::Shipment* response) override;
  grpc::ServerUnaryReactor* ListShipments(grpc::CallbackServerContext* context, const v1::ListShipmentsRequest* request,
                                          v1::ListShipmentsResponse* response) override;

 private:
  grpc::Status Get(const v1::GetShipmentRequest& request, v1::Shipment* response);
  grpc::Status List(const v1::ListShipmentsRequest& request, v1::ListShipmentsResponse* response);

  store::Reader& reader_;
};

}  // namespace tradewind::shipping
