#include "tradewind/ids/ids.h"

#include <sodium.h>

#include <cstdint>
#include <cstring>

namespace tradewind::ids {
namespace {

using UuidBytes = std::array<unsigned char, 16>;

// Random bytes fetched from the kernel by the page: one system call for fifty ids instead of one each.
class RandomBytes {
 public:
  void Fill(unsigned char* target, size_t size) {
    if (used_ + size > buffer_.size()) {
      randombytes_buf(buffer_.data(), buffer_.size());
      used_ = 0;
    }
    std::memcpy(target, buffer_.data() + used_, size);
    used_ += size;
  }

 private:
  std::array<unsigned char, 512> buffer_;
  size_t used_ = sizeof(buffer_);
};

}  // namespace

Uuid ToUuid(UuidBytes bytes, unsigned version) {
  bytes[6] = static_cast<unsigned char>((bytes[6] & 0x0F) | (version << 4));
  bytes[8] = static_cast<unsigned char>((bytes[8] & 0x3F) | 0x80);
  constexpr char kDigits[] = "0123456789abcdef";
  Uuid uuid;
  size_t at = 0;
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) {
      uuid.text[at++] = '-';
    }
    uuid.text[at++] = kDigits[bytes[i] >> 4];
    uuid.text[at++] = kDigits[bytes[i] & 0x0F];
  }
  return uuid;
}

Uuid NewUuid(absl::Time now) {
  thread_local RandomBytes random;
  UuidBytes bytes;
  const auto milliseconds = static_cast<uint64_t>(absl::ToUnixMillis(now));
  for (size_t i = 0; i < 6; ++i) {
    bytes[i] = static_cast<unsigned char>(milliseconds >> (8 * (5 - i)));
  }
  random.Fill(bytes.data() + 6, bytes.size() - 6);
  return ToUuid(bytes, 7);
}

Uuid DeriveUuid(std::string_view caller, std::string_view method, std::string_view request_id) {
  UuidBytes bytes;
  HashParts({"tradewind.id", caller, method, request_id}, bytes.data(), bytes.size());
  return ToUuid(bytes, 8);
}

void HashParts(std::initializer_list<std::string_view> parts, unsigned char* digest, size_t digest_size) {
  crypto_generichash_state state;
  crypto_generichash_init(&state, nullptr, 0, digest_size);
  for (const std::string_view part : parts) {
    // The length goes first, so that ("ab", "c") and ("a", "bc") differ.
    std::array<unsigned char, 8> length;
    for (size_t i = 0; i < length.size(); ++i) {
      length[i] = static_cast<unsigned char>(static_cast<uint64_t>(part.size()) >> (8 * i));
    }
    crypto_generichash_update(&state, length.data(), length.size());
    crypto_generichash_update(&state, reinterpret_cast<const unsigned char*>(part.data()), part.size());
  }
  crypto_generichash_final(&state, digest, digest_size);
}

}  // namespace tradewind::ids
