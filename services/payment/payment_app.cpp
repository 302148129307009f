#include "services/payment/payment_app.h"

#include <memory>

#include "services/payment/payment_decider.h"
#include "services/payment/payment_effect.h"
#include "services/payment/payment_queries.h"
#include "services/payment/sandbox_provider.h"
#include "tradewind/app/app.h"
#include "tradewind/config/config.h"

namespace tradewind::payment {
namespace {

void Describe(config::Schema& schema, SandboxSettings& settings) {
  auto section = schema.Section("payment", "Payments.");
  section.Field("sandbox_delay", &settings.delay, "how long the sandbox thinks about the token tok_delay")
      .Min(absl::ZeroDuration())
      .Max(absl::Hours(1));
}

// Calls to the provider that may be under way for each task: they wait for its answers, not for this machine.
constexpr int32_t kCallsAtOnce = 64;

}  // namespace

void Declare(App& app) {
  const auto settings = std::make_shared<SandboxSettings>();
  app.ListenOn("127.0.0.1:50056", "127.0.0.1:9469");
  app.Configure([settings](config::Schema& schema) { Describe(schema, *settings); });
  app.Decide<PaymentDecider>();
  const auto provider = std::make_shared<SandboxProvider>(settings);
  app.OnEffect<v1::OperationRequested, v1::ReportOperationRequest>(PaymentEffect(provider)).Concurrency(kCallsAtOnce);
  app.Serve<v1::PaymentService>([](const App::Ports& ports) { return std::make_unique<PaymentQueries>(ports.reader); });
}

}  // namespace tradewind::payment
