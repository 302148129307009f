#include "services/shipping/shipping_app.h"

#include <memory>

#include "services/shipping/shipment_decider.h"
#include "services/shipping/shipment_queries.h"

namespace tradewind::shipping {

void Declare(App& app) {
  app.ListenOn("127.0.0.1:50057", "127.0.0.1:9470");
  app.Decide<ShipmentDecider>();
  app.Index<v1::Shipment>(IndexShipment);
  app.Serve<v1::ShippingService>(
      [](const App::Ports& ports) { return std::make_unique<ShipmentQueries>(ports.reader, ports.pool); });
}

}  // namespace tradewind::shipping
