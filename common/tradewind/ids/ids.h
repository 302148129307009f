// Identifiers: random ones that sort by time, and stable ones that a repeated call gets again.
#pragma once

#include <array>
#include <cstddef>
#include <initializer_list>
#include <string_view>

#include "absl/time/time.h"

namespace tradewind::ids {

// The 36 characters of a UUID, lower case.
struct Uuid {
  std::array<char, 36> text;
  std::string_view view() const { return {text.data(), text.size()}; }
};

// Of bytes that are random or a hash; the bits that RFC 9562 claims for version and variant are set.
Uuid ToUuid(std::array<unsigned char, 16> bytes, unsigned version);

// Version 7 of RFC 9562: Unix milliseconds, then 74 random bits. Thread-safe; does not block.
Uuid NewUuid(absl::Time now);

// The id of the resource that this call creates, the same for every repeat of it: a UUID of version 8 made of the
// BLAKE2b hash of caller, method and request_id. The parts cannot run into one another.
Uuid DeriveUuid(std::string_view caller, std::string_view method, std::string_view request_id);

// Hashes texts so that no two different lists of them have the same bytes; fills `digest`, 16 to 64 bytes.
void HashParts(std::initializer_list<std::string_view> parts, unsigned char* digest, size_t digest_size);

}  // namespace tradewind::ids
