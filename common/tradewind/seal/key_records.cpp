#include "tradewind/seal/key_records.h"

#include <fmt/format.h>
#include <sodium.h>

#include <charconv>

#include "tradewind/seal/base64.h"

namespace tradewind::seal {
namespace {

constexpr size_t kTagLength = 22;
// No time is longer.
constexpr size_t kMostTimeLength = 40;
// Between what a record says and the proof of it.
constexpr std::string_view kProofMark = " 1:";

std::string ProofText(const MasterKey::Proof& proof) {
  return ToBase64({reinterpret_cast<const char*>(proof.data()), proof.size()});
}

std::string ErasureProof(const MasterKey& master, const SubjectTag& subject, std::string_view time) {
  return ProofText(master.Prove({"erasure", ToText(subject), time}));
}

bool IsTime(std::string_view text) {
  if (text.size() > kMostTimeLength || text.find(' ') != std::string_view::npos) return false;
  absl::Time time;
  std::string error;
  return absl::ParseTime(absl::RFC3339_full, std::string(text), &time, &error);
}

bool Same(std::string_view left, std::string_view right) {
  return left.size() == right.size() && sodium_memcmp(left.data(), right.data(), left.size()) == 0;
}

}  // namespace

std::string KeyRecordName(const SubjectTag& subject, uint64_t number) {
  return fmt::format("{}/{:016x}", ToText(subject), number);
}

std::string ErasureRecordName(const SubjectTag& subject) { return ToText(subject); }

std::optional<RecordName> ParseRecordName(std::string_view name) {
  const std::optional<SubjectTag> subject = ParseTag(name.substr(0, kTagLength));
  if (!subject.has_value()) return std::nullopt;
  if (name.size() == kTagLength) {
    return name == ErasureRecordName(*subject) ? std::optional(RecordName{.subject = *subject}) : std::nullopt;
  }
  uint64_t number = 0;
  const auto [stopped, error] = std::from_chars(name.data() + kTagLength + 1, name.data() + name.size(), number, 16);
  // What is written in another way, with capital letters say, is another record to Kafka.
  if (error != std::errc() || name != KeyRecordName(*subject, number)) return std::nullopt;
  return RecordName{.subject = *subject, .number = number};
}

std::string WithdrawalOf(const MasterKey& master, const SubjectTag& subject, uint64_t number) {
  return master.Wrap(master.Prove({"withdrawal", KeyRecordName(subject, number)}), subject);
}

bool IsWithdrawal(const MasterKey& master, const SubjectTag& subject, uint64_t number, const DataKey& key) {
  const DataKey mark = master.Prove({"withdrawal", KeyRecordName(subject, number)});
  return sodium_memcmp(mark.data(), key.data(), mark.size()) == 0;
}

std::string UnsignedErasure(absl::Time time) { return absl::FormatTime(absl::RFC3339_sec, time, absl::UTCTimeZone()); }

std::string SignedErasure(const MasterKey& master, const SubjectTag& subject, absl::Time time) {
  const std::string text = UnsignedErasure(time);
  return fmt::format("{}{}{}", text, kProofMark, ErasureProof(master, subject, text));
}

ErasureKind ReadErasure(const MasterKey& master, const SubjectTag& subject, std::string_view value) {
  const size_t mark = value.find(kProofMark);
  const std::string_view time = value.substr(0, mark);
  if (!IsTime(time)) return ErasureKind::kNone;
  if (mark == std::string_view::npos) return ErasureKind::kUnsigned;
  return Same(value.substr(mark + kProofMark.size()), ErasureProof(master, subject, time)) ? ErasureKind::kSigned
                                                                                           : ErasureKind::kNone;
}

std::string PartitionsRecord(const MasterKey& master, int32_t count) {
  const std::string text = std::to_string(count);
  return fmt::format("{}{}{}", text, kProofMark, ProofText(master.Prove({"partitions", text})));
}

std::optional<int32_t> ReadPartitions(const MasterKey& master, std::string_view value) {
  int32_t count = 0;
  const auto [stopped, error] = std::from_chars(value.data(), value.data() + value.size(), count);
  if (error != std::errc() || count < 1 || !Same(value, PartitionsRecord(master, count))) return std::nullopt;
  return count;
}

}  // namespace tradewind::seal
