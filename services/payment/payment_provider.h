// Who moves the money: one interface, behind which lie the providers. Used by payment_effect alone.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "google/type/money.pb.h"

#include "tradewind/payment/v1/payment.pb.h"

namespace tradewind::payment {

struct ProviderCall {
  v1::PaymentOperation operation = v1::PAYMENT_OPERATION_UNSPECIFIED;
  std::string order_id;
  // The same in every attempt at the same operation: the provider acts once on it.
  std::string idempotency_key;
  google::type::Money amount;
  // For AUTHORIZE; the others name the provider's reference.
  std::string payment_token;
  std::string reference;
  // 1 for the first.
  int32_t attempt = 1;
};

struct ProviderAnswer {
  enum class Kind {
    kDone,
    kDeclined,
    // The provider has not decided: to be asked again, with the same key, not before `ask_again`.
    kUndecided,
  };
  Kind kind = Kind::kDone;
  // Of kDone, for AUTHORIZE.
  std::string reference;
  // For people.
  std::string reason;
  absl::Duration ask_again;
  // How often the provider says it. More than once is no error: callbacks do come twice.
  int32_t times = 1;
};

// Thread-safe.
class PaymentProvider {
 public:
  virtual ~PaymentProvider() = default;
  // Blocks, at most until `deadline`. An error means that nothing is known of the outcome: the call is to be repeated.
  virtual absl::StatusOr<ProviderAnswer> Carry(const ProviderCall& call, absl::Time deadline) = 0;
};

}  // namespace tradewind::payment
