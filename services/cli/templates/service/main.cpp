// tradewind-my_thing: takes the commands of MyThingService, answers its queries.
#include "my_thing_app.h"

#include "tradewind/app/app.h"

int main(int argc, char** argv) {
  auto app = tradewind::App("my_thing", argc, argv);
  my_thing::Declare(app);
  return app.Run();
}
