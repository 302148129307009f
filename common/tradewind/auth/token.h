// Access tokens: JSON Web Tokens (RFC 7519) signed with ES256 (RFC 7518). The user service signs them, the gateway,
// which knows the public keys alone, verifies them. Thread-safe.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace tradewind::auth {

// An elliptic-curve key over P-256, PEM. The private half is not to be logged or sent.
struct SigningKey {
  // The "kid" of tokens: a hash of the public half.
  std::string id;
  std::string private_pem;
  std::string public_pem;
};

// At random. Internal where OpenSSL fails.
absl::StatusOr<SigningKey> NewSigningKey();

struct Claims {
  // Who it speaks of: "sub".
  std::string subject;
  absl::Time issued;
  absl::Time expires;
};

// Issuer and audience are "tradewind". Times are rounded down to seconds. Internal where the key is none.
absl::StatusOr<std::string> SignToken(const SigningKey& key, const Claims& claims);

// The public PEM of the key of that id; nothing where it is not known.
using FindKey = std::function<std::optional<std::string>(std::string_view key_id)>;

// What a token says that is signed by a known key, of this issuer and audience, and not expired at `now`.
// NotFound where its key is not known; Unauthenticated for anything else that is wrong with it.
absl::StatusOr<Claims> VerifyToken(std::string_view token, const FindKey& find_key, absl::Time now);

}  // namespace tradewind::auth
