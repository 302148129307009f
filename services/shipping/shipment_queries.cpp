#include "services/shipping/shipment_queries.h"

#include <string>

#include "services/shipping/shipment_decider.h"
#include "tradewind/app/paging.h"
#include "tradewind/rpc/pooled_call.h"

namespace tradewind::shipping {
namespace {

const std::string& Kind() { return v1::Shipment::descriptor()->full_name(); }

}  // namespace

grpc::ServerUnaryReactor* ShipmentQueries::GetShipment(grpc::CallbackServerContext* context,
                                                       const v1::GetShipmentRequest* request, v1::Shipment* response) {
  return rpc::AnswerOn(pool_, *context, [=, this] { return Get(*request, response); });
}

grpc::ServerUnaryReactor* ShipmentQueries::ListShipments(grpc::CallbackServerContext* context,
                                                         const v1::ListShipmentsRequest* request,
                                                         v1::ListShipmentsResponse* response) {
  return rpc::AnswerOn(pool_, *context, [=, this] { return List(*request, response); });
}

grpc::Status ShipmentQueries::Get(const v1::GetShipmentRequest& request, v1::Shipment* response) {
  std::string stored;
  if (grpc::Status found = GetStored(reader_, Kind(), "shipment", request.id(), &stored); !found.ok()) return found;
  return response->ParseFromString(stored) ? grpc::Status::OK : UnreadableAggregate(Kind(), request.id());
}

grpc::Status ShipmentQueries::List(const v1::ListShipmentsRequest& request, v1::ListShipmentsResponse* response) {
  const store::ListQuery query{.kind = Kind(),
                               .index = request.user_id().empty() ? kAllShipments : kShipmentsByUser,
                               .value = request.user_id(),
                               .descending = true};
  return ListPage(
      reader_, query, request.page_size(), request.page_token(),
      [&](const std::string& stored) { return AddParsed(stored, *response->mutable_shipments()); },
      response->mutable_next_page_token());
}

}  // namespace tradewind::shipping
