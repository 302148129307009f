#include "services/user/user_app.h"

#include <memory>

#include "services/user/erase_effect.h"
#include "services/user/keyless_users.h"
#include "services/user/session_decider.h"
#include "services/user/sessions.h"
#include "services/user/user_calls.h"
#include "services/user/user_decider.h"
#include "services/user/user_settings.h"
#include "tradewind/app/app.h"

namespace tradewind::user {
namespace {

// The one Sessions of both gRPC services, made when the first of them is.
class SharedSessions {
 public:
  SharedSessions(std::shared_ptr<const UserSettings> settings, std::shared_ptr<const seal::Keys> keys)
      : settings_(std::move(settings)), keys_(std::move(keys)) {}
  const std::shared_ptr<Sessions>& For(const App::Ports& ports) {
    if (sessions_ == nullptr)
      sessions_ = std::make_shared<Sessions>(ports.reader, ports.pool, ports.commands(), keys_, *settings_);
    return sessions_;
  }

 private:
  const std::shared_ptr<const UserSettings> settings_;
  const std::shared_ptr<const seal::Keys> keys_;
  std::shared_ptr<Sessions> sessions_;
};

}  // namespace

void Declare(App& app) {
  const auto settings = std::make_shared<UserSettings>();
  const auto keys = app.Keys();
  const auto sessions = std::make_shared<SharedSessions>(settings, keys);
  app.ListenOn("127.0.0.1:50052", "127.0.0.1:9465");
  app.Configure([settings](config::Schema& schema) { Describe(schema, *settings); });
  app.Decide<UserDecider>();
  app.Decide<SessionDecider>();
  app.Decide<SigningKeyDecider>();
  app.Index<internal::v1::UserRecord>(IndexUser);
  app.OnEffect<v1::UserDeleted>(EraseEffect(keys));
  app.Serve<v1::UserService>([keys, sessions](const App::Ports& ports) {
    auto keyless = std::make_shared<std::unique_ptr<KeylessUsers>>(std::make_unique<KeylessUsers>(ports.reader, keys));
    ports.on_drain([keyless] { keyless->reset(); });
    return std::make_unique<UserCalls>(ports.reader, ports.pool, keys, sessions->For(ports));
  });
  app.Serve<mesh::v1::KeyService>(
      [sessions](const App::Ports& ports) { return std::make_unique<KeyCalls>(sessions->For(ports)); });
}

}  // namespace tradewind::user
