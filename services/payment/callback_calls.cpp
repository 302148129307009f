#include "services/payment/callback_calls.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "absl/time/clock.h"

#include "services/payment/logger.h"
#include "services/payment/provider_protocol.h"
#include "tradewind/auth/webhook_signature.h"

namespace tradewind::payment {
namespace {

constexpr char kPath[] = "/v1/callbacks";

http::Response Refused(int status, const std::string& why) {
  kLog.Warn("a callback was refused", {{"status", status}, {"reason", why}});
  return {.status = status, .body = nlohmann::json{{"error", why}}.dump()};
}

http::Response AnswerTo(const CommandOutcome& outcome) {
  if (outcome.ok()) return {.body = "{}"};
  switch (static_cast<absl::StatusCode>(outcome.error.code())) {
    case absl::StatusCode::kNotFound:
      return Refused(404, outcome.error.message());
    case absl::StatusCode::kInvalidArgument:
      return Refused(400, outcome.error.message());
    case absl::StatusCode::kFailedPrecondition:
      // The provider has done its part: what it declines after an authorization is for a person, who meets it where the
      // operation is asked for (PaymentEffect).
      kLog.Warn("a callback changes nothing", {{"reason", outcome.error.message()}});
      return {.body = "{}"};
    default:
      return Refused(503, outcome.error.message());
  }
}

}  // namespace

void CallbackCalls::Handle(const http::Request& request, http::Server::Done done) const {
  if (request.target != kPath) return std::move(done)(Refused(404, "callbacks go to /v1/callbacks"));
  if (request.method != "POST") return std::move(done)(Refused(405, "callbacks are posted"));
  const absl::Status verified =
      auth::VerifyWebhook(secrets_, request.Header("webhook-id"), request.Header("webhook-timestamp"),
                          request.Header("webhook-signature"), request.body, absl::Now());
  if (!verified.ok()) return std::move(done)(Refused(401, std::string(verified.message())));
  const auto report = ReadCallback(request.body);
  if (!report.ok()) return std::move(done)(Refused(400, std::string(report.status().message())));
  report_(*report,
          [done = std::move(done)](const CommandOutcome& outcome) mutable { std::move(done)(AnswerTo(outcome)); });
}

}  // namespace tradewind::payment
