// Sends what a MailRequested asks for and reports what came of it. An effect: at least once, in order for each user,
// with the same Message-ID in every attempt.
#pragma once

#include <memory>

#include "services/notification/mail_sender.h"
#include "services/notification/notification_settings.h"
#include "services/notification/store_view.h"
#include "tradewind/app/app.h"
#include "tradewind/notification/v1/events.pb.h"
#include "tradewind/seal/keys.h"

namespace tradewind::notification {

// For App::OnEffect. Thread-safe.
class MailEffect {
 public:
  MailEffect(std::shared_ptr<const NotificationSettings> settings, std::shared_ptr<const StoreView> store,
             std::shared_ptr<const seal::Keys> keys, std::shared_ptr<MailSender> sender)
      : settings_(std::move(settings)), store_(std::move(store)), keys_(std::move(keys)), sender_(std::move(sender)) {}

  // Emits ReportDeliveryRequest: delivered, or refused where the mail will never be taken or whoever it was for was
  // erased, which does not hold back the user's later mails. All that may pass is a Retry. Does nothing where what came
  // of it is known already. Neither report nor outcome names address or user, whatever the mail server says.
  Outcome operator()(const v1::MailRequested& requested, EffectContext& context) const;

 private:
  std::shared_ptr<const NotificationSettings> settings_;
  std::shared_ptr<const StoreView> store_;
  std::shared_ptr<const seal::Keys> keys_;
  std::shared_ptr<MailSender> sender_;
};

}  // namespace tradewind::notification
