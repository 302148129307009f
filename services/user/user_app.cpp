#include "services/user/user_app.h"

#include <memory>

#include "services/user/user_decider.h"
#include "services/user/user_queries.h"
#include "tradewind/app/app.h"

namespace tradewind::user {

void Declare(App& app) {
  app.ListenOn("127.0.0.1:50052", "127.0.0.1:9465");
  app.Decide<UserDecider>();
  app.Index<internal::v1::UserRecord>(IndexUser);
  app.Serve<v1::UserService>([](const App::Ports& ports) { return std::make_unique<UserQueries>(ports.reader); });
}

}  // namespace tradewind::user
