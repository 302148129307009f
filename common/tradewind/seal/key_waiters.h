// Who waits for the key of a subject: to have one made, or to know whether there is one. Found by subject, by deadline
// and by the end of the log that decides, so that many waiting subjects cost each other nothing. Used by Keys.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/time/time.h"

#include "tradewind/seal/key_log.h"
#include "tradewind/seal/sealed_text.h"

namespace tradewind::seal {

// Not thread-safe. What it hands out is called by whoever took it, with no lock held.
class KeyWaiters {
 public:
  using Done = absl::AnyInvocable<void(absl::Status)>;

  // Waits for a key that is being made.
  void AddForNew(const SubjectTag& subject, absl::Time deadline, Done done);
  // Waits for a key that there may be: until the log has been read to `end`.
  void AddForKnown(const SubjectTag& subject, absl::Time deadline, const KeyLog::End& end, Done done);

  // How many wait for a key of the subject to be made.
  int NewOf(const SubjectTag& subject) const;

  std::vector<Done> TakeOf(const SubjectTag& subject);
  std::vector<Done> TakeOverdue(absl::Time now);
  // Those who wait to know whether there is a key, where `is_read` says so of their end.
  std::vector<Done> TakeEnded(absl::FunctionRef<bool(const KeyLog::End&)> is_read);

 private:
  using EndKey = std::pair<int32_t, uint64_t>;
  struct Waiter {
    SubjectTag subject{};
    absl::Time deadline;
    bool is_for_new = false;
    EndKey end;
    Done done;
  };
  struct OfSubject {
    std::set<uint64_t> ids;
    int for_new = 0;
  };

  void Add(Waiter waiter);
  Done Take(uint64_t id);

  uint64_t next_id_ = 0;
  std::unordered_map<uint64_t, Waiter> waiters_;
  std::map<SubjectTag, OfSubject> by_subject_;
  std::set<std::pair<absl::Time, uint64_t>> by_deadline_;
  std::map<EndKey, std::set<uint64_t>> by_end_;
};

}  // namespace tradewind::seal
