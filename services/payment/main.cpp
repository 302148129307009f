// tradewind-payment: holds, captures and gives back the money of orders, answers queries about it.
#include "services/payment/payment_app.h"
#include "tradewind/app/app.h"

int main(int argc, char** argv) {
  auto app = tradewind::App("payment", argc, argv);
  tradewind::payment::Declare(app);
  return app.Run();
}
