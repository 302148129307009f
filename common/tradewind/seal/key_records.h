// The form of the records on the log of keys: what is written there, and the only place that reads it. A record is one
// of
//
//   key "<subject>/<16 hexadecimal digits>", value: a wrapped key   a key was made for the subject
//   the same key, value: a wrapped key that marks a withdrawal      that key was made in vain: it counts no more
//   the same key, no value                                          the record is removed
//   key "<subject>", value: "<time> 1:<proof>"                      the subject was erased
//   key "<subject>", value: "<time>"                                the same, by a version that proved nothing
//   key "partitions", value: "<count> 1:<proof>"                    subjects are spread over that many partitions
//
// with <subject> as in sealed_text.h, the digits in lower case, and a time as RFC 3339 has it.
// A proof is the base64 of MasterKey::Prove({"erasure", <subject>, <time>}), or of Prove({"partitions", <count>}). A
// key that marks a withdrawal is MasterKey::Prove({"withdrawal", <name of the record>}): a version that does not know
// of withdrawals takes it for one more key. kCheckSubject has a key of nothing but zeros, by which a process sees that
// it has the right master key.
//
// Nothing here trusts what it is given. Pure and thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/time/time.h"

#include "tradewind/seal/master_key.h"
#include "tradewind/seal/sealed_text.h"

namespace tradewind::seal {

// Nobody's: no id has this hash.
inline constexpr SubjectTag kCheckSubject{};
inline constexpr DataKey kCheckKey{};

// What a record's name says it is about.
struct RecordName {
  SubjectTag subject{};
  // Of a key's record; nothing for that of an erasure.
  std::optional<uint64_t> number;
};
std::string KeyRecordName(const SubjectTag& subject, uint64_t number);
std::string ErasureRecordName(const SubjectTag& subject);
// Nothing for what neither of the two writes.
std::optional<RecordName> ParseRecordName(std::string_view name);

// The value of a record that withdraws the key in the record of that name.
std::string WithdrawalOf(const MasterKey& master, const SubjectTag& subject, uint64_t number);
// Whether a key that was unwrapped from the record of that name marks a withdrawal.
bool IsWithdrawal(const MasterKey& master, const SubjectTag& subject, uint64_t number, const DataKey& key);

enum class ErasureKind { kNone, kUnsigned, kSigned };
std::string SignedErasure(const MasterKey& master, const SubjectTag& subject, absl::Time time);
std::string UnsignedErasure(absl::Time time);
// kNone for anything that is neither: an empty value, a signature that does not fit.
ErasureKind ReadErasure(const MasterKey& master, const SubjectTag& subject, std::string_view value);

// The record that says over how many partitions subjects are spread stands on partition 0.
inline constexpr std::string_view kPartitionsRecordName = "partitions";
std::string PartitionsRecord(const MasterKey& master, int32_t count);
// Returns nullopt for what is no such value, or was signed with another master key.
std::optional<int32_t> ReadPartitions(const MasterKey& master, std::string_view value);

}  // namespace tradewind::seal
