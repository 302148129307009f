// A payment provider that moves no money: what it answers follows from the payment token, so that every way a payment
// can go can be tried out. Stateless, hence the same after a restart.
//
//   tok_approve     approved
//   tok_decline     declined: "declined by the sandbox"; so is any token that is not in this list
//   tok_delay       undecided when asked first, then approved
//   tok_error       two errors, then approved; later operations on the payment fail once too
//   tok_unreachable never answers: errors for ever
//   tok_duplicate   approved, and every answer comes twice
#pragma once

#include <memory>

#include "absl/time/time.h"

#include "services/payment/payment_provider.h"

namespace tradewind::payment {

struct SandboxSettings {
  // Of tok_delay.
  absl::Duration delay = absl::Seconds(2);
};

class SandboxProvider final : public PaymentProvider {
 public:
  // The settings may still change until the first call.
  explicit SandboxProvider(std::shared_ptr<const SandboxSettings> settings) : settings_(std::move(settings)) {}

  // Does not block.
  absl::StatusOr<ProviderAnswer> Carry(const ProviderCall& call, absl::Time deadline) override;

 private:
  absl::StatusOr<ProviderAnswer> Authorize(const ProviderCall& call) const;

  const std::shared_ptr<const SandboxSettings> settings_;
};

}  // namespace tradewind::payment
