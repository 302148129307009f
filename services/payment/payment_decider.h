// What becomes of an order's money: the pure answer to each step of the order, to refunds asked for by hand, and to
// each word of the provider. It never talks to a provider itself: it asks for an operation by OperationRequested, which
// payment_effect carries out, and hears of the outcome by ReportOperationRequest, once or more often, now or much
// later.
#pragma once

#include <vector>

#include "services/payment/payment_record.pb.h"
#include "tradewind/app/app.h"
#include "tradewind/order/v1/events.pb.h"
#include "tradewind/payment/v1/events.pb.h"
#include "tradewind/payment/v1/payment.pb.h"

namespace tradewind::payment {

struct PaymentDecider {
  using State = internal::v1::PaymentRecord;
  using Commands = Types<v1::RefundPaymentRequest, v1::ReportOperationRequest>;
  using Reactions =
      Types<order::v1::OrderReserved, order::v1::OrderShipped, order::v1::OrderCancelled, order::v1::OrderRejected>;
  using Events = Types<v1::OperationRequested, v1::PaymentAuthorized, v1::PaymentDeclined, v1::PaymentCaptured,
                       v1::PaymentVoided, v1::PaymentRefunded>;

  // Rejects: PAYMENT_NOT_FOUND, INVALID_FIELD, NOTHING_TO_REFUND.
  static Outcome Decide(const v1::RefundPaymentRequest& command, Loaded<State> record, Context& context);
  // The first answer to an operation counts; repeats, and what was never asked for, change nothing. Rejects, which only
  // callbacks hear of: PAYMENT_NOT_FOUND, INVALID_FIELD, OPERATION_DECLINED.
  static Outcome Decide(const v1::ReportOperationRequest& report, Loaded<State> record, Context& context);

  // Authorize. What costs nothing has no payment.
  static Outcome Decide(const order::v1::OrderReserved& event, Loaded<State> record, Context& context);
  // Capture.
  static Outcome Decide(const order::v1::OrderShipped& event, Loaded<State> record, Context& context);
  // Let go of what is held, give back what was captured; what is still being asked for, once it is known.
  static Outcome Decide(const order::v1::OrderCancelled& event, Loaded<State> record, Context& context);
  static Outcome Decide(const order::v1::OrderRejected& event, Loaded<State> record, Context& context);
};

}  // namespace tradewind::payment
