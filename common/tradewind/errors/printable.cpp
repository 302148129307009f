#include "tradewind/errors/printable.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>

namespace tradewind::errors {
namespace {

// Length of the well-formed UTF-8 sequence at the start of `bytes`, or 0 (Unicode 15, table 3-7).
size_t SequenceLength(std::string_view bytes) {
  const auto at = [&](size_t index) { return index < bytes.size() ? static_cast<uint8_t>(bytes[index]) : 0; };
  const auto continues = [&](size_t index, uint8_t low = 0x80, uint8_t high = 0xBF) {
    return at(index) >= low && at(index) <= high;
  };
  const uint8_t lead = at(0);
  if (lead < 0x80) {
    return 1;
  }
  if (lead >= 0xC2 && lead <= 0xDF) {
    return continues(1) ? 2 : 0;
  }
  if (lead >= 0xE0 && lead <= 0xEF) {
    const uint8_t low = lead == 0xE0 ? 0xA0 : 0x80;
    const uint8_t high = lead == 0xED ? 0x9F : 0xBF;
    return continues(1, low, high) && continues(2) ? 3 : 0;
  }
  if (lead >= 0xF0 && lead <= 0xF4) {
    const uint8_t low = lead == 0xF0 ? 0x90 : 0x80;
    const uint8_t high = lead == 0xF4 ? 0x8F : 0xBF;
    return continues(1, low, high) && continues(2) && continues(3) ? 4 : 0;
  }
  return 0;
}

// Eight bytes at a time.
bool IsAscii(std::string_view bytes) {
  uint64_t seen = 0;
  for (; bytes.size() >= sizeof(seen); bytes.remove_prefix(sizeof(seen))) {
    uint64_t next = 0;
    std::memcpy(&next, bytes.data(), sizeof(next));
    seen |= next;
  }
  for (const char byte : bytes) seen |= static_cast<uint8_t>(byte);
  return (seen & 0x8080808080808080) == 0;
}

bool IsControl(std::string_view sequence) {
  const auto lead = static_cast<uint8_t>(sequence[0]);
  if (sequence.size() == 1) {
    return lead < 0x20 || lead == 0x7F;
  }
  return sequence.size() == 2 && lead == 0xC2 && static_cast<uint8_t>(sequence[1]) < 0xA0;
}

}  // namespace

std::string Printable(std::string_view bytes) { return Printable(bytes, std::numeric_limits<size_t>::max()); }

std::string Printable(std::string_view bytes, size_t max_bytes) {
  std::string text;
  text.reserve(std::min(bytes.size(), max_bytes));
  const size_t size = bytes.size();
  while (!bytes.empty()) {
    const size_t length = SequenceLength(bytes);
    const std::string_view sequence = bytes.substr(0, std::max<size_t>(length, 1));
    const size_t before = text.size();
    if (length == 0 || IsControl(sequence)) {
      for (const char c : sequence) {
        text += fmt::format("\\x{:02x}", static_cast<uint8_t>(c));
      }
    } else {
      text += sequence;
    }
    if (text.size() > max_bytes) {
      text.resize(before);
      return text + fmt::format("... ({} bytes in all)", size);
    }
    bytes.remove_prefix(sequence.size());
  }
  return text;
}

bool IsUtf8(std::string_view bytes) {
  if (IsAscii(bytes)) return true;
  while (!bytes.empty()) {
    const size_t length = SequenceLength(bytes);
    if (length == 0) {
      return false;
    }
    bytes.remove_prefix(length);
  }
  return true;
}

std::string Shortened(std::string_view text, size_t max_bytes) {
  constexpr std::string_view kCut = "...";
  if (text.size() <= max_bytes) return std::string(text);
  size_t kept = max_bytes - kCut.size();
  // Bytes that continue a character of UTF-8.
  while (kept > 0 && (static_cast<unsigned char>(text[kept]) & 0xC0) == 0x80) --kept;
  return std::string(text.substr(0, kept)).append(kCut);
}

}  // namespace tradewind::errors
