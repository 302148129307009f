#include "services/inventory/inventory_app.h"

#include <memory>

#include "services/inventory/inventory_queries.h"
#include "services/inventory/product_decider.h"
#include "services/inventory/reservation.h"
#include "tradewind/app/app.h"

namespace tradewind::inventory {

void Declare(App& app) {
  using internal::v1::Reservation;
  app.ListenOn("127.0.0.1:50055", "127.0.0.1:9468");
  // Before the events of orders: the topic of the commands is the lead topic.
  app.Decide<ProductDecider>();
  app.On<order::v1::OrderCreated, v1::StockReserved, v1::StockRefused>(OnOrderCreated).Loads<Reservation>();
  app.On<order::v1::OrderShipped, v1::StockSold>(OnOrderShipped).Loads<Reservation>();
  app.On<order::v1::OrderCancelled, v1::StockReleased>(OnOrderCancelled).Loads<Reservation>();
  app.On<order::v1::OrderRejected, v1::StockReleased>(OnOrderRejected).Loads<Reservation>();
  app.Index<v1::Product>(IndexProduct);
  app.Serve<v1::InventoryService>(
      [](const App::Ports& ports) { return std::make_unique<InventoryQueries>(ports.reader, ports.pool); });
}

}  // namespace tradewind::inventory
