#include "services/payment/payment_effect.h"

#include <fmt/format.h>

#include <string>

#include "tradewind/seal/sealed_text.h"

namespace tradewind::payment {

namespace {

// The means of payment in the clear: of whoever ordered, and of nobody else.
absl::StatusOr<std::string> OpenToken(const seal::Keys& keys, const v1::OperationRequested& requested) {
  if (requested.user_id().empty()) return keys.Open(requested.payment_token());
  auto token = keys.OpenOf(requested.user_id(), requested.payment_token());
  if (token.ok() && seal::HasSealed(*token)) {
    return absl::PermissionDeniedError("the payment token is sealed for another user than the one who ordered");
  }
  return token;
}

}  // namespace

Outcome PaymentEffect::operator()(const v1::OperationRequested& requested, EffectContext& context) const {
  auto token = OpenToken(*keys_, requested);
  if (absl::IsPermissionDenied(token.status())) return Dead(std::string(token.status().message()));
  if (!token.ok()) return Retry({}, std::string(token.status().message()));
  const ProviderCall call{.operation = requested.operation(),
                          .order_id = requested.order_id(),
                          .idempotency_key = requested.operation_id(),
                          .amount = requested.amount(),
                          .payment_token = *std::move(token),
                          .reference = requested.provider_reference(),
                          .attempt = context.attempt()};
  const auto answer = provider_->Carry(call, context.deadline());
  if (!answer.ok()) return Retry({}, std::string(answer.status().message()));

  v1::ReportOperationRequest report;
  report.set_order_id(requested.order_id());
  report.set_operation_id(requested.operation_id());
  report.set_provider_reference(answer->reference);
  report.set_reason(answer->reason);
  switch (answer->kind) {
    case ProviderAnswer::Kind::kUndecided:
      return Retry(answer->ask_again, "the provider has not decided yet");
    case ProviderAnswer::Kind::kDone:
      report.set_result(v1::ReportOperationRequest::RESULT_DONE);
      break;
    case ProviderAnswer::Kind::kDeclined:
      if (requested.operation() != v1::PAYMENT_OPERATION_AUTHORIZE) {
        return Dead(fmt::format("the provider declined {} ({}); settle it with the provider, then retry",
                                v1::PaymentOperation_Name(requested.operation()), answer->reason));
      }
      report.set_result(v1::ReportOperationRequest::RESULT_DECLINED);
      break;
  }
  for (int32_t i = 0; i < answer->times; ++i) context.Emit(report);
  return Ack();
}

}  // namespace tradewind::payment
