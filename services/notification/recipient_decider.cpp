#include "services/notification/recipient_decider.h"

#include "tradewind/app/timestamp.h"

namespace tradewind::notification {

Outcome RecipientDecider::Decide(const v1::UpdatePreferencesRequest& command, Loaded<State> recipient,
                                 Context& context) {
  if (recipient->erased()) return Reject(errors::NotFound("user", command.user_id()));
  if (command.has_email()) recipient->set_email_off(!command.email());
  if (command.has_webhook()) recipient->set_webhook_off(!command.webhook());
  if (recipient->email_off()) recipient->clear_waiting();
  *recipient->mutable_preferences_update_time() = Now(context);
  context.Reply(PreferencesOf(command.user_id(), *recipient));
  return Ack();
}

v1::Preferences PreferencesOf(const std::string& user_id, const internal::v1::Recipient& recipient) {
  v1::Preferences preferences;
  preferences.set_user_id(user_id);
  preferences.set_email(!recipient.email_off());
  preferences.set_webhook(!recipient.webhook_off());
  if (recipient.has_preferences_update_time()) {
    *preferences.mutable_update_time() = recipient.preferences_update_time();
  }
  return preferences;
}

}  // namespace tradewind::notification
