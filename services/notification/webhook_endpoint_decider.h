// Where a user's webhooks go, and the secrets they are signed with. Commands come under the endpoint's id; the list of
// a user's endpoints is part of the Recipient.
//
// A secret is sealed with the user's key, so that nobody can read it in a command, in the store or in an answer on its
// way. The gateway makes and seals the first one. A later one is made here: the command does not say whose endpoint it
// is. It follows from the command's own id, so that a command that is handled again gives the same one.
#pragma once

#include <memory>

#include "services/notification/notification_record.pb.h"
#include "services/notification/notification_settings.h"
#include "tradewind/app/app.h"
#include "tradewind/notification/v1/notification.pb.h"
#include "tradewind/seal/keys.h"

namespace tradewind::notification {

inline constexpr int kMostEndpoints = 10;

class WebhookEndpointDecider {
 public:
  using State = internal::v1::WebhookEndpointRecord;
  using Commands =
      Types<v1::CreateWebhookEndpointRequest, v1::DeleteWebhookEndpointRequest, v1::RotateWebhookSecretRequest>;
  using Events = Types<>;

  // The settings may still change until the first command; the keys are started by then.
  WebhookEndpointDecider(std::shared_ptr<const NotificationSettings> settings, std::shared_ptr<const seal::Keys> keys)
      : settings_(std::move(settings)), keys_(std::move(keys)) {}

  // Rejects: NOT_SEALED, WEBHOOK_ENDPOINT_EXISTS, INVALID_FIELD, USER_NOT_FOUND for one who was deleted,
  // TOO_MANY_ENDPOINTS.
  Outcome Decide(const v1::CreateWebhookEndpointRequest& command, Loaded<State> record, Context& context) const;
  // Rejects: WEBHOOK_ENDPOINT_NOT_FOUND.
  Outcome Decide(const v1::DeleteWebhookEndpointRequest& command, Loaded<State> record, Context& context) const;
  // Rejects: WEBHOOK_ENDPOINT_NOT_FOUND, USER_NOT_FOUND for an endpoint of nobody whose data may be sealed.
  Outcome Decide(const v1::RotateWebhookSecretRequest& command, Loaded<State> record, Context& context) const;

 private:
  // A new secret, sealed with the key of the endpoint's user. An endpoint that was made for a user without a key goes
  // on with the key of its own that it was given then. NotFound where neither has one.
  absl::StatusOr<std::string> MakeSecret(const std::string& endpoint_id, const std::string& user_id,
                                         const Context& context) const;

  std::shared_ptr<const NotificationSettings> settings_;
  std::shared_ptr<const seal::Keys> keys_;
};

}  // namespace tradewind::notification
