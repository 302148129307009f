#include "services/payment/payment_app.h"

#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

#include "services/payment/callback_calls.h"
#include "services/payment/http_provider.h"
#include "services/payment/logger.h"
#include "services/payment/payment_decider.h"
#include "services/payment/payment_effect.h"
#include "services/payment/payment_queries.h"
#include "services/payment/payment_settings.h"
#include "services/payment/sandbox_provider.h"
#include "tradewind/app/app.h"
#include "tradewind/app/command_client.h"
#include "tradewind/http/server.h"

namespace tradewind::payment {
namespace {

// Calls to the provider that may be under way for each task: they wait for its answers, not for this machine.
constexpr int32_t kCallsAtOnce = 64;

// At the shutdown: for callbacks that are being taken.
constexpr absl::Duration kCallbackPatience = absl::Seconds(3);

// The one that the settings name, which are not read yet when it is made.
class ChosenProvider final : public PaymentProvider {
 public:
  explicit ChosenProvider(const std::shared_ptr<const PaymentSettings>& settings)
      : settings_(settings), sandbox_({settings, &settings->sandbox}), http_({settings, &settings->http}) {}

  absl::StatusOr<ProviderAnswer> Carry(const ProviderCall& call, absl::Time deadline) override {
    return settings_->uses_http() ? http_.Carry(call, deadline) : sandbox_.Carry(call, deadline);
  }

 private:
  const std::shared_ptr<const PaymentSettings> settings_;
  SandboxProvider sandbox_;
  HttpProvider http_;
};

// Throws where the address cannot be listened on, which the start reports.
void TakeCallbacks(const App::Ports& ports, const CallbackSettings& settings) {
  CommandClient& commands = ports.commands();
  const auto report = [&commands](const v1::ReportOperationRequest& command, CommandClient::Done done) {
    commands.Call(command, {.caller = "", .method = "ReportOperation", .request_id = "", .traceparent = ""},
                  std::move(done));
  };
  const CallbackCalls calls(settings.Secrets(), report);
  auto server = http::Server::Start(
      {.address = settings.address, .setting = "payment.callback_address"},
      [calls](const http::Request& request, http::Server::Done done) { calls.Handle(request, std::move(done)); });
  if (!server.ok()) throw std::runtime_error("payment.callback_address: " + std::string(server.status().message()));
  kLog.Info("the provider's callbacks are taken", {{"address", settings.address}});
  ports.on_drain([server = std::shared_ptr(*std::move(server))] { server->Stop(kCallbackPatience); });
}

std::unique_ptr<grpc::Service> MakeQueries(const App::Ports& ports, const PaymentSettings& settings) {
  if (settings.uses_http() && !settings.callbacks.address.empty()) TakeCallbacks(ports, settings.callbacks);
  return std::make_unique<PaymentQueries>(ports.reader, ports.pool);
}

}  // namespace

void Declare(App& app) {
  const auto settings = std::make_shared<PaymentSettings>();
  app.ListenOn("127.0.0.1:50056", "127.0.0.1:9469");
  app.Configure([settings](config::Schema& schema) { Describe(schema, *settings); });
  app.Decide<PaymentDecider>();
  const auto provider = std::make_shared<ChosenProvider>(settings);
  app.OnEffect<v1::OperationRequested, v1::ReportOperationRequest>(PaymentEffect(provider, app.Keys()))
      .Concurrency(kCallsAtOnce);
  app.Serve<v1::PaymentService>([settings](const App::Ports& ports) { return MakeQueries(ports, *settings); });
}

}  // namespace tradewind::payment
