// What is known of subjects' keys, as the log of keys tells it (key_records.h). All records of a subject are on one
// partition, also after partitions were added, and everybody reads it from the beginning. So everybody agrees: the key
// of a subject is the first that was made for it, and none that stands behind its erasure counts. The topic may be
// compacted, since no two records that matter share a key.
//
// Whoever can write to the topic can put anything on it. A record that is of no form of ours, or of no use with our
// master key, changes nothing. A record that takes away a key without an erasure or a withdrawal, by removing or by
// replacing it, changes nothing here either, but would once the topic is compacted: it is to be written again.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "absl/status/status.h"

#include "tradewind/seal/key_records.h"
#include "tradewind/seal/master_key.h"
#include "tradewind/seal/sealed_text.h"

namespace tradewind::seal {

// Not thread-safe.
class KeyTable {
 public:
  // Keys that were withdrawn and are remembered, so that a repeated call is sealed with the one of the first.
  static constexpr size_t kMaxWithdrawn = 10'000;

  // `require_signed`: whether an erasure without a proof counts for nothing.
  explicit KeyTable(const MasterKey& master, bool require_signed = false)
      : master_(master), require_signed_(require_signed) {}

  // Takes a record; `subject` is set to whom it is about. InvalidArgument, saying why, for one that is of no form or of
  // no use, FailedPrecondition for one with the form of a key that cannot be unwrapped; neither gives anybody a key.
  absl::Status Apply(std::string_view name, std::string_view value, SubjectTag& subject);

  enum class State { kUnknown, kKnown, kErased };
  struct Found {
    State state = State::kUnknown;
    // Of kKnown; zeros of kErased. Valid until the next Apply.
    const DataKey* key = nullptr;
  };
  Found Find(const SubjectTag& subject) const;
  // All keys of a subject, the one that counts first. More than one where several processes made one at once; what was
  // sealed with any of them can be opened whichever counts after a compaction.
  std::vector<DataKey> KeysOf(const SubjectTag& subject) const;
  // Names of the records that keys of the subject are still on the log in.
  std::vector<std::string> KeyRecordsOf(const SubjectTag& subject) const;
  // The key that was withdrawn from the subject last; null where that is not known.
  const DataKey* WithdrawnFrom(const SubjectTag& subject) const;

  bool IsErasedWithProof(const SubjectTag& subject) const;
  // Subjects whose erasure nobody proved.
  std::vector<SubjectTag> UnsignedErasures() const;

  // To be asked once the log has been read. FailedPrecondition, saying what to do, where the log was begun with another
  // master key: the record for checking is not of ours or missing, and we can unwrap no key at all though there are
  // some.
  absl::Status CheckMaster() const;
  // Whether the log has our record for checking the master key.
  bool HasCheck() const { return Find(kCheckSubject).state == State::kKnown; }
  // Over how many partitions of the log subjects are spread: the first that was proved. Nullopt where none was.
  std::optional<int32_t> partitions() const { return partitions_; }

  // A record that was taken away and has to be written again: its subject, name and value. Each is told once.
  struct Lost {
    SubjectTag subject{};
    std::string name;
    std::string value;
  };
  bool HasLost() const { return !lost_.empty(); }
  std::vector<Lost> TakeLost();

  const MasterKey& master() const { return master_; }

 private:
  struct KeyRecord {
    uint64_t number = 0;
    DataKey key{};
  };
  struct Subject {
    bool erased = false;
    bool erased_with_proof = false;
    // The first is the one that counts. Without keys once the subject is erased.
    std::vector<KeyRecord> records;
  };
  struct HashTag {
    // It is a hash already.
    size_t operator()(const SubjectTag& tag) const;
  };

  absl::Status TakePartitions(std::string_view value);
  absl::Status TakeErasure(std::string_view value, const SubjectTag& tag);
  absl::Status TakeKey(std::string_view wrapped, uint64_t number, const SubjectTag& tag);
  // The record was removed, or has a value now that is not its key.
  void TakeAway(uint64_t number, const SubjectTag& tag);
  void Withdraw(uint64_t number, const SubjectTag& tag);
  // Returns nullopt where the record is not to be there any more.
  std::optional<Lost> LostRecord(const std::string& name) const;

  const MasterKey master_;
  const bool require_signed_;
  std::unordered_map<SubjectTag, Subject, HashTag> subjects_;
  // The newest last.
  std::deque<SubjectTag> withdrawal_order_;
  std::unordered_map<SubjectTag, DataKey, HashTag> withdrawn_;
  std::optional<int32_t> partitions_;
  // Names.
  std::set<std::string, std::less<>> lost_;
  // Records in the form of a key: whether the first one for checking was ours, and how many of all the others were.
  enum class Check { kNone, kOurs, kOthers };
  Check first_check_ = Check::kNone;
  size_t keys_unwrapped_ = 0;
  size_t keys_of_others_ = 0;
};

}  // namespace tradewind::seal
