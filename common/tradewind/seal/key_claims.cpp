#include "tradewind/seal/key_claims.h"

namespace tradewind::seal {

void KeyClaims::Add(const SubjectTag& subject, int calls) {
  if (calls == 0) return;
  Claim& claim = claims_[subject];
  claim.calls += calls;
  idle_.erase(claim.idle);
}

void KeyClaims::NoteOwn(const SubjectTag& subject, uint64_t number, absl::Time now) {
  claims_[subject].own = Own{.number = number, .time = now};
}

void KeyClaims::Keep(const SubjectTag& subject) {
  const auto found = claims_.find(subject);
  if (found == claims_.end() || found->second.calls == 0) return;
  found->second.is_kept = true;
  if (--found->second.calls == 0) MakeIdle(subject, found->second);
}

std::optional<uint64_t> KeyClaims::Withdraw(const SubjectTag& subject, absl::Time now) {
  const auto found = claims_.find(subject);
  if (found == claims_.end() || found->second.calls == 0 || --found->second.calls > 0) return std::nullopt;
  if (found->second.is_kept) {
    MakeIdle(subject, found->second);
    return std::nullopt;
  }
  const std::optional<Own> own = found->second.own;
  claims_.erase(found);
  if (!own.has_value() || now - own->time >= withdrawable_) return std::nullopt;
  return own->number;
}

void KeyClaims::MakeIdle(const SubjectTag& subject, Claim& claim) {
  claim.idle = next_idle_++;
  idle_.emplace(claim.idle, subject);
  if (idle_.size() <= max_kept_) return;
  claims_.erase(idle_.begin()->second);
  idle_.erase(idle_.begin());
}

}  // namespace tradewind::seal
