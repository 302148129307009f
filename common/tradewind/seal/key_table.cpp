#include "tradewind/seal/key_table.h"

#include <sodium.h>

#include <algorithm>
#include <cstring>

#include "absl/time/clock.h"

namespace tradewind::seal {
namespace {

constexpr DataKey kNoKey{};

absl::Status OtherMasterKey() {
  return absl::FailedPreconditionError(
      "a key on mesh.keys.v1 was wrapped by another master key; give every process of the mesh the same "
      "seal.key_file, the one that this topic was begun with");
}

absl::Status Useless(std::string_view why) { return absl::InvalidArgumentError(std::string(why)); }

}  // namespace

size_t KeyTable::HashTag::operator()(const SubjectTag& tag) const {
  size_t hash = 0;
  std::memcpy(&hash, tag.data(), sizeof(hash));
  return hash;
}

absl::Status KeyTable::Apply(std::string_view name, std::string_view value, SubjectTag& subject) {
  if (name == kPartitionsRecordName) {
    subject = kCheckSubject;
    return TakePartitions(value);
  }
  const std::optional<RecordName> parsed = ParseRecordName(name);
  if (!parsed.has_value()) return Useless("its key is not the name of a record of the log of keys");
  subject = parsed->subject;
  if (!parsed->number.has_value()) return TakeErasure(value, subject);
  if (!value.empty()) return TakeKey(value, *parsed->number, subject);
  TakeAway(*parsed->number, subject);
  return absl::OkStatus();
}

absl::Status KeyTable::TakePartitions(std::string_view value) {
  const std::optional<int32_t> count = ReadPartitions(master_, value);
  if (!partitions_.has_value()) partitions_ = count;
  // Compaction would leave another count, or none.
  if (count != partitions_) {
    lost_.emplace(kPartitionsRecordName);
  } else {
    lost_.erase(std::string(kPartitionsRecordName));
  }
  return count.has_value() ? absl::OkStatus() : Useless("it is in the place of the number of partitions, but is none");
}

absl::Status KeyTable::TakeErasure(std::string_view value, const SubjectTag& tag) {
  const ErasureKind kind = ReadErasure(master_, tag, value);
  const auto known = subjects_.find(tag);
  if (known != subjects_.end() && known->second.erased) {
    // Compaction would leave the record that was erased with less than there was, or with nothing.
    const bool is_less =
        kind == ErasureKind::kNone || (known->second.erased_with_proof && kind != ErasureKind::kSigned);
    if (is_less) {
      lost_.insert(ErasureRecordName(tag));
    } else {
      lost_.erase(ErasureRecordName(tag));
    }
  }
  if (kind == ErasureKind::kNone) return Useless("it is in the place of an erasure, but is none");
  if (kind == ErasureKind::kUnsigned && require_signed_) {
    return Useless("it is an erasure without a proof, and seal.require_signed_erasures is set");
  }
  if (tag == kCheckSubject) return Useless("it erases what nobody may erase");
  Subject& erased = subjects_[tag];
  erased.erased = true;
  erased.erased_with_proof = erased.erased_with_proof || kind == ErasureKind::kSigned;
  for (KeyRecord& record : erased.records) {
    sodium_memzero(record.key.data(), record.key.size());
    lost_.erase(KeyRecordName(tag, record.number));
  }
  withdrawn_.erase(tag);
  return absl::OkStatus();
}

absl::Status KeyTable::TakeKey(std::string_view wrapped, uint64_t number, const SubjectTag& tag) {
  const std::optional<DataKey> key = master_.Unwrap(wrapped, tag);
  const bool checks = tag == kCheckSubject;
  if (!key.has_value()) {
    TakeAway(number, tag);
    if (wrapped.size() != kWrappedSize) return Useless("its value is no wrapped key");
    if (checks && first_check_ == Check::kNone) first_check_ = Check::kOthers;
    ++keys_of_others_;
    return OtherMasterKey();
  }
  if (!checks) {
    ++keys_unwrapped_;
  } else if (first_check_ == Check::kNone) {
    first_check_ = Check::kOurs;
  }
  if (IsWithdrawal(master_, tag, number, *key)) {
    Withdraw(number, tag);
    return absl::OkStatus();
  }
  Subject& subject = subjects_[tag];
  const auto there = std::find_if(subject.records.begin(), subject.records.end(),
                                  [&](const KeyRecord& record) { return record.number == number; });
  if (there == subject.records.end()) {
    subject.records.push_back({.number = number, .key = subject.erased ? DataKey{} : *key});
  } else if (!subject.erased && there->key != *key) {
    TakeAway(number, tag);
  } else {
    lost_.erase(KeyRecordName(tag, number));
  }
  return absl::OkStatus();
}

void KeyTable::TakeAway(uint64_t number, const SubjectTag& tag) {
  const auto found = subjects_.find(tag);
  if (found == subjects_.end()) return;
  std::vector<KeyRecord>& records = found->second.records;
  const auto is_it = [&](const KeyRecord& record) { return record.number == number; };
  if (found->second.erased) {
    std::erase_if(records, is_it);
  } else if (std::any_of(records.begin(), records.end(), is_it)) {
    lost_.insert(KeyRecordName(tag, number));
  }
}

void KeyTable::Withdraw(uint64_t number, const SubjectTag& tag) {
  const auto found = subjects_.find(tag);
  if (found == subjects_.end()) return;
  std::vector<KeyRecord>& records = found->second.records;
  const auto record = std::find_if(records.begin(), records.end(), [&](const auto& it) { return it.number == number; });
  if (record == records.end()) return;
  const bool is_new = !found->second.erased && withdrawn_.insert_or_assign(tag, record->key).second;
  records.erase(record);
  lost_.erase(KeyRecordName(tag, number));
  if (!found->second.erased && records.empty()) subjects_.erase(found);
  if (!is_new) return;
  withdrawal_order_.push_back(tag);
  if (withdrawal_order_.size() <= kMaxWithdrawn) return;
  withdrawn_.erase(withdrawal_order_.front());
  withdrawal_order_.pop_front();
}

KeyTable::Found KeyTable::Find(const SubjectTag& subject) const {
  const auto found = subjects_.find(subject);
  if (found == subjects_.end()) return {};
  if (found->second.erased) return {.state = State::kErased, .key = &kNoKey};
  if (found->second.records.empty()) return {};
  return {.state = State::kKnown, .key = &found->second.records.front().key};
}

std::vector<DataKey> KeyTable::KeysOf(const SubjectTag& subject) const {
  std::vector<DataKey> keys;
  const auto found = subjects_.find(subject);
  if (found == subjects_.end() || found->second.erased) return keys;
  for (const KeyRecord& record : found->second.records) keys.push_back(record.key);
  return keys;
}

std::vector<std::string> KeyTable::KeyRecordsOf(const SubjectTag& subject) const {
  std::vector<std::string> names;
  if (const auto found = subjects_.find(subject); found != subjects_.end()) {
    for (const KeyRecord& record : found->second.records) names.push_back(KeyRecordName(subject, record.number));
  }
  return names;
}

const DataKey* KeyTable::WithdrawnFrom(const SubjectTag& subject) const {
  const auto found = withdrawn_.find(subject);
  return found == withdrawn_.end() ? nullptr : &found->second;
}

bool KeyTable::IsErasedWithProof(const SubjectTag& subject) const {
  const auto found = subjects_.find(subject);
  return found != subjects_.end() && found->second.erased_with_proof;
}

std::vector<SubjectTag> KeyTable::UnsignedErasures() const {
  std::vector<SubjectTag> tags;
  for (const auto& [tag, subject] : subjects_) {
    if (subject.erased && !subject.erased_with_proof) tags.push_back(tag);
  }
  return tags;
}

absl::Status KeyTable::CheckMaster() const {
  const bool has_some = first_check_ == Check::kOthers || keys_of_others_ > 0;
  if (first_check_ == Check::kOurs || keys_unwrapped_ > 0 || !has_some) return absl::OkStatus();
  return OtherMasterKey();
}

std::vector<KeyTable::Lost> KeyTable::TakeLost() {
  std::vector<Lost> lost;
  for (const std::string& name : lost_) {
    if (std::optional<Lost> record = LostRecord(name)) lost.push_back(*std::move(record));
  }
  lost_.clear();
  return lost;
}

std::optional<KeyTable::Lost> KeyTable::LostRecord(const std::string& name) const {
  if (name == kPartitionsRecordName) {
    return Lost{.subject = kCheckSubject, .name = name, .value = PartitionsRecord(master_, *partitions_)};
  }
  const std::optional<RecordName> parsed = ParseRecordName(name);
  if (!parsed.has_value()) return std::nullopt;
  const auto found = subjects_.find(parsed->subject);
  if (found == subjects_.end()) return std::nullopt;
  const Subject& subject = found->second;
  if (!parsed->number.has_value()) {
    std::string value =
        subject.erased_with_proof ? SignedErasure(master_, parsed->subject, absl::Now()) : UnsignedErasure(absl::Now());
    return Lost{.subject = parsed->subject, .name = name, .value = std::move(value)};
  }
  const auto record = std::find_if(subject.records.begin(), subject.records.end(),
                                   [&](const KeyRecord& it) { return it.number == *parsed->number; });
  if (record == subject.records.end()) return std::nullopt;
  return Lost{.subject = parsed->subject, .name = name, .value = master_.Wrap(record->key, parsed->subject)};
}

}  // namespace tradewind::seal
