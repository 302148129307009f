// The part of Keys that erases.
#include <algorithm>
#include <string>
#include <vector>

#include "absl/time/clock.h"

#include "tradewind/seal/key_records.h"
#include "tradewind/seal/keys.h"

namespace tradewind::seal {

absl::Status Keys::PutErasure(const SubjectTag& subject) {
  return log_->Append(subject, ErasureRecordName(subject), SignedErasure(table_->master(), subject, absl::Now()));
}

absl::Status Keys::Erase(std::string_view subject, absl::Time deadline) {
  if (absl::Status status = CheckStarted(); !status.ok()) return status;
  const SubjectTag tag = TagOf(subject);
  const auto erased = [&] { return table_->IsErasedWithProof(tag); };
  if (!Await(absl::InfinitePast(), erased)) {
    if (absl::Status status = PutErasure(tag); !status.ok()) return status;
  }
  // Once the erasure has come back, every key that stands before it has too.
  const auto overdue = [] { return absl::UnavailableError("the erasure could not be put on mesh.keys.v1 in time"); };
  if (!Await(deadline, erased)) return overdue();
  std::vector<std::string> records;
  {
    const Lock lock(mutex_);
    records = table_->KeyRecordsOf(tag);
  }
  for (const std::string& name : records) {
    if (absl::Status status = log_->Append(tag, name, ""); !status.ok()) return status;
  }
  if (!Await(deadline, [&] { return table_->KeyRecordsOf(tag).empty(); })) return overdue();
  return absl::OkStatus();
}

size_t Keys::CountUnsignedErasures() const {
  if (!started_) return 0;
  const Lock lock(mutex_);
  return table_->UnsignedErasures().size();
}

absl::Status Keys::SignErasures(absl::Time deadline) {
  if (absl::Status status = CheckStarted(); !status.ok()) return status;
  std::vector<SubjectTag> subjects;
  {
    const Lock lock(mutex_);
    subjects = table_->UnsignedErasures();
  }
  for (const SubjectTag& subject : subjects) {
    if (absl::Status status = PutErasure(subject); !status.ok()) return status;
  }
  const auto signed_all = [&] {
    return std::all_of(subjects.begin(), subjects.end(),
                       [&](const SubjectTag& subject) { return table_->IsErasedWithProof(subject); });
  };
  if (!Await(deadline, signed_all)) {
    return absl::UnavailableError("not all erasures could be signed on mesh.keys.v1 in time; try again");
  }
  return absl::OkStatus();
}

}  // namespace tradewind::seal
