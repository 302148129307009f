// Who calls: verifies the access token of a call, where it carries one, by the public keys of the service that signs
// them. Who may do what is not decided here.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

#include "tradewind/auth/token.h"
#include "tradewind/errors/problem.h"

namespace tradewind::mesh::v1 {
class KeyService;
}

namespace tradewind::gateway {

// Thread-safe.
class Authenticator {
 public:
  // `keys_address`: of the gRPC server that has tradewind.mesh.v1.KeyService; where empty every token is refused.
  explicit Authenticator(const std::string& keys_address);
  ~Authenticator();

  struct Caller {
    // Empty for a call without a token.
    std::string id;
    // Why the call is to be refused: UNAUTHENTICATED (TOKEN_INVALID), or UNAVAILABLE (KEYS_UNAVAILABLE).
    std::optional<errors::Problem> problem;
  };
  // From the metadata "authorization", which is empty or "Bearer <token>". Asks for keys, and blocks for that, only for
  // a token that names a key not met before, and no more often than once a second.
  Caller Identify(std::string_view authorization, absl::Time now);

 private:
  class Keys;
  std::optional<std::string> FindKey(std::string_view id);
  std::optional<auth::Claims> FindVerified(std::string_view token, absl::Time now);
  void Remember(std::string_view token, const auth::Claims& claims);
  // Unavailable where the service does not answer.
  absl::Status FetchKeys(absl::Time now) ABSL_LOCKS_EXCLUDED(fetch_mutex_, mutex_);

  const std::unique_ptr<Keys> service_;
  // Held while keys are asked for; those who wait for it find them there.
  absl::Mutex fetch_mutex_;
  absl::Time fetched_ ABSL_GUARDED_BY(fetch_mutex_) = absl::InfinitePast();
  absl::Mutex mutex_;
  // Public PEM by key id.
  std::map<std::string, std::string, std::less<>> keys_ ABSL_GUARDED_BY(mutex_);
  // Verifying costs a tenth of a millisecond, and a caller sends the same token many times.
  std::unordered_map<std::string, auth::Claims> verified_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tradewind::gateway
