#include "tradewind/seal/sealed_text.h"

#include <fmt/format.h>
#include <sodium.h>

#include "tradewind/seal/base64.h"

namespace tradewind::seal {
namespace {

constexpr std::string_view kPrefix = "sealed:1:";
constexpr size_t kTagLength = 22;
constexpr size_t kNonceSize = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES;
constexpr size_t kMacSize = crypto_aead_xchacha20poly1305_ietf_ABYTES;
// Sets the key that makes nonces apart from the one that encrypts: crypto_kdf's context and number.
constexpr char kNonceContext[crypto_kdf_CONTEXTBYTES + 1] = "tw-nonce";
constexpr uint64_t kNonceKeyNumber = 1;

const unsigned char* Bytes(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }

std::array<unsigned char, kNonceSize> NonceOf(const DataKey& key, std::string_view clear) {
  DataKey nonce_key;
  crypto_kdf_derive_from_key(nonce_key.data(), nonce_key.size(), kNonceKeyNumber, kNonceContext, key.data());
  std::array<unsigned char, kNonceSize> nonce;
  crypto_generichash(nonce.data(), nonce.size(), Bytes(clear), clear.size(), nonce_key.data(), nonce_key.size());
  return nonce;
}

// RFC 4648, section 5.
bool IsBase64(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

// The value that begins at `begin`, where kPrefix stands. Looks no further than the first character that a box cannot
// hold; the next prefix has one, so that all prefixes of a text together take time in proportion to its length.
std::optional<SealedValue> ParseAt(std::string_view text, size_t begin) {
  const size_t tag_begin = begin + kPrefix.size();
  const size_t tag_end = tag_begin + kTagLength;
  if (tag_end >= text.size() || text[tag_end] != ':') return std::nullopt;
  size_t end = tag_end + 1;
  while (end < text.size() && IsBase64(text[end])) ++end;
  if (end == text.size() || text[end] != ';') return std::nullopt;
  const std::optional<SubjectTag> subject = ParseTag(text.substr(tag_begin, kTagLength));
  std::optional<std::string> box = FromBase64(text.substr(tag_end + 1, end - tag_end - 1));
  if (!subject.has_value() || !box.has_value() || box->size() < kNonceSize + kMacSize) return std::nullopt;
  return SealedValue{.begin = begin, .end = end + 1, .subject = *subject, .box = *std::move(box)};
}

}  // namespace

SubjectTag TagOf(std::string_view subject) {
  SubjectTag tag;
  crypto_generichash(tag.data(), tag.size(), Bytes(subject), subject.size(), nullptr, 0);
  return tag;
}

std::string ToText(const SubjectTag& tag) { return ToBase64({reinterpret_cast<const char*>(tag.data()), tag.size()}); }

std::optional<SubjectTag> ParseTag(std::string_view text) {
  const std::optional<std::string> bytes = FromBase64(text);
  SubjectTag tag;
  if (!bytes.has_value() || bytes->size() != tag.size()) return std::nullopt;
  std::copy(bytes->begin(), bytes->end(), tag.begin());
  return tag;
}

std::string SealText(const DataKey& key, const SubjectTag& subject, std::string_view clear) {
  const auto nonce = NonceOf(key, clear);
  std::string box(kNonceSize + clear.size() + kMacSize, '\0');
  std::copy(nonce.begin(), nonce.end(), box.begin());
  crypto_aead_xchacha20poly1305_ietf_encrypt(reinterpret_cast<unsigned char*>(box.data()) + kNonceSize, nullptr,
                                             Bytes(clear), clear.size(), subject.data(), subject.size(), nullptr,
                                             nonce.data(), key.data());
  return fmt::format("{}{}:{};", kPrefix, ToText(subject), ToBase64(box));
}

std::optional<SealedValue> FindSealed(std::string_view text, size_t from) {
  for (size_t begin = text.find(kPrefix, from); begin != std::string_view::npos;
       begin = text.find(kPrefix, begin + kPrefix.size())) {
    if (auto value = ParseAt(text, begin)) return value;
  }
  return std::nullopt;
}

bool HasSealed(std::string_view text) { return FindSealed(text).has_value(); }

bool IsSealedFor(std::string_view subject, std::string_view text) {
  const auto value = FindSealed(text);
  return value.has_value() && value->begin == 0 && value->end == text.size() && value->subject == TagOf(subject);
}

std::optional<std::string> OpenValue(const DataKey& key, const SealedValue& value) {
  const std::string_view sealed = std::string_view(value.box).substr(kNonceSize);
  std::string clear(sealed.size() - kMacSize, '\0');
  const int failed = crypto_aead_xchacha20poly1305_ietf_decrypt(
      reinterpret_cast<unsigned char*>(clear.data()), nullptr, nullptr, Bytes(sealed), sealed.size(),
      value.subject.data(), value.subject.size(), Bytes(value.box), key.data());
  if (failed != 0) return std::nullopt;
  return clear;
}

}  // namespace tradewind::seal
