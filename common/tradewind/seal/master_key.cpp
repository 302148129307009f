#include "tradewind/seal/master_key.h"

#include <fmt/format.h>
#include <sodium.h>

#include <algorithm>
#include <fstream>

#include "absl/strings/ascii.h"

#include "tradewind/ids/ids.h"
#include "tradewind/seal/base64.h"

namespace tradewind::seal {
namespace {

// The keys that hang off the root: crypto_kdf's context, and a number each.
constexpr char kContext[crypto_kdf_CONTEXTBYTES + 1] = "twmaster";
constexpr uint64_t kWrapping = 1;
constexpr uint64_t kFingerprints = 2;
constexpr uint64_t kSecrets = 3;
constexpr uint64_t kProofs = 4;

constexpr size_t kNonceSize = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES;
constexpr size_t kMacSize = crypto_aead_xchacha20poly1305_ietf_ABYTES;

const unsigned char* Bytes(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }

template <size_t Size>
std::array<unsigned char, Size> Derive(uint64_t number, const std::array<unsigned char, Size>& root) {
  std::array<unsigned char, Size> key;
  crypto_kdf_derive_from_key(key.data(), key.size(), number, kContext, root.data());
  return key;
}

// What is there but is no key was one, as a rule, of a mesh whose data is lost with it: only where there is none is a
// new one to be made.
absl::Status Unfit(const std::string& path, std::string_view why) {
  return absl::FailedPreconditionError(fmt::format(
      "seal.key_file: {} {}; bring back the one that this mesh was begun with, since no other can read what is sealed",
      path, why));
}

absl::Status Missing(const std::string& path) {
  return absl::FailedPreconditionError(fmt::format(
      "seal.key_file: {} cannot be read; bring back the one that this mesh was begun with, or, for a mesh without "
      "data, make one with: head -c 32 /dev/urandom | base64 > {}",
      path, path));
}

}  // namespace

MasterKey::MasterKey(const Secret& root)
    : wrapping_(Derive(kWrapping, root)),
      fingerprints_(Derive(kFingerprints, root)),
      secrets_(Derive(kSecrets, root)),
      proofs_(Derive(kProofs, root)) {}

MasterKey::~MasterKey() {
  for (auto* key : {&wrapping_, &fingerprints_, &secrets_, &proofs_}) sodium_memzero(key->data(), key->size());
}

absl::StatusOr<MasterKey> MasterKey::Read(const std::string& path) {
  std::ifstream file(path);
  std::string text;
  if (!file) return Missing(path);
  if (!(file >> text)) return Unfit(path, "is empty");
  std::replace(text.begin(), text.end(), '+', '-');
  std::replace(text.begin(), text.end(), '/', '_');
  while (!text.empty() && text.back() == '=') text.pop_back();
  const std::optional<std::string> bytes = FromBase64(text);
  Secret root;
  if (!bytes.has_value() || bytes->size() != root.size()) return Unfit(path, "does not hold the base64 of 32 bytes");
  std::copy(bytes->begin(), bytes->end(), root.begin());
  return MasterKey(root);
}

MasterKey MasterKey::Random() {
  Secret root;
  randombytes_buf(root.data(), root.size());
  return MasterKey(root);
}

std::string MasterKey::Wrap(const DataKey& key, const SubjectTag& subject) const {
  std::string wrapped(kNonceSize + key.size() + kMacSize, '\0');
  auto* const bytes = reinterpret_cast<unsigned char*>(wrapped.data());
  randombytes_buf(bytes, kNonceSize);
  crypto_aead_xchacha20poly1305_ietf_encrypt(bytes + kNonceSize, nullptr, key.data(), key.size(), subject.data(),
                                             subject.size(), nullptr, bytes, wrapping_.data());
  return wrapped;
}

std::optional<DataKey> MasterKey::Unwrap(std::string_view wrapped, const SubjectTag& subject) const {
  DataKey key;
  static_assert(kWrappedSize == kNonceSize + sizeof(key) + kMacSize);
  if (wrapped.size() != kWrappedSize) return std::nullopt;
  const int failed = crypto_aead_xchacha20poly1305_ietf_decrypt(
      key.data(), nullptr, nullptr, Bytes(wrapped) + kNonceSize, wrapped.size() - kNonceSize, subject.data(),
      subject.size(), Bytes(wrapped), wrapping_.data());
  if (failed != 0) return std::nullopt;
  return key;
}

std::string MasterKey::Fingerprint(std::string_view text) const {
  std::string plain(text);
  absl::StripAsciiWhitespace(&plain);
  absl::AsciiStrToLower(&plain);
  if (plain.empty()) return "";
  std::string digest(32, '\0');
  crypto_generichash(reinterpret_cast<unsigned char*>(digest.data()), digest.size(), Bytes(plain), plain.size(),
                     fingerprints_.data(), fingerprints_.size());
  return ToBase64(digest);
}

MasterKey::Proof MasterKey::Prove(std::initializer_list<std::string_view> parts) const {
  std::array<unsigned char, 32> joined;
  ids::HashParts(parts, joined.data(), joined.size());
  Proof proof;
  crypto_generichash(proof.data(), proof.size(), joined.data(), joined.size(), proofs_.data(), proofs_.size());
  return proof;
}

std::string MasterKey::DeriveSecret(std::initializer_list<std::string_view> parts) const {
  std::array<unsigned char, 32> joined;
  ids::HashParts(parts, joined.data(), joined.size());
  std::array<unsigned char, 32> secret;
  crypto_generichash(secret.data(), secret.size(), joined.data(), joined.size(), secrets_.data(), secrets_.size());
  std::string text(sodium_base64_ENCODED_LEN(secret.size(), sodium_base64_VARIANT_ORIGINAL), '\0');
  sodium_bin2base64(text.data(), text.size(), secret.data(), secret.size(), sodium_base64_VARIANT_ORIGINAL);
  text.pop_back();
  return text;
}

}  // namespace tradewind::seal
