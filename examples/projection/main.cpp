// tradewind-demand: counts what is ordered, by product, and shows it.
#include <memory>

#include "demand_projection.h"
#include "demand_queries.h"

#include "tradewind/app/app.h"

int main(int argc, char** argv) {
  auto app = tradewind::App("demand", argc, argv);
  app.ListenOn("127.0.0.1:27003", "127.0.0.1:27004");
  app.On<tradewind::order::v1::OrderConfirmed>(demand::OnOrderConfirmed);
  app.Index<demand::v1::ProductDemand>(demand::IndexDemand);
  app.Serve<demand::v1::DemandService>([](const tradewind::App::Ports& ports) {
    return std::make_unique<demand::DemandQueries>(ports.reader, ports.pool);
  });
  return app.Run();
}
