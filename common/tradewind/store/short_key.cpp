#include "tradewind/store/short_key.h"

#include <sodium.h>

#include <array>

namespace tradewind::store {

std::string_view ShortKey(std::string_view key, std::string& buffer) {
  if (key.size() <= kMaxPlainKeyBytes) return key;
  std::array<unsigned char, crypto_hash_sha256_BYTES> digest;
  crypto_hash_sha256(digest.data(), reinterpret_cast<const unsigned char*>(key.data()), key.size());
  buffer.assign(key.substr(0, kMaxPlainKeyBytes));
  buffer.append(reinterpret_cast<const char*>(digest.data()), digest.size());
  return buffer;
}

std::string ShortKey(std::string_view key) {
  std::string buffer;
  return std::string(ShortKey(key, buffer));
}

std::string IdWithMethod(std::string_view method, std::string_view request_id) {
  std::string id;
  id.reserve(method.size() + request_id.size() + 1);
  return id.append(method).append(1, '\0').append(request_id);
}

}  // namespace tradewind::store
