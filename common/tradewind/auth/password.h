// Makes and verifies Argon2id hashes, on a small pool of threads, since one hash takes tens of milliseconds and 19 MiB
// by design: calls of other kinds must not wait behind it, and a flood of them must be turned away rather than queued
// without end. The gateway hashes what must not reach the log in the clear; the user service verifies.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace tradewind::auth {

struct HashCost {
  // OWASP's recommendation for Argon2id with one lane.
  int64_t memory_bytes = 19 << 20;
  int64_t passes = 2;
};

// The hash in the PHC string format, which crypto_pwhash_str_verify of libsodium accepts. With a request_id the salt
// follows from (method, field, request_id), so that a repeated call carries the same bytes; without one it is random.
// Blocks for as long as the cost says. ResourceExhausted when there is no memory for it.
absl::StatusOr<std::string> HashPassword(const HashCost& cost, std::string_view password, std::string_view method,
                                         std::string_view field, std::string_view request_id);

// True where `hash` was made of `password`. False also for a hash that is none. Blocks for as long as the hash's cost
// says.
bool VerifyPassword(const std::string& hash, std::string_view password);

// Runs jobs on its own threads. Thread-safe.
class HasherPool {
 public:
  using Job = absl::AnyInvocable<void()>;

  // `queue_limit`: jobs that may wait for a thread.
  HasherPool(int threads, size_t queue_limit);
  // Runs what is queued, then ends.
  ~HasherPool();

  // False, and `job` is not taken, when the queue is full. Does not block.
  [[nodiscard]] bool Submit(Job& job);

 private:
  void Run();

  const size_t queue_limit_;
  std::mutex mutex_;
  std::condition_variable changed_;
  // Both guarded by mutex_.
  std::deque<Job> queue_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace tradewind::auth
