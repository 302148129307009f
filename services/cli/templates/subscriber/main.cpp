// tradewind-my_thing: subscribes to my_package.MyEvent.
#include "on_my_event.h"

#include "tradewind/app/app.h"

int main(int argc, char** argv) {
  auto app = tradewind::App("my_thing", argc, argv);
  app.On<my_namespace::MyEvent>(my_thing::OnMyEvent);
  return app.Run();
}
