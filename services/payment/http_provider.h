// A payment provider behind HTTP (provider_protocol.h). One call is one POST; the provider acts once on all that carry
// the same Idempotency-Key.
#pragma once

#include <memory>

#include "services/payment/payment_provider.h"
#include "services/payment/payment_settings.h"

namespace tradewind::payment {

// Thread-safe.
class HttpProvider final : public PaymentProvider {
 public:
  // The settings may still change until the first call.
  explicit HttpProvider(std::shared_ptr<const HttpProviderSettings> settings) : settings_(std::move(settings)) {}

  // Blocks for payment.http_timeout at most. Reads 16 KiB of an answer. Errors as ReadAnswer gives them, and
  // Unavailable where there is no answer.
  absl::StatusOr<ProviderAnswer> Carry(const ProviderCall& call, absl::Time deadline) override;

 private:
  const std::shared_ptr<const HttpProviderSettings> settings_;
};

}  // namespace tradewind::payment
