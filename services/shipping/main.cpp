// tradewind-shipping: prepares a shipment for each confirmed order, takes what the warehouse tells of it, answers
// queries about shipments.
#include "services/shipping/shipping_app.h"
#include "tradewind/app/app.h"

int main(int argc, char** argv) {
  auto app = tradewind::App("shipping", argc, argv);
  tradewind::shipping::Declare(app);
  return app.Run();
}
