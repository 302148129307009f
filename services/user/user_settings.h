// How long sessions last, and what a password's hash costs.
#pragma once

#include <cstdint>

#include "absl/time/time.h"

#include "tradewind/config/config.h"

namespace tradewind::user {

struct UserSettings {
  absl::Duration access_lifetime = absl::Minutes(15);
  absl::Duration refresh_lifetime = absl::Hours(24 * 30);
  // Argon2id, of a password that is changed.
  config::ByteSize hash_memory{19 << 20};
  int32_t hash_passes = 2;
  // Passwords that are verified or hashed at once, and that may wait for it.
  int32_t hash_threads = 2;
  int32_t hash_queue = 256;
};

// Binds the fields under "user".
void Describe(config::Schema& schema, UserSettings& settings);

}  // namespace tradewind::user
