#include "services/payment/provider_protocol.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "tradewind/errors/printable.h"
#include "tradewind/seal/sealed_text.h"

namespace tradewind::payment {
namespace {

using Kind = ProviderAnswer::Kind;
using nlohmann::json;

// Statuses below 500 by which a server says "not now".
constexpr std::array kNotNow = {408, 409, 425, 429};

const char* NameOf(v1::PaymentOperation operation) {
  switch (operation) {
    case v1::PAYMENT_OPERATION_AUTHORIZE:
      return "authorize";
    case v1::PAYMENT_OPERATION_CAPTURE:
      return "capture";
    case v1::PAYMENT_OPERATION_VOID:
      return "void";
    case v1::PAYMENT_OPERATION_REFUND:
      return "refund";
    default:
      return "";
  }
}

absl::StatusOr<json> ParseObject(const std::string& body) {
  json parsed = json::parse(body, nullptr, /*allow_exceptions=*/false);
  if (!parsed.is_object()) return absl::InvalidArgumentError("the body is not a JSON object");
  return parsed;
}

// Empty where it is missing or null.
absl::StatusOr<std::string> Text(const json& object, const char* name, size_t most_bytes) {
  const auto field = object.find(name);
  if (field == object.end() || field->is_null()) return "";
  if (!field->is_string()) return absl::InvalidArgumentError(fmt::format("'{}' is not a string", name));
  const std::string& text = field->get_ref<const std::string&>();
  if (text.size() > most_bytes) {
    return absl::InvalidArgumentError(fmt::format("'{}' is longer than {} bytes", name, most_bytes));
  }
  // Whoever is shown it would be shown what was sealed for somebody else.
  if (seal::HasSealed(text)) return absl::InvalidArgumentError(fmt::format("'{}' holds sealed text", name));
  return text;
}

// What answers and callbacks have in common.
absl::StatusOr<ProviderAnswer> ReadResult(const json& object) {
  ProviderAnswer answer;
  const auto result = Text(object, "result", kMostReasonBytes);
  if (!result.ok()) return result.status();
  if (*result != "done" && *result != "declined") {
    return absl::InvalidArgumentError(R"('result' is neither "done" nor "declined")");
  }
  answer.kind = *result == "done" ? Kind::kDone : Kind::kDeclined;
  auto reference = Text(object, "reference", kMostReferenceBytes);
  if (!reference.ok()) return reference.status();
  answer.reference = *std::move(reference);
  auto reason = Text(object, "reason", kMostReasonBytes);
  if (!reason.ok()) return reason.status();
  answer.reason = *std::move(reason);
  if (answer.kind == Kind::kDeclined && answer.reason.empty()) answer.reason = "the provider gave no reason";
  return answer;
}

absl::StatusOr<ProviderAnswer> ReadDecision(const ProviderCall& call, const std::string& body) {
  const auto object = ParseObject(body);
  if (!object.ok()) return object.status();
  auto answer = ReadResult(*object);
  if (!answer.ok()) return answer;
  const bool needs_reference = call.operation == v1::PAYMENT_OPERATION_AUTHORIZE && answer->kind == Kind::kDone;
  if (needs_reference && answer->reference.empty()) {
    return absl::InvalidArgumentError("'reference' is missing: what the provider calls the authorization");
  }
  return answer;
}

// What the provider says is wrong, where it says so as it gives other reasons. No more of the body goes into logs: it
// may repeat what it was sent.
std::string Complaint(const std::string& body) {
  const auto object = ParseObject(body);
  const auto reason = object.ok() ? Text(*object, "reason", kMostReasonBytes) : object.status();
  return reason.ok() && !reason->empty() ? fmt::format(": {}", errors::Printable(*reason)) : "";
}

}  // namespace

std::string OperationBody(const ProviderCall& call) {
  json body = {{"operation", NameOf(call.operation)},
               {"order_id", call.order_id},
               {"operation_id", call.idempotency_key},
               {"amount",
                {{"currency_code", call.amount.currency_code()},
                 {"units", call.amount.units()},
                 {"nanos", call.amount.nanos()}}}};
  const bool authorizes = call.operation == v1::PAYMENT_OPERATION_AUTHORIZE;
  body[authorizes ? "payment_token" : "reference"] = authorizes ? call.payment_token : call.reference;
  return body.dump();
}

absl::StatusOr<ProviderAnswer> ReadAnswer(const ProviderCall& call, int status, const std::string& body,
                                          absl::Duration ask_again) {
  if (status == 202) return ProviderAnswer{.kind = Kind::kUndecided, .ask_again = ask_again};
  if (status == 200) {
    auto answer = ReadDecision(call, body);
    if (answer.ok()) return answer;
    return absl::InternalError(
        fmt::format("the provider answered 200, but not by the protocol: {}", std::string(answer.status().message())));
  }
  const bool not_now = std::find(kNotNow.begin(), kNotNow.end(), status) != kNotNow.end();
  if (status >= 400 && status < 500 && !not_now) {
    return absl::FailedPreconditionError(
        fmt::format("the provider does not take the request ({}){}; look at payment.http_url, payment.http_key and the "
                    "provider's side",
                    status, Complaint(body)));
  }
  return absl::UnavailableError(fmt::format("the provider answered {}{}", status, Complaint(body)));
}

absl::StatusOr<v1::ReportOperationRequest> ReadCallback(const std::string& body) {
  const auto object = ParseObject(body);
  if (!object.ok()) return object.status();
  v1::ReportOperationRequest report;
  const auto order_id = Text(*object, "order_id", kMostReferenceBytes);
  if (!order_id.ok()) return order_id.status();
  const auto operation_id = Text(*object, "operation_id", kMostReferenceBytes);
  if (!operation_id.ok()) return operation_id.status();
  if (order_id->empty() || operation_id->empty()) {
    return absl::InvalidArgumentError("'order_id' and 'operation_id' must say what the callback is about");
  }
  const auto answer = ReadResult(*object);
  if (!answer.ok()) return answer.status();
  report.set_order_id(*order_id);
  report.set_operation_id(*operation_id);
  report.set_result(answer->kind == Kind::kDone ? v1::ReportOperationRequest::RESULT_DONE
                                                : v1::ReportOperationRequest::RESULT_DECLINED);
  report.set_provider_reference(answer->reference);
  report.set_reason(answer->reason);
  return report;
}

}  // namespace tradewind::payment
