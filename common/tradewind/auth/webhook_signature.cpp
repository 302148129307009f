#include "tradewind/auth/webhook_signature.h"

#include <fmt/format.h>
#include <sodium.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <optional>

namespace tradewind::auth {
namespace {

constexpr std::string_view kPrefix = "whsec_";
constexpr std::string_view kVersion = "v1,";

const unsigned char* Bytes(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }

std::string Base64(const unsigned char* bytes, size_t size) {
  std::string text(sodium_base64_encoded_len(size, sodium_base64_VARIANT_ORIGINAL), '\0');
  sodium_bin2base64(text.data(), text.size(), bytes, size, sodium_base64_VARIANT_ORIGINAL);
  text.pop_back();  // The terminator.
  return text;
}

struct Key {
  // What the specification allows.
  std::array<unsigned char, 64> bytes;
  size_t size = 0;
};

std::optional<Key> KeyOf(std::string_view secret) {
  if (secret.substr(0, kPrefix.size()) == kPrefix) secret.remove_prefix(kPrefix.size());
  Key key;
  if (sodium_base642bin(key.bytes.data(), key.bytes.size(), secret.data(), secret.size(), nullptr, &key.size, nullptr,
                        sodium_base64_VARIANT_ORIGINAL) != 0 ||
      key.size == 0) {
    return std::nullopt;
  }
  return key;
}

absl::Status CheckTime(std::string_view timestamp, absl::Time now, absl::Duration tolerance) {
  int64_t seconds = 0;
  const char* const end = timestamp.data() + timestamp.size();
  if (const auto parsed = std::from_chars(timestamp.data(), end, seconds);
      parsed.ec != std::errc() || parsed.ptr != end) {
    return absl::InvalidArgumentError("webhook-timestamp must be seconds since 1970");
  }
  const absl::Duration age = now - absl::FromUnixSeconds(seconds);
  if (age > tolerance) return absl::UnauthenticatedError("webhook-timestamp is too old; sign each attempt anew");
  if (age < -tolerance) {
    return absl::UnauthenticatedError("webhook-timestamp is too far ahead; compare the clocks of both sides");
  }
  return absl::OkStatus();
}

bool Contains(std::string_view signatures, std::string_view expected) {
  bool found = false;
  while (!signatures.empty()) {
    const std::string_view one = signatures.substr(0, signatures.find(' '));
    signatures.remove_prefix(std::min(one.size() + 1, signatures.size()));
    found = found || (one.size() == expected.size() && sodium_memcmp(one.data(), expected.data(), one.size()) == 0);
  }
  return found;
}

}  // namespace

bool IsWebhookSecret(std::string_view secret) { return KeyOf(secret).has_value(); }

std::string SignWebhook(std::string_view secret, std::string_view id, std::string_view timestamp,
                        std::string_view body) {
  const auto key = KeyOf(secret);
  if (!key.has_value()) return "";
  crypto_auth_hmacsha256_state state;
  crypto_auth_hmacsha256_init(&state, key->bytes.data(), key->size);
  for (const std::string_view part : {id, std::string_view("."), timestamp, std::string_view("."), body}) {
    crypto_auth_hmacsha256_update(&state, Bytes(part), part.size());
  }
  std::array<unsigned char, crypto_auth_hmacsha256_BYTES> signature;
  crypto_auth_hmacsha256_final(&state, signature.data());
  return fmt::format("{}{}", kVersion, Base64(signature.data(), signature.size()));
}

absl::Status VerifyWebhook(std::span<const std::string> secrets, std::string_view id, std::string_view timestamp,
                           std::string_view signatures, std::string_view body, absl::Time now,
                           absl::Duration tolerance) {
  if (id.empty()) return absl::InvalidArgumentError("the header webhook-id is missing");
  if (signatures.empty()) return absl::InvalidArgumentError("the header webhook-signature is missing");
  if (absl::Status timely = CheckTime(timestamp, now, tolerance); !timely.ok()) return timely;
  for (const std::string& secret : secrets) {
    const std::string expected = SignWebhook(secret, id, timestamp, body);
    if (!expected.empty() && Contains(signatures, expected)) return absl::OkStatus();
  }
  return absl::UnauthenticatedError("no signature of webhook-signature is right by a secret that is known here");
}

}  // namespace tradewind::auth
