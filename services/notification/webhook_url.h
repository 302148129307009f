// Which URLs a webhook may have. Pure: nothing is resolved here; addresses behind names are checked when they are
// connected to.
#pragma once

#include <string>

#include "services/notification/notification_settings.h"

namespace tradewind::notification {

// What is wrong with it, for the caller; empty where it may be called.
std::string ProblemWithWebhookUrl(const std::string& url, const NotificationSettings& settings);

}  // namespace tradewind::notification
