// What becomes of a notification once it is there: it is read, and it is delivered or never will be. Pure.
#pragma once

#include "tradewind/app/app.h"
#include "tradewind/notification/v1/events.pb.h"
#include "tradewind/notification/v1/notification.pb.h"

namespace tradewind::notification {

struct NotificationDecider {
  using State = v1::Notification;
  using Commands = Types<v1::MarkNotificationReadRequest, v1::ReportDeliveryRequest>;
  using Events = Types<v1::NotificationRead>;

  // Rejects: NOTIFICATION_NOT_FOUND.
  static Outcome Decide(const v1::MarkNotificationReadRequest& command, Loaded<State> notification, Context& context);
  // The first report counts, repeats change nothing. One that says GONE disables the endpoint too.
  static Outcome Decide(const v1::ReportDeliveryRequest& report, Loaded<State> notification, Context& context);
};

}  // namespace tradewind::notification
