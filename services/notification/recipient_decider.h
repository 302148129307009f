// What a user chooses to be told by. Pure.
#pragma once

#include <string>

#include "services/notification/notification_record.pb.h"
#include "tradewind/app/app.h"
#include "tradewind/notification/v1/notification.pb.h"

namespace tradewind::notification {

struct RecipientDecider {
  using State = internal::v1::Recipient;
  using Commands = Types<v1::UpdatePreferencesRequest>;
  using Events = Types<>;

  // Rejects: USER_NOT_FOUND for one who was deleted. A user may choose before the registration was seen.
  static Outcome Decide(const v1::UpdatePreferencesRequest& command, Loaded<State> recipient, Context& context);
};

// What clients see of it; of one that was never kept, the defaults.
v1::Preferences PreferencesOf(const std::string& user_id, const internal::v1::Recipient& recipient);

}  // namespace tradewind::notification
