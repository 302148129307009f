#include "tradewind/auth/password.h"

#include <fmt/format.h>
#include <sodium.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

#include "tradewind/ids/ids.h"

namespace tradewind::auth {
namespace {

constexpr int kVariant = sodium_base64_VARIANT_ORIGINAL_NO_PADDING;
// The length that crypto_pwhash_str uses.
constexpr size_t kHashBytes = 32;

template <size_t Size>
std::string Base64(const std::array<unsigned char, Size>& bytes) {
  std::array<char, sodium_base64_ENCODED_LEN(Size, kVariant)> text;
  sodium_bin2base64(text.data(), text.size(), bytes.data(), bytes.size(), kVariant);
  return text.data();
}

// The PHC string format.
std::string Text(const HashCost& cost, std::string_view salt, std::string_view hash) {
  return fmt::format("$argon2id$v=19$m={},t={},p=1${}${}", cost.memory_bytes / 1024, cost.passes, salt, hash);
}

// False, and nothing was taken, where `text` begins with something else.
bool Skip(std::string_view prefix, std::string_view& text) {
  if (text.substr(0, prefix.size()) != prefix) return false;
  text.remove_prefix(prefix.size());
  return true;
}

// A decimal number behind `prefix`; the greatest there is where it does not fit.
bool ReadNumber(std::string_view prefix, std::string_view& text, uint64_t& number) {
  if (!Skip(prefix, text)) return false;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc::invalid_argument) return false;
  if (error != std::errc()) number = std::numeric_limits<uint64_t>::max();
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return true;
}

}  // namespace

absl::StatusOr<std::string> HashPassword(const HashCost& cost, std::string_view password, std::string_view method,
                                         std::string_view field, std::string_view request_id) {
  std::array<unsigned char, crypto_pwhash_SALTBYTES> salt;
  if (request_id.empty()) {
    randombytes_buf(salt.data(), salt.size());
  } else {
    ids::HashParts({"tradewind.salt", method, field, request_id}, salt.data(), salt.size());
  }
  std::array<unsigned char, kHashBytes> hash;
  if (crypto_pwhash(hash.data(), hash.size(), password.data(), password.size(), salt.data(),
                    static_cast<unsigned long long>(cost.passes), static_cast<size_t>(cost.memory_bytes),
                    crypto_pwhash_ALG_ARGON2ID13) != 0) {
    return absl::ResourceExhaustedError(fmt::format(
        "no memory for a hash of {} bytes; lower the setting hash_memory or give the process more", cost.memory_bytes));
  }
  return Text(cost, Base64(salt), Base64(hash));
}

bool CostsTooMuch(std::string_view hash) {
  if (!Skip("$argon2", hash)) return false;
  // The variant: "id", "i".
  hash.remove_prefix(std::min(hash.find('$'), hash.size()));
  uint64_t version = 0;
  uint64_t memory_kib = 0;
  uint64_t passes = 0;
  uint64_t lanes = 0;
  const bool read = ReadNumber("$v=", hash, version) && ReadNumber("$m=", hash, memory_kib) &&
                    ReadNumber(",t=", hash, passes) && ReadNumber(",p=", hash, lanes);
  return read && (memory_kib > kMaxHashMemory / 1024 || passes > kMaxHashPasses || lanes > 1);
}

std::string HashOfNobody(const HashCost& cost) {
  return Text(cost, Base64(std::array<unsigned char, crypto_pwhash_SALTBYTES>{}),
              Base64(std::array<unsigned char, kHashBytes>{}));
}

bool VerifyPassword(const std::string& hash, std::string_view password) {
  return !CostsTooMuch(hash) && crypto_pwhash_str_verify(hash.c_str(), password.data(), password.size()) == 0;
}

}  // namespace tradewind::auth
