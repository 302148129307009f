#include "tradewind/seal/key_table.h"

#include <fmt/format.h>
#include <sodium.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace tradewind::seal {
namespace {

constexpr size_t kTagLength = 22;
constexpr size_t kNumberLength = 16;

// The number in "<subject>/<number>".
std::optional<uint64_t> NumberIn(std::string_view name) {
  if (name.size() != kTagLength + 1 + kNumberLength || name[kTagLength] != '/') return std::nullopt;
  uint64_t number = 0;
  const char* const end = name.data() + name.size();
  const auto [stopped, error] = std::from_chars(name.data() + kTagLength + 1, end, number, 16);
  if (error != std::errc() || stopped != end) return std::nullopt;
  return number;
}

absl::Status NoRecord(std::string_view name) {
  return absl::InvalidArgumentError(fmt::format("'{}' is the name of no record of the log of keys", name));
}

}  // namespace

std::string KeyRecordName(const SubjectTag& subject, uint64_t number) {
  return fmt::format("{}/{:016x}", ToText(subject), number);
}

std::string ErasureRecordName(const SubjectTag& subject) { return ToText(subject); }

size_t KeyTable::HashTag::operator()(const SubjectTag& tag) const {
  size_t hash = 0;
  std::memcpy(&hash, tag.data(), sizeof(hash));
  return hash;
}

absl::Status KeyTable::Apply(std::string_view name, std::string_view value, SubjectTag& subject) {
  const std::optional<SubjectTag> tag = ParseTag(name.substr(0, kTagLength));
  if (!tag.has_value()) return NoRecord(name);
  subject = *tag;
  if (name.size() == kTagLength) {
    Subject& erased = subjects_[*tag];
    erased.state = State::kErased;
    sodium_memzero(erased.key.data(), erased.key.size());
    return absl::OkStatus();
  }
  const std::optional<uint64_t> number = NumberIn(name);
  if (!number.has_value()) return NoRecord(name);
  if (!value.empty()) return TakeKey(value, *number, *tag);
  if (const auto found = subjects_.find(*tag); found != subjects_.end()) std::erase(found->second.records, *number);
  return absl::OkStatus();
}

absl::Status KeyTable::TakeKey(std::string_view wrapped, uint64_t number, const SubjectTag& tag) {
  const std::optional<DataKey> key = master_.Unwrap(wrapped, tag);
  if (!key.has_value()) {
    return absl::FailedPreconditionError(
        "a key on mesh.keys.v1 was wrapped by another master key; give every process of the mesh the same "
        "seal.key_file, the one that this topic was begun with");
  }
  Subject& subject = subjects_[tag];
  subject.records.push_back(number);
  if (subject.state == State::kUnknown) {
    subject.state = State::kKnown;
    subject.key = *key;
  }
  return absl::OkStatus();
}

KeyTable::Found KeyTable::Find(const SubjectTag& subject) const {
  const auto found = subjects_.find(subject);
  if (found == subjects_.end()) return {};
  return {.state = found->second.state, .key = &found->second.key};
}

std::vector<std::string> KeyTable::KeyRecordsOf(const SubjectTag& subject) const {
  std::vector<std::string> names;
  if (const auto found = subjects_.find(subject); found != subjects_.end()) {
    for (const uint64_t number : found->second.records) names.push_back(KeyRecordName(subject, number));
  }
  return names;
}

}  // namespace tradewind::seal
