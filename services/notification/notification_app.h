// The notification service as a whole: everything that it handles and serves, declared on an App. For its executable,
// and for whoever wants to run it in a process of theirs. Starts nothing.
#pragma once

#include <memory>

#include "services/notification/http_poster.h"
#include "services/notification/mail_sender.h"
#include "services/notification/notification_settings.h"
#include "services/notification/store_view.h"
#include "tradewind/app/app.h"

namespace tradewind::notification {

// What it reaches the outside by, for tests to put something else in its place.
struct Outside {
  std::shared_ptr<NotificationSettings> settings;
  std::shared_ptr<StoreView> store;
  std::shared_ptr<MailSender> mail;
  std::shared_ptr<HttpPoster> webhooks;
};

// To be called once, before App::Run.
void Declare(App& app);
// The same with these.
void DeclareWith(App& app, const Outside& outside);

}  // namespace tradewind::notification
