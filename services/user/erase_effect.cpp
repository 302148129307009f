#include "services/user/erase_effect.h"

#include <string>

#include "absl/time/clock.h"

#include "tradewind/clock/steady_now.h"
#include "tradewind/seal/keys.h"

namespace tradewind::user {

Outcome EraseEffect::operator()(const v1::UserDeleted& deleted, EffectContext& context) const {
  // The deadline of an effect is one of the wall clock.
  const absl::Duration left = context.deadline() - absl::Now();
  const absl::Status erased = keys_->Erase(deleted.user_id(), clock::SteadyNow() + left);
  return erased.ok() ? Ack() : Retry({}, std::string(erased.message()));
}

}  // namespace tradewind::user
