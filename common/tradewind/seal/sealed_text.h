// Text that only who has its subject's key can read: the form in which personal data lies on topics and in stores.
//
//   sealed:1:<subject>:<box>;
//
// subject: BLAKE2b-128 of the subject's id. box: 24 bytes of nonce, then XChaCha20-Poly1305 of the text with the
// subject's 16 bytes as associated data. Both base64, URL-safe and without padding (RFC 4648, section 5). The nonce is
// BLAKE2b of the text under a key of its own, so that the same text of the same subject is always sealed to the same
// characters (a repeated request stays the same request) and no two texts share a nonce. Such a value is text like any
// other and may stand inside other text.
//
// Sources: draft-irtf-cfrg-xchacha-03; RFC 7693 (BLAKE2); RFC 8452 for the idea of a synthetic nonce.
// Everything here is pure and thread-safe.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace tradewind::seal {

// Of one subject: made at random, destroyed with the subject.
using DataKey = std::array<unsigned char, 32>;
using SubjectTag = std::array<unsigned char, 16>;

SubjectTag TagOf(std::string_view subject);
// 22 characters.
std::string ToText(const SubjectTag& tag);
// Nothing where it is no such text.
std::optional<SubjectTag> ParseTag(std::string_view text);

std::string SealText(const DataKey& key, const SubjectTag& subject, std::string_view clear);

// One sealed value, and where it stands in its text.
struct SealedValue {
  size_t begin = 0;
  size_t end = 0;
  SubjectTag subject{};
  std::string box;
};
// The first that begins at `from` or later. What only looks like one is passed over.
std::optional<SealedValue> FindSealed(std::string_view text, size_t from = 0);
bool HasSealed(std::string_view text);
// Whether the text is one sealed value of that subject from its first character to its last: anything else would
// outlast the subject's erasure.
bool IsSealedFor(std::string_view subject, std::string_view text);

// Nothing where the key is not the one that it was sealed with, or a bit of it was changed.
std::optional<std::string> OpenValue(const DataKey& key, const SealedValue& value);

}  // namespace tradewind::seal
