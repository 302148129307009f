#include "services/user/user_settings.h"

#include "tradewind/auth/password.h"

namespace tradewind::user {

void Describe(config::Schema& schema, UserSettings& settings) {
  auto section = schema.Section("user", "Accounts.");
  section.Field("access_lifetime", &settings.access_lifetime, "how long an access token is good")
      .Min(absl::Seconds(1))
      .Max(absl::Hours(24));
  section.Field("refresh_lifetime", &settings.refresh_lifetime, "how long a session can be refreshed")
      .Min(absl::Seconds(1))
      .Max(absl::Hours(24 * 365));
  section.Field("hash_memory", &settings.hash_memory, "memory of one Argon2id hash of a changed password")
      .Min(config::ByteSize{8192})
      .Max(config::ByteSize{auth::kMaxHashMemory});
  section.Field("hash_passes", &settings.hash_passes, "passes of one Argon2id hash").Min(1).Max(auth::kMaxHashPasses);
  section.Field("hash_threads", &settings.hash_threads, "passwords verified or hashed at once").Min(1).Max(256);
  section.Field("hash_queue", &settings.hash_queue, "logins and changes that may wait for a thread").Min(1);
}

}  // namespace tradewind::user
