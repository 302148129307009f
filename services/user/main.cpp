// tradewind-user: takes account commands, tells what became of them, answers queries about accounts.
#include <memory>

#include "services/user/user_decider.h"
#include "services/user/user_queries.h"
#include "tradewind/app/app.h"

int main(int argc, char** argv) {
  auto app = tradewind::App("user", argc, argv);
  app.ListenOn("127.0.0.1:50052", "127.0.0.1:9465");
  app.Decide<tradewind::user::UserDecider>();
  app.Index<tradewind::user::internal::v1::UserRecord>(tradewind::user::IndexUser);
  app.Serve<tradewind::user::v1::UserService>(
      [](const tradewind::App::Ports& ports) { return std::make_unique<tradewind::user::UserQueries>(ports.reader); });
  return app.Run();
}
