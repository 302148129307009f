#include "tradewind/bus/internal/murmur2.h"

namespace tradewind::bus::internal {

uint32_t Murmur2(std::string_view bytes) {
  constexpr uint32_t kSeed = 0x9747b28c;
  constexpr uint32_t kMultiplier = 0x5bd1e995;
  const auto* data = reinterpret_cast<const unsigned char*>(bytes.data());
  size_t left = bytes.size();
  uint32_t hash = kSeed ^ static_cast<uint32_t>(left);

  for (; left >= 4; left -= 4, data += 4) {
    uint32_t word = static_cast<uint32_t>(data[0]) | static_cast<uint32_t>(data[1]) << 8 |
                    static_cast<uint32_t>(data[2]) << 16 | static_cast<uint32_t>(data[3]) << 24;
    word *= kMultiplier;
    word ^= word >> 24;
    word *= kMultiplier;
    hash *= kMultiplier;
    hash ^= word;
  }
  if (left > 0) {
    for (size_t i = 0; i < left; ++i) {
      hash ^= static_cast<uint32_t>(data[i]) << (8 * i);
    }
    hash *= kMultiplier;
  }
  hash ^= hash >> 13;
  hash *= kMultiplier;
  hash ^= hash >> 15;
  return hash;
}

}  // namespace tradewind::bus::internal
