// What becomes of a shipment: the pure answer to what orders and the warehouse tell. Its state is the Shipment that
// clients see. The messages of one order come one after the other, whoever sent them, so this is where it is decided
// whether a parcel leaves or its order is called off: whichever is handled first.
#pragma once

#include <string_view>
#include <vector>

#include "tradewind/app/app.h"
#include "tradewind/order/v1/events.pb.h"
#include "tradewind/shipping/v1/events.pb.h"
#include "tradewind/shipping/v1/shipping.pb.h"
#include "tradewind/store/store.h"

namespace tradewind::shipping {

struct ShipmentDecider {
  // Under the order's id.
  using State = v1::Shipment;
  using Commands = Types<v1::UpdateShipmentRequest>;
  using Reactions = Types<order::v1::OrderConfirmed, order::v1::OrderCancelRequested>;
  using Events = Types<v1::ShipmentCreated, v1::ShipmentDispatched, v1::ShipmentDelivered, v1::ShipmentReturned,
                       v1::ShipmentCancelled>;

  // Rejects: INVALID_FIELD, SHIPMENT_NOT_FOUND, SHIPMENT_STATE. The state that it is in already: answered as it is.
  static Outcome Decide(const v1::UpdateShipmentRequest& command, Loaded<State> shipment, Context& context);
  // No effect where the order was seen before.
  static Outcome Decide(const order::v1::OrderConfirmed& event, Loaded<State> shipment, Context& context);
  // No effect once the parcel has left or is cancelled: of its leaving the order hears by itself. An order that was
  // never seen has no parcel to stop; its shipment is cancelled before it exists, so that the order gets its answer
  // and nothing leaves afterwards.
  static Outcome Decide(const order::v1::OrderCancelRequested& event, Loaded<State> shipment, Context& context);
};

// Secondary indexes, both in the order of creation: every shipment, and a user's shipments.
inline constexpr std::string_view kAllShipments = "all";
inline constexpr std::string_view kShipmentsByUser = "user";
std::vector<store::IndexEntry> IndexShipment(const v1::Shipment& shipment);

}  // namespace tradewind::shipping
