// Keys of subjects that are about to come to be, by the command that creates each: what the service says to the command
// decides whether the key stays or is taken back, also where no call waits for that any more. Where the service does
// not say it in time, the key stays.
//
// A refusal may not be the service's own, since whoever can write to the topic of replies can make one up. Where the
// service says afterwards that the command is done, the key is put back.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

#include "tradewind/commands/outcome_listener.h"
#include "tradewind/seal/keys.h"

namespace tradewind::gateway {

// Thread-safe; does not block.
class UndecidedKeys final : public commands::OutcomeListener {
 public:
  // So many wait for their command's outcome, the newest, and none longer than its key can be taken back. Of those that
  // were taken back as many are remembered.
  static constexpr size_t kMax = 10'000;

  explicit UndecidedKeys(seal::Keys& keys, size_t max = kMax) : keys_(keys), max_(max) {}

  // Before the command with this correlation id is sent. Who calls it has been given the key by Keys::Prepare, and
  // leaves the rest to this.
  void Add(uint64_t id, std::string subject, absl::Time now) ABSL_LOCKS_EXCLUDED(mutex_);

  void OnReply(const mesh::v1::Reply& reply) override;
  void OnAbsent(uint64_t id) override;

 private:
  struct Undecided {
    std::string subject;
    absl::Time since;
  };
  void Keep(uint64_t id) ABSL_LOCKS_EXCLUDED(mutex_);
  void Withdraw(uint64_t id) ABSL_LOCKS_EXCLUDED(mutex_);
  void PutBack(const std::string& subject);

  seal::Keys& keys_;
  const size_t max_;
  absl::Mutex mutex_;
  // Correlation ids count upwards: the oldest first.
  std::map<uint64_t, Undecided> undecided_ ABSL_GUARDED_BY(mutex_);
  // Subjects of those that were taken back.
  std::map<uint64_t, std::string> withdrawn_ ABSL_GUARDED_BY(mutex_);
  // Whether there is anything to decide: most replies are to commands that create nobody, and need not take the lock.
  std::atomic<bool> has_any_ = false;
};

}  // namespace tradewind::gateway
