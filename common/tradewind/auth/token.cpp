#include "tradewind/auth/token.h"

#include <fmt/format.h>
#include <jwt.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <sodium.h>

#include <array>
#include <cstdlib>
#include <memory>

namespace tradewind::auth {
namespace {

constexpr char kIssuer[] = "tradewind";
// Longer ones are no tokens of ours.
constexpr size_t kLongestToken = 4096;

using Jwt = std::unique_ptr<jwt_t, decltype(&jwt_free)>;
using PrivateKey = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using Memory = std::unique_ptr<BIO, decltype(&BIO_free)>;

std::string TextOf(const Memory& memory) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(memory.get(), &data);
  return {data, static_cast<size_t>(size)};
}

// A name that follows from the key, so that two instances that read it agree.
std::string KeyIdOf(const std::string& public_pem) {
  std::array<unsigned char, 16> digest;
  crypto_generichash(digest.data(), digest.size(), reinterpret_cast<const unsigned char*>(public_pem.data()),
                     public_pem.size(), nullptr, 0);
  std::string id;
  for (const unsigned char byte : digest) fmt::format_to(std::back_inserter(id), "{:02x}", byte);
  return id;
}

// libjwt's tokens, parsed; verified where there is a key. Null where it has nothing to do with a token.
Jwt Decode(const std::string& token, const std::string* public_pem) {
  jwt_t* jwt = nullptr;
  const auto* key = public_pem == nullptr ? nullptr : reinterpret_cast<const unsigned char*>(public_pem->data());
  const int size = public_pem == nullptr ? 0 : static_cast<int>(public_pem->size());
  if (jwt_decode(&jwt, token.c_str(), key, size) != 0) return {nullptr, jwt_free};
  return {jwt, jwt_free};
}

std::string GrantOf(const Jwt& jwt, const char* name) {
  const char* value = jwt_get_grant(jwt.get(), name);
  return value == nullptr ? "" : value;
}

absl::Status Wrong(std::string_view what) { return absl::UnauthenticatedError(fmt::format("the token {}", what)); }

}  // namespace

absl::StatusOr<SigningKey> NewSigningKey() {
  const PrivateKey key(EVP_EC_gen("P-256"), EVP_PKEY_free);
  const Memory private_text(BIO_new(BIO_s_mem()), BIO_free);
  const Memory public_text(BIO_new(BIO_s_mem()), BIO_free);
  if (key == nullptr || private_text == nullptr || public_text == nullptr ||
      PEM_write_bio_PrivateKey(private_text.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) != 1 ||
      PEM_write_bio_PUBKEY(public_text.get(), key.get()) != 1) {
    return absl::InternalError("OpenSSL made no key over P-256");
  }
  SigningKey made;
  made.private_pem = TextOf(private_text);
  made.public_pem = TextOf(public_text);
  made.id = KeyIdOf(made.public_pem);
  return made;
}

absl::StatusOr<std::string> SignToken(const SigningKey& key, const Claims& claims) {
  jwt_t* raw = nullptr;
  if (jwt_new(&raw) != 0) return absl::InternalError("no memory for a token");
  const Jwt jwt(raw, jwt_free);
  const bool filled = jwt_add_header(raw, "kid", key.id.c_str()) == 0 && jwt_add_grant(raw, "iss", kIssuer) == 0 &&
                      jwt_add_grant(raw, "aud", kIssuer) == 0 &&
                      jwt_add_grant(raw, "sub", claims.subject.c_str()) == 0 &&
                      jwt_add_grant_int(raw, "iat", absl::ToUnixSeconds(claims.issued)) == 0 &&
                      jwt_add_grant_int(raw, "exp", absl::ToUnixSeconds(claims.expires)) == 0 &&
                      jwt_set_alg(raw, JWT_ALG_ES256, reinterpret_cast<const unsigned char*>(key.private_pem.data()),
                                  static_cast<int>(key.private_pem.size())) == 0;
  const std::unique_ptr<char, decltype(&std::free)> text(filled ? jwt_encode_str(raw) : nullptr, std::free);
  if (text == nullptr) return absl::InternalError("the token could not be signed: the key is no P-256 key");
  return std::string(text.get());
}

absl::StatusOr<Claims> VerifyToken(std::string_view token, const FindKey& find_key, absl::Time now) {
  if (token.empty() || token.size() > kLongestToken) return Wrong("is none");
  const std::string text(token);
  const Jwt unverified = Decode(text, nullptr);
  if (unverified == nullptr) return Wrong("is none");
  const char* key_id = jwt_get_header(unverified.get(), "kid");
  if (key_id == nullptr) return Wrong("does not say which key signed it");
  const std::optional<std::string> key = find_key(key_id);
  if (!key.has_value()) return absl::NotFoundError("the token is signed by a key that is not known");

  const Jwt jwt = Decode(text, &*key);
  // The algorithm is the token's own claim: another one would turn the public key into a shared secret.
  if (jwt == nullptr || jwt_get_alg(jwt.get()) != JWT_ALG_ES256) return Wrong("is not signed by the key it names");
  if (GrantOf(jwt, "iss") != kIssuer || GrantOf(jwt, "aud") != kIssuer) return Wrong("is not for this mesh");
  Claims claims;
  claims.subject = GrantOf(jwt, "sub");
  claims.issued = absl::FromUnixSeconds(jwt_get_grant_int(jwt.get(), "iat"));
  claims.expires = absl::FromUnixSeconds(jwt_get_grant_int(jwt.get(), "exp"));
  if (claims.subject.empty()) return Wrong("speaks of nobody");
  if (now >= claims.expires) return Wrong("has expired; refresh the session, or log in again");
  return claims;
}

}  // namespace tradewind::auth
