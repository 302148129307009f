#include "my_thing_app.h"

#include <memory>

#include "my_thing_decider.h"
#include "my_thing_queries.h"

#include "tradewind/app/app.h"

namespace my_thing {

void Declare(tradewind::App& app) {
  app.ListenOn("127.0.0.1:my_grpc_port", "127.0.0.1:my_metrics_port");
  app.Decide<MyThingDecider>();
  app.Serve<v1::MyThingService>(
      [](const tradewind::App::Ports& ports) { return std::make_unique<MyThingQueries>(ports.reader, ports.pool); });
}

}  // namespace my_thing
