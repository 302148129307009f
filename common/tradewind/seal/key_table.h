// What is known of subjects' keys, as the log of keys tells it. A record of that log is one of
//
//   key "<subject>/<16 hexadecimal digits>", value: a wrapped key   a key was made for the subject
//   the same key, no value                                          that record is to be forgotten
//   key "<subject>", value: a time                                  the subject was erased
//
// with <subject> as in sealed_text.h. All records of a subject are on one partition, and everybody reads it from the
// beginning. So everybody agrees: the key of a subject is the first that was made for it, and none that stands behind
// its erasure counts. The topic may be compacted, since no two records that matter share a key.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "absl/status/status.h"

#include "tradewind/seal/master_key.h"
#include "tradewind/seal/sealed_text.h"

namespace tradewind::seal {

std::string KeyRecordName(const SubjectTag& subject, uint64_t number);
std::string ErasureRecordName(const SubjectTag& subject);

// Not thread-safe.
class KeyTable {
 public:
  explicit KeyTable(MasterKey master) : master_(std::move(master)) {}

  // Takes a record; `subject` is set to whom it is about. InvalidArgument for one that is of none of these forms,
  // FailedPrecondition for a key that was wrapped by another master key; neither changes anything.
  absl::Status Apply(std::string_view name, std::string_view value, SubjectTag& subject);

  enum class State { kUnknown, kKnown, kErased };
  struct Found {
    State state = State::kUnknown;
    // Of kKnown; valid until the next Apply.
    const DataKey* key = nullptr;
  };
  Found Find(const SubjectTag& subject) const;
  // Names of the records that keys of the subject are still on the log in.
  std::vector<std::string> KeyRecordsOf(const SubjectTag& subject) const;

  const MasterKey& master() const { return master_; }

 private:
  struct Subject {
    State state = State::kUnknown;
    DataKey key{};
    // The first is the one that counts.
    std::vector<uint64_t> records;
  };
  struct HashTag {
    // It is a hash already.
    size_t operator()(const SubjectTag& tag) const;
  };

  absl::Status TakeKey(std::string_view wrapped, uint64_t number, const SubjectTag& tag);

  const MasterKey master_;
  std::unordered_map<SubjectTag, Subject, HashTag> subjects_;
};

}  // namespace tradewind::seal
