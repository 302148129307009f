// Where a user's webhooks go, and the secrets they are signed with. Commands come under the endpoint's id; the list of
// a user's endpoints is part of the Recipient.
//
// A new secret is drawn at random, so it is not the same when a decision has to be repeated: only the one that is
// committed is ever shown or used. It is in the store and in the answer that the caller gets, which travels over
// mesh.replies.v1 as every answer does.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "services/notification/notification_record.pb.h"
#include "services/notification/notification_settings.h"
#include "services/notification/webhook_signature.h"
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
  explicit WebhookEndpointDecider(std::shared_ptr<const NotificationSettings> settings,
                                  std::function<std::string()> make_secret = NewWebhookSecret)
      : settings_(std::move(settings)), make_secret_(std::move(make_secret)) {}

  // Rejects: WEBHOOK_ENDPOINT_EXISTS, INVALID_FIELD, TOO_MANY_ENDPOINTS.
  Outcome Decide(const v1::CreateWebhookEndpointRequest& command, Loaded<State> record, Context& context) const;
  // Reject: WEBHOOK_ENDPOINT_NOT_FOUND.
  Outcome Decide(const v1::DeleteWebhookEndpointRequest& command, Loaded<State> record, Context& context) const;
  Outcome Decide(const v1::RotateWebhookSecretRequest& command, Loaded<State> record, Context& context) const;

 private:
  std::shared_ptr<const NotificationSettings> settings_;
  std::function<std::string()> make_secret_;
};

}  // namespace tradewind::notification
