#include <google/protobuf/wrappers.pb.h>

#include <iostream>

#include "tradewind/app/app.h"
#include "tradewind/order/v1/events.pb.h"

int main(int argc, char** argv) {
  auto app = tradewind::App("loyalty", argc, argv);
  app.On<tradewind::order::v1::OrderConfirmed>([](const auto& event, tradewind::Context& context) {
       auto points = context.Load<google::protobuf::Int64Value>(event.user_id());
       points->set_value(points->value() + event.total().units());
       std::cout << event.user_id() << " has " << points->value() << " points" << std::endl;
       return tradewind::Ack();
     })
      .KeyedBy(&tradewind::order::v1::OrderConfirmed::user_id);
  return app.Run();
}
