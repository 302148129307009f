// tradewind-inventory: keeps products and their stock, sets it aside for orders, answers queries about it.
#include "services/inventory/inventory_app.h"
#include "tradewind/app/app.h"

int main(int argc, char** argv) {
  auto app = tradewind::App("inventory", argc, argv);
  tradewind::inventory::Declare(app);
  return app.Run();
}
