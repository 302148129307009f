// tradewind-user: takes account commands, tells what became of them, answers queries about accounts.
#include "services/user/user_app.h"
#include "tradewind/app/app.h"

int main(int argc, char** argv) {
  auto app = tradewind::App("user", argc, argv);
  tradewind::user::Declare(app);
  return app.Run();
}
