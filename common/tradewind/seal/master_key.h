// The one secret that a whole mesh shares: what subjects' keys are wrapped with on the log, and what fingerprints,
// derived secrets and proofs of erasure are made with. Whoever has it and can read the log can read what is sealed.
#pragma once

#include <array>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

#include "tradewind/seal/sealed_text.h"

namespace tradewind::seal {

// Of what MasterKey::Wrap returns, in bytes: nonce, key and authentication code.
inline constexpr size_t kWrappedSize = 24 + 32 + 16;

// Immutable; thread-safe.
class MasterKey {
 public:
  // From a file with the base64 (either alphabet) of 32 random bytes: `head -c 32 /dev/urandom | base64`.
  // FailedPrecondition, saying what to do, where the file cannot be read or holds something else.
  static absl::StatusOr<MasterKey> Read(const std::string& path);
  static MasterKey Random();
  ~MasterKey();
  MasterKey(const MasterKey&) = default;

  // A subject's key as it lies on the log: nonce and XChaCha20-Poly1305, bound to the subject.
  std::string Wrap(const DataKey& key, const SubjectTag& subject) const;
  // Nothing where it was wrapped by another master key or for another subject.
  std::optional<DataKey> Unwrap(std::string_view wrapped, const SubjectTag& subject) const;

  // 43 characters by which texts can be compared without being known: BLAKE2b-256 under a key of its own, of the text
  // without white space around it and with ASCII letters in lower case. Empty for an empty text.
  std::string Fingerprint(std::string_view text) const;

  // 32 bytes by which whoever has the master key recognises what another one with it said: BLAKE2b-256 under a key of
  // its own, over `parts` and their lengths.
  using Proof = std::array<unsigned char, 32>;
  Proof Prove(std::initializer_list<std::string_view> parts) const;

  // The base64 (RFC 4648, section 4) of 32 bytes that nobody without the master key can guess, always the same for the
  // same parts.
  std::string DeriveSecret(std::initializer_list<std::string_view> parts) const;

 private:
  using Secret = std::array<unsigned char, 32>;
  explicit MasterKey(const Secret& root);

  Secret wrapping_;
  Secret fingerprints_;
  Secret secrets_;
  Secret proofs_;
};

}  // namespace tradewind::seal
