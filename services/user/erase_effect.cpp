#include "services/user/erase_effect.h"

#include <string>

#include "tradewind/seal/keys.h"

namespace tradewind::user {

Outcome EraseEffect::operator()(const v1::UserDeleted& deleted, EffectContext& context) const {
  const absl::Status erased = keys_->Erase(deleted.user_id(), context.deadline());
  return erased.ok() ? Ack() : Retry({}, std::string(erased.message()));
}

}  // namespace tradewind::user
