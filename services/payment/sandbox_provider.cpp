#include "services/payment/sandbox_provider.h"

#include <fmt/format.h>

#include "absl/strings/match.h"

namespace tradewind::payment {
namespace {

constexpr std::string_view kTokenPrefix = "tok_";
constexpr char kApprove[] = "tok_approve";
constexpr char kDelay[] = "tok_delay";
constexpr char kError[] = "tok_error";
constexpr char kUnreachable[] = "tok_unreachable";
constexpr char kDuplicate[] = "tok_duplicate";

// Which attempt at an authorization with kError is the first to succeed; at a later operation it is the second.
constexpr int32_t kErrorEnds = 3;

absl::Status Unreachable() { return absl::UnavailableError("the sandbox was told by the token not to answer"); }

// What a token stands for: "error" for tok_error. A reference is kept in the clear, and a token is not.
std::string_view BehaviourOf(std::string_view token) { return token.substr(kTokenPrefix.size()); }

// Ends in what the token stands for, so that later operations behave after it.
std::string ReferenceOf(const ProviderCall& call) {
  return fmt::format("sandbox/{}/{}", call.order_id, BehaviourOf(call.payment_token));
}

bool IsOf(const std::string& reference, std::string_view token) {
  return absl::EndsWith(reference, fmt::format("/{}", BehaviourOf(token)));
}

}  // namespace

absl::StatusOr<ProviderAnswer> SandboxProvider::Carry(const ProviderCall& call, absl::Time /*deadline*/) {
  if (call.operation == v1::PAYMENT_OPERATION_AUTHORIZE) return Authorize(call);
  if (IsOf(call.reference, kError) && call.attempt == 1) return Unreachable();
  return ProviderAnswer{.times = IsOf(call.reference, kDuplicate) ? 2 : 1};
}

absl::StatusOr<ProviderAnswer> SandboxProvider::Authorize(const ProviderCall& call) const {
  const std::string& token = call.payment_token;
  if (token == kUnreachable || (token == kError && call.attempt < kErrorEnds)) return Unreachable();
  if (token == kDelay && call.attempt == 1) {
    return ProviderAnswer{.kind = ProviderAnswer::Kind::kUndecided, .ask_again = settings_->delay};
  }
  if (token == kApprove || token == kDelay || token == kError || token == kDuplicate) {
    return ProviderAnswer{.reference = ReferenceOf(call), .times = token == kDuplicate ? 2 : 1};
  }
  return ProviderAnswer{.kind = ProviderAnswer::Kind::kDeclined, .reason = "declined by the sandbox"};
}

}  // namespace tradewind::payment
