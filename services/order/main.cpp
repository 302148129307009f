// tradewind-order: takes orders, sees them through stock, payment and shipping, answers queries about them.
#include "services/order/order_app.h"
#include "tradewind/app/app.h"

int main(int argc, char** argv) {
  auto app = tradewind::App("order", argc, argv);
  tradewind::order::Declare(app);
  return app.Run();
}
