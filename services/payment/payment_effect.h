// Carries out what the decider asked for: calls the provider and reports what it said. An effect: at least once, in
// order for each payment, with the same key in every attempt.
#pragma once

#include <memory>

#include "services/payment/payment_provider.h"
#include "tradewind/app/app.h"
#include "tradewind/payment/v1/events.pb.h"
#include "tradewind/seal/keys.h"

namespace tradewind::payment {

// For App::OnEffect. Thread-safe.
class PaymentEffect {
 public:
  PaymentEffect(std::shared_ptr<PaymentProvider> provider, std::shared_ptr<const seal::Keys> keys)
      : provider_(std::move(provider)), keys_(std::move(keys)) {}

  // Emits ReportOperationRequest. An error of the provider is a Retry. That it declines to capture, to void or to
  // refund is Dead: only a person can settle that with the provider, then retry or skip it.
  Outcome operator()(const v1::OperationRequested& requested, EffectContext& context) const;

 private:
  std::shared_ptr<PaymentProvider> provider_;
  // Open the payment token, which is sealed until here.
  std::shared_ptr<const seal::Keys> keys_;
};

}  // namespace tradewind::payment
