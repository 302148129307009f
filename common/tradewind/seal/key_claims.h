// Who uses the key of a subject that is about to come to be, and whether the key has come to stay: so that a key that
// was made in vain is taken back, and one that somebody relies on is put back where another process took it back.
// Bookkeeping of Keys alone: it writes nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>

#include "absl/time/time.h"

#include "tradewind/seal/sealed_text.h"

namespace tradewind::seal {

// Not thread-safe.
class KeyClaims {
 public:
  // Of subjects whose keys have come to stay and that nobody uses just now, `max_kept` are remembered, the newest. A
  // key can be taken back for `withdrawable` after it was made.
  KeyClaims(size_t max_kept, absl::Duration withdrawable) : max_kept_(max_kept), withdrawable_(withdrawable) {}

  // So many more calls use the key, until each of them ends by Keep or Withdraw.
  void Add(const SubjectTag& subject, int calls);
  // This process's record of the key, by its number, is on the log.
  void NoteOwn(const SubjectTag& subject, uint64_t number, absl::Time now);

  // A call has ended for which the key is there to stay, or may have to stay.
  void Keep(const SubjectTag& subject);
  // A call has ended in vain. Returns the number of this process's record where that is to be taken back: no other call
  // uses it, and none ever kept it.
  std::optional<uint64_t> Withdraw(const SubjectTag& subject, absl::Time now);

  // Whether somebody relies on the key.
  bool Has(const SubjectTag& subject) const { return claims_.contains(subject); }

 private:
  struct Own {
    uint64_t number = 0;
    absl::Time time;
  };
  struct Claim {
    int calls = 0;
    bool is_kept = false;
    // Its place in `idle_`, where it has one.
    uint64_t idle = 0;
    std::optional<Own> own;
  };
  void MakeIdle(const SubjectTag& subject, Claim& claim);

  const size_t max_kept_;
  const absl::Duration withdrawable_;
  std::map<SubjectTag, Claim> claims_;
  // Those that are kept and used by no call, the oldest first.
  std::map<uint64_t, SubjectTag> idle_;
  uint64_t next_idle_ = 1;
};

}  // namespace tradewind::seal
