// Where a user's webhooks go, and the secrets they are signed with. Commands come under the endpoint's id; the list of
// a user's endpoints is part of the Recipient.
//
// The gateway makes a secret and seals it with a key of the endpoint's own: nobody can read it in a command, in the
// store or in an answer on its way.
#pragma once

#include <memory>

#include "services/notification/notification_record.pb.h"
#include "services/notification/notification_settings.h"
#include "tradewind/app/app.h"
#include "tradewind/notification/v1/notification.pb.h"

namespace tradewind::notification {

inline constexpr int kMostEndpoints = 10;

class WebhookEndpointDecider {
 public:
  using State = internal::v1::WebhookEndpointRecord;
  using Commands =
      Types<v1::CreateWebhookEndpointRequest, v1::DeleteWebhookEndpointRequest, v1::RotateWebhookSecretRequest>;
  using Events = Types<>;

  // The settings may still change until the first command.
  explicit WebhookEndpointDecider(std::shared_ptr<const NotificationSettings> settings)
      : settings_(std::move(settings)) {}

  // Rejects: NOT_SEALED, WEBHOOK_ENDPOINT_EXISTS, INVALID_FIELD, USER_NOT_FOUND for one who was deleted,
  // TOO_MANY_ENDPOINTS.
  Outcome Decide(const v1::CreateWebhookEndpointRequest& command, Loaded<State> record, Context& context) const;
  // Rejects: WEBHOOK_ENDPOINT_NOT_FOUND.
  Outcome Decide(const v1::DeleteWebhookEndpointRequest& command, Loaded<State> record, Context& context) const;
  // Rejects: NOT_SEALED, WEBHOOK_ENDPOINT_NOT_FOUND.
  Outcome Decide(const v1::RotateWebhookSecretRequest& command, Loaded<State> record, Context& context) const;

 private:
  std::shared_ptr<const NotificationSettings> settings_;
};

}  // namespace tradewind::notification
