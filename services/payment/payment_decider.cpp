#include "services/payment/payment_decider.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>

#include "tradewind/app/timestamp.h"
#include "tradewind/money/money.h"

namespace tradewind::payment {
namespace {

using google::type::Money;
using internal::v1::PaymentRecord;

// An event about the payment, with what all of them carry.
template <typename Event>
Event About(const v1::Payment& payment, const Money& amount) {
  Event event;
  event.set_order_id(payment.id());
  event.set_user_id(payment.user_id());
  *event.mutable_amount() = amount;
  return event;
}

// Of every decision that changes the record, at its end.
void Changed(PaymentRecord& record, const Context& context) {
  v1::Payment& payment = *record.mutable_payment();
  payment.set_pending(record.pending().empty() ? v1::PAYMENT_OPERATION_UNSPECIFIED : record.pending(0).operation());
  payment.set_revision(payment.revision() + 1);
  *payment.mutable_update_time() = Now(context);
}

// Asks the provider. `name` tells the operation from all others of this payment.
void Ask(PaymentRecord& record, v1::PaymentOperation operation, const std::string& name, const Money& amount,
         const std::string& payment_token, Context& context) {
  auto& pending = *record.add_pending();
  pending.set_id(fmt::format("{}/{}", record.payment().id(), name));
  pending.set_operation(operation);
  *pending.mutable_amount() = amount;

  v1::OperationRequested requested;
  requested.set_order_id(record.payment().id());
  requested.set_user_id(record.payment().user_id());
  requested.set_operation_id(pending.id());
  requested.set_operation(operation);
  *requested.mutable_amount() = amount;
  requested.set_payment_token(payment_token);
  requested.set_provider_reference(record.payment().provider_reference());
  context.Emit(requested);
}

// Captured, and neither given back nor being given back.
Money Refundable(const PaymentRecord& record) {
  Money rest = *money::Subtract(record.payment().captured(), record.payment().refunded());
  for (const auto& pending : record.pending()) {
    if (pending.operation() == v1::PAYMENT_OPERATION_REFUND) rest = *money::Subtract(rest, pending.amount());
  }
  return rest;
}

void AskForRefund(PaymentRecord& record, const Money& amount, Context& context) {
  record.set_refunds(record.refunds() + 1);
  Ask(record, v1::PAYMENT_OPERATION_REFUND, fmt::format("refund/{}", record.refunds()), amount, "", context);
}

// Lets go of whatever is held or captured now. What the provider has not answered yet is let go by a later call.
void LetGo(PaymentRecord& record, Context& context) {
  switch (record.payment().state()) {
    case v1::PAYMENT_STATE_AUTHORIZED:
      if (record.pending().empty()) {
        Ask(record, v1::PAYMENT_OPERATION_VOID, "void", record.payment().amount(), "", context);
      }
      return;
    case v1::PAYMENT_STATE_CAPTURED:
      if (const Money rest = Refundable(record); !money::IsZero(rest)) AskForRefund(record, rest, context);
      return;
    default:
      return;
  }
}

Outcome Release(PaymentRecord& record, bool exists, Context& context) {
  if (!exists || record.released()) return Ack();
  record.set_released(true);
  LetGo(record, context);
  Changed(record, context);
  return Ack();
}

void Authorized(PaymentRecord& record, const v1::ReportOperationRequest& report, Context& context) {
  v1::Payment& payment = *record.mutable_payment();
  payment.set_state(v1::PAYMENT_STATE_AUTHORIZED);
  payment.set_provider_reference(report.provider_reference());
  auto event = About<v1::PaymentAuthorized>(payment, payment.amount());
  *event.mutable_authorize_time() = Now(context);
  context.Emit(event);
}

void Declined(PaymentRecord& record, const v1::ReportOperationRequest& report, Context& context) {
  v1::Payment& payment = *record.mutable_payment();
  payment.set_state(v1::PAYMENT_STATE_DECLINED);
  payment.set_decline_reason(report.reason());
  auto event = About<v1::PaymentDeclined>(payment, payment.amount());
  event.set_reason(report.reason());
  *event.mutable_decline_time() = Now(context);
  context.Emit(event);
}

void Captured(PaymentRecord& record, Context& context) {
  v1::Payment& payment = *record.mutable_payment();
  payment.set_state(v1::PAYMENT_STATE_CAPTURED);
  *payment.mutable_captured() = payment.amount();
  auto event = About<v1::PaymentCaptured>(payment, payment.amount());
  *event.mutable_capture_time() = Now(context);
  context.Emit(event);
}

void Voided(PaymentRecord& record, Context& context) {
  v1::Payment& payment = *record.mutable_payment();
  payment.set_state(v1::PAYMENT_STATE_VOIDED);
  auto event = About<v1::PaymentVoided>(payment, payment.amount());
  *event.mutable_void_time() = Now(context);
  context.Emit(event);
}

void Refunded(PaymentRecord& record, const Money& amount, Context& context) {
  v1::Payment& payment = *record.mutable_payment();
  *payment.mutable_refunded() = *money::Add(payment.refunded(), amount);
  if (money::Equal(payment.refunded(), payment.captured())) payment.set_state(v1::PAYMENT_STATE_REFUNDED);
  auto event = About<v1::PaymentRefunded>(payment, amount);
  *event.mutable_refunded() = payment.refunded();
  *event.mutable_refund_time() = Now(context);
  context.Emit(event);
}

// The effect that asked for it will hear the same and leave it to a person; until then nothing has changed.
errors::Problem OperationDeclined(const internal::v1::Operation& operation, const v1::ReportOperationRequest& report) {
  return {.code = absl::StatusCode::kFailedPrecondition,
          .reason = "OPERATION_DECLINED",
          .message = fmt::format("the provider declined {} ({}); settle it with the provider",
                                 v1::PaymentOperation_Name(operation.operation()), report.reason()),
          .metadata = {{"id", report.order_id()}, {"operation_id", report.operation_id()}}};
}

}  // namespace

Outcome PaymentDecider::Decide(const order::v1::OrderReserved& event, Loaded<State> record, Context& context) {
  if (record.exists() || money::IsZero(event.total())) return Ack();
  v1::Payment& payment = *record->mutable_payment();
  payment.set_id(event.order_id());
  payment.set_user_id(event.user_id());
  payment.set_state(v1::PAYMENT_STATE_AUTHORIZING);
  *payment.mutable_amount() = event.total();
  *payment.mutable_captured() = money::Zero(event.total().currency_code());
  *payment.mutable_refunded() = payment.captured();
  *payment.mutable_create_time() = Now(context);
  Ask(*record, v1::PAYMENT_OPERATION_AUTHORIZE, "authorize", payment.amount(), event.payment_token(), context);
  Changed(*record, context);
  return Ack();
}

Outcome PaymentDecider::Decide(const order::v1::OrderShipped& /*event*/, Loaded<State> record, Context& context) {
  if (!record.exists() || record->payment().state() != v1::PAYMENT_STATE_AUTHORIZED || !record->pending().empty()) {
    return Ack();
  }
  Ask(*record, v1::PAYMENT_OPERATION_CAPTURE, "capture", record->payment().amount(), "", context);
  Changed(*record, context);
  return Ack();
}

Outcome PaymentDecider::Decide(const order::v1::OrderCancelled& /*event*/, Loaded<State> record, Context& context) {
  return Release(*record, record.exists(), context);
}

Outcome PaymentDecider::Decide(const order::v1::OrderRejected& /*event*/, Loaded<State> record, Context& context) {
  return Release(*record, record.exists(), context);
}

Outcome PaymentDecider::Decide(const v1::ReportOperationRequest& report, Loaded<State> record, Context& context) {
  if (!record.exists()) return Reject(errors::NotFound("payment", report.order_id()));
  auto& pending = *record->mutable_pending();
  const auto found = std::find_if(pending.begin(), pending.end(), [&](const internal::v1::Operation& operation) {
    return operation.id() == report.operation_id();
  });
  if (found == pending.end()) return Ack();
  const internal::v1::Operation operation = *found;
  const bool done = report.result() == v1::ReportOperationRequest::RESULT_DONE;
  const bool authorizes = operation.operation() == v1::PAYMENT_OPERATION_AUTHORIZE;
  if (!done && !authorizes) return Reject(OperationDeclined(operation, report));
  if (done && authorizes && report.provider_reference().empty()) {
    return Reject(errors::InvalidFields({{"provider_reference", "must name what was authorized"}}));
  }
  pending.erase(found);
  switch (operation.operation()) {
    case v1::PAYMENT_OPERATION_AUTHORIZE:
      done ? Authorized(*record, report, context) : Declined(*record, report, context);
      break;
    case v1::PAYMENT_OPERATION_CAPTURE:
      Captured(*record, context);
      break;
    case v1::PAYMENT_OPERATION_VOID:
      Voided(*record, context);
      break;
    case v1::PAYMENT_OPERATION_REFUND:
      Refunded(*record, operation.amount(), context);
      break;
    default:
      return Dead("the operation is of no kind that is known");
  }
  if (record->released()) LetGo(*record, context);
  Changed(*record, context);
  return Ack();
}

Outcome PaymentDecider::Decide(const v1::RefundPaymentRequest& command, Loaded<State> record, Context& context) {
  if (!record.exists()) return Reject(errors::NotFound("payment", command.id()));
  const v1::Payment& payment = record->payment();
  if (command.has_amount()) {
    std::string problem;
    if (const absl::Status checked = money::CheckAmount(command.amount()); !checked.ok()) {
      problem = std::string(checked.message());
    } else if (command.amount().currency_code() != payment.amount().currency_code()) {
      problem = fmt::format("must be in {}, the currency of the payment", payment.amount().currency_code());
    } else if (money::IsZero(command.amount())) {
      problem = "must be more than nothing; leave it out to refund all there is";
    }
    if (!problem.empty()) return Reject(errors::InvalidFields({{"amount", std::move(problem)}}));
  }
  const Money rest = Refundable(*record);
  if (money::IsZero(rest) || (command.has_amount() && !money::Subtract(rest, command.amount()).ok())) {
    return Reject(
        {.code = absl::StatusCode::kFailedPrecondition,
         .reason = "NOTHING_TO_REFUND",
         .message = fmt::format("of payment '{}' {} can be refunded: what was captured and not given back yet",
                                command.id(), money::Format(rest)),
         .metadata = {{"id", command.id()}, {"refundable", money::Format(rest)}}});
  }
  AskForRefund(*record, command.has_amount() ? command.amount() : rest, context);
  Changed(*record, context);
  context.Reply(record->payment());
  return Ack();
}

}  // namespace tradewind::payment
