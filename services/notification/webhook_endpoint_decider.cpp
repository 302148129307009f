#include "services/notification/webhook_endpoint_decider.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "services/notification/webhook_url.h"
#include "tradewind/app/timestamp.h"
#include "tradewind/seal/sealed_text.h"

namespace tradewind::notification {
namespace {

using internal::v1::Recipient;
using seal::IsSealedFor;

Outcome NoSuchEndpoint(const std::string& id) { return Reject(errors::NotFound("webhook_endpoint", id)); }

Outcome NotSealed() {
  return Reject({.code = absl::StatusCode::kInvalidArgument,
                 .reason = "NOT_SEALED",
                 .message = "no secret arrived that is sealed with the user's key; call CreateWebhookEndpoint through "
                            "the gateway, which makes one"});
}

// A gateway of an earlier version seals it with a key of the endpoint's own.
bool ArrivedSealed(const v1::CreateWebhookEndpointRequest& command) {
  return IsSealedFor(command.user_id(), command.secret()) || IsSealedFor(command.id(), command.secret());
}

std::string SecretOf(const std::string& sealed) { return fmt::format("whsec_{}", sealed); }

void ReplyWithSecret(const internal::v1::WebhookEndpointRecord& record, Context& context) {
  v1::WebhookEndpoint answer = record.endpoint();
  answer.set_secret(record.secret());
  context.Reply(answer);
}

}  // namespace

Outcome WebhookEndpointDecider::Decide(const v1::CreateWebhookEndpointRequest& command, Loaded<State> record,
                                       Context& context) const {
  if (!ArrivedSealed(command)) return NotSealed();
  if (record.exists()) {
    return Reject(
        {.code = absl::StatusCode::kAlreadyExists,
         .reason = "WEBHOOK_ENDPOINT_EXISTS",
         .message = fmt::format("there is a webhook endpoint '{}' already; leave id empty for a new one", command.id()),
         .metadata = {{"id", command.id()}}});
  }
  if (std::string problem = ProblemWithWebhookUrl(command.url(), *settings_); !problem.empty()) {
    return Reject(errors::InvalidFields({{"url", std::move(problem)}}));
  }
  const auto recipient = context.Load<Recipient>(command.user_id());
  if (recipient->erased()) return Reject(errors::NotFound("user", command.user_id()));
  if (recipient->endpoint_ids_size() >= kMostEndpoints) {
    return Reject({.code = absl::StatusCode::kResourceExhausted,
                   .reason = "TOO_MANY_ENDPOINTS",
                   .message = fmt::format("user '{}' has {} webhook endpoints, more are not kept; delete one first",
                                          command.user_id(), kMostEndpoints),
                   .metadata = {{"user_id", command.user_id()}}});
  }
  recipient->add_endpoint_ids(command.id());
  v1::WebhookEndpoint& endpoint = *record->mutable_endpoint();
  endpoint.set_id(command.id());
  endpoint.set_user_id(command.user_id());
  endpoint.set_url(command.url());
  endpoint.set_state(v1::WEBHOOK_ENDPOINT_STATE_ACTIVE);
  *endpoint.mutable_create_time() = Now(context);
  *endpoint.mutable_update_time() = endpoint.create_time();
  record->set_secret(SecretOf(command.secret()));
  ReplyWithSecret(*record, context);
  return Ack();
}

Outcome WebhookEndpointDecider::Decide(const v1::DeleteWebhookEndpointRequest& command, Loaded<State> record,
                                       Context& context) const {
  if (!record.exists()) return NoSuchEndpoint(command.id());
  const auto recipient = context.Load<Recipient>(record->endpoint().user_id());
  auto& ids = *recipient->mutable_endpoint_ids();
  ids.erase(std::remove(ids.begin(), ids.end(), command.id()), ids.end());
  context.Reply(record->endpoint());
  record.Remove();
  return Ack();
}

absl::StatusOr<std::string> WebhookEndpointDecider::MakeSecret(const std::string& endpoint_id,
                                                               const std::string& user_id,
                                                               const Context& context) const {
  const auto secret = keys_->DeriveSecret({"webhook secret", endpoint_id, context.event_id()});
  if (!secret.ok()) return secret.status();
  auto sealed = keys_->Seal(user_id, *secret);
  if (!absl::IsNotFound(sealed.status())) return sealed;
  return keys_->Seal(endpoint_id, *secret);
}

Outcome WebhookEndpointDecider::Decide(const v1::RotateWebhookSecretRequest& command, Loaded<State> record,
                                       Context& context) const {
  if (!record.exists()) return NoSuchEndpoint(command.id());
  v1::WebhookEndpoint& endpoint = *record->mutable_endpoint();
  const auto secret = MakeSecret(command.id(), endpoint.user_id(), context);
  if (!secret.ok()) return Reject(errors::NotFound("user", endpoint.user_id()));
  record->set_previous_secret(record->secret());
  record->set_secret(SecretOf(*secret));
  *endpoint.mutable_previous_secret_expire_time() = ToTimestamp(context.now() + settings_->webhook_secret_overlap);
  *endpoint.mutable_update_time() = Now(context);
  ReplyWithSecret(*record, context);
  return Ack();
}

}  // namespace tradewind::notification
