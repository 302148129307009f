// tradewind-notification: tells users what happened to their accounts, orders and payments, answers queries about it.
#include "services/notification/notification_app.h"
#include "tradewind/app/app.h"

int main(int argc, char** argv) {
  auto app = tradewind::App("notification", argc, argv);
  tradewind::notification::Declare(app);
  return app.Run();
}
