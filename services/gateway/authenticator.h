// Who calls: verifies the access token of a call, where it carries one, by the public keys of the service that signs
// them. Who may do what is not decided here.
//
// Keys are asked for by a thread of its own: at the start, every five minutes, and for a token whose key is not known,
// at most once a second. No call waits for them on a thread of gRPC's, nor with a lock held that such a thread takes.
#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/time/time.h"

#include "tradewind/auth/token.h"
#include "tradewind/errors/problem.h"

namespace tradewind::mesh::v1 {
class KeyService;
}

namespace tradewind::gateway {

// Who a call is from, or why it is refused.
struct Identity {
  // Empty for a call without a token.
  std::string id;
  // UNAUTHENTICATED (TOKEN_INVALID), or UNAVAILABLE (KEYS_UNAVAILABLE).
  std::optional<errors::Problem> problem;
};

// Thread-safe.
class Authenticator {
 public:
  struct Options {
    // Between two times that keys are asked for: at the most, and at the least.
    absl::Duration refresh = absl::Minutes(5);
    absl::Duration pause = absl::Seconds(1);
    // For an answer of the keys' owner.
    absl::Duration timeout = absl::Seconds(1);
    // How long a key that its owner did not have is taken for unknown without asking again.
    absl::Duration unknown_for = absl::Seconds(10);
    // Calls that may wait for a key; one more is KEYS_UNAVAILABLE.
    size_t max_waiting = 1024;
  };
  using Done = absl::AnyInvocable<void(Identity)>;

  // `keys_address`: of the gRPC server that has tradewind.mesh.v1.KeyService; where empty every token is refused.
  explicit Authenticator(const std::string& keys_address) : Authenticator(keys_address, Options()) {}
  Authenticator(const std::string& keys_address, const Options& options);
  // Who still waits gets KEYS_UNAVAILABLE.
  ~Authenticator();

  // From the metadata "authorization", which is empty or "Bearer <token>". Nothing where the token names a key that is
  // not known: Await it then. Does not block.
  std::optional<Identity> Identify(std::string_view authorization, absl::Time now);

  // Calls back once the keys have been asked for again, three seconds from now at the latest, from a thread of the
  // authenticator's, which must not be held up; or at once where too many wait.
  void Await(std::string authorization, Done done);

 private:
  class Keys;
  using SteadyTime = std::chrono::steady_clock::time_point;
  struct Waiting {
    std::string authorization;
    Done done;
  };

  std::optional<std::string> FindKey(std::string_view id);
  std::optional<auth::Claims> FindVerified(std::string_view token, absl::Time now);
  void Remember(std::string_view token, const auth::Claims& claims);
  bool IsUnknown(const std::string& key_id);
  // `key_id` is set to the key that the token names, where that is not known.
  std::optional<Identity> Verify(std::string_view authorization, absl::Time now, std::string& key_id);
  void Run();
  // Until keys are to be asked for; those who wait for them, or nothing at the end.
  std::optional<std::vector<Waiting>> NextFetch();
  // Blocks for a second at most. Unavailable where the service does not answer.
  absl::Status FetchKeys();
  // What Identify says now, a key that is still not known taken for one that there is not.
  Identity Conclude(const std::string& authorization);

  const Options options_;
  const std::unique_ptr<Keys> service_;
  // Held for look-ups alone.
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;
  std::vector<Waiting> waiting_;
  // Used by the thread alone.
  SteadyTime next_refresh_;
  SteadyTime next_allowed_;
  bool failing_ = false;
  // Public PEM by key id.
  std::map<std::string, std::string, std::less<>> keys_;
  // Until when each key that its owner did not have is not asked for again.
  std::unordered_map<std::string, SteadyTime> unknown_;
  // Verifying costs a tenth of a millisecond, and a caller sends the same token many times.
  std::unordered_map<std::string, auth::Claims> verified_;
  std::thread thread_;
};

// Who makes a call, as far as that is known when it arrives.
struct Caller {
  // Empty where nobody said.
  std::string id;
  // Not null where that has to be awaited, and with what.
  Authenticator* authenticator = nullptr;
  std::string authorization;
};

}  // namespace tradewind::gateway
