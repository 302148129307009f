// tradewind-order: takes order commands, tells what became of them, answers queries about orders.
#include <memory>

#include "services/order/order_decider.h"
#include "services/order/order_queries.h"
#include "tradewind/app/app.h"

namespace {

std::unique_ptr<grpc::Service> MakeQueries(const tradewind::App::Ports& ports) {
  auto queries = std::make_unique<tradewind::order::OrderQueries>(ports.reader, ports.feed("order.events.v1"));
  ports.on_drain([streams = queries.get()] { streams->EndStreams(); });
  return queries;
}

}  // namespace

int main(int argc, char** argv) {
  auto app = tradewind::App("order", argc, argv);
  app.ListenOn("127.0.0.1:50053", "127.0.0.1:9466");
  app.Decide<tradewind::order::OrderDecider>();
  app.Index<tradewind::order::v1::Order>(tradewind::order::IndexOrder);
  app.Serve<tradewind::order::v1::OrderService>(MakeQueries);
  return app.Run();
}
