#include "services/order/order_app.h"

#include <memory>

#include "services/order/order_decider.h"
#include "services/order/order_queries.h"
#include "services/order/order_settings.h"
#include "tradewind/app/app.h"

namespace tradewind::order {
namespace {

std::unique_ptr<grpc::Service> MakeQueries(const App::Ports& ports) {
  auto queries = std::make_unique<OrderQueries>(ports.reader, ports.feed("order.events.v1"), ports.pool);
  ports.on_drain([streams = queries.get()] { streams->EndStreams(); });
  return queries;
}

}  // namespace

void Declare(App& app) {
  const auto settings = std::make_shared<OrderSettings>();
  app.ListenOn("127.0.0.1:50053", "127.0.0.1:9466");
  app.Configure([settings](config::Schema& schema) { Describe(schema, *settings); });
  app.Decide(OrderDecider(settings));
  app.Index<v1::Order>(IndexOrder);
  app.Serve<v1::OrderService>(MakeQueries);
}

}  // namespace tradewind::order
