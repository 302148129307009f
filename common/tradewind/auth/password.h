// Makes and verifies Argon2id hashes. One takes tens of milliseconds and 19 MiB by design, so whoever calls this does
// it on a pool of threads with a bounded queue (rpc/work_pool.h). The gateway hashes what must not reach the log in the
// clear; the user service verifies.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace tradewind::auth {

// What a hash may cost at most, to make or to verify. Its text says what it costs, so that one that somebody else wrote
// could take any amount of memory and time of whoever verifies it.
inline constexpr int64_t kMaxHashMemory = 256 << 20;
inline constexpr int64_t kMaxHashPasses = 10;

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

// True where `hash` was made of `password`. False also for a hash that is none, and at once for one that costs too
// much. Blocks for as long as the hash's cost says.
bool VerifyPassword(const std::string& hash, std::string_view password);

// Whether the text asks for more than kMaxHashMemory, kMaxHashPasses or one lane. False for what is no Argon2 hash.
bool CostsTooMuch(std::string_view hash);

// A hash of no password, which costs as much to verify as one that HashPassword makes: for accounts that do not exist.
std::string HashOfNobody(const HashCost& cost);

}  // namespace tradewind::auth
