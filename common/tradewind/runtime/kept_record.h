// Records on their way into the store and back: what is kept is all that is needed to handle one as if it had just
// come from Kafka.
#pragma once

#include <string>

#include "absl/status/statusor.h"

#include "tradewind/bus/record.h"
#include "tradewind/runtime/task.h"
#include "tradewind/store/store.h"

namespace tradewind::runtime {

// What is noted of a record that is kept, as the fields of mesh.v1.KeptRecord of these names say it.
struct KeptNotes {
  bool unhandled = false;
  bool untaken = false;
};
// Serialized mesh.v1.KeptRecord.
std::string SerializeRecord(const bus::Record& record, KeptNotes notes = {});
struct Kept {
  bus::Record record;
  // An earlier version kept it, which did not compare its key with its message, and noted nothing.
  bool unchecked = false;
  KeptNotes notes;
};
// DataLoss when the bytes do not parse.
absl::StatusOr<Kept> ParseRecord(const std::string& bytes);

// Returns the record that a person asks to have handled, where it was refused before it was taken from its topic and
// can be read; nullopt for any other.
std::optional<bus::Record> UntakenOf(const store::KeptRecord& requested);

// Returns the update after which what was requested of a record is done with, and nothing else about it has changed.
store::KeptUpdate AsItIs(const store::KeptRecord& requested);

// Returns the key under which a record is kept: its own, or a key of its place where it has none, so that it has a
// queue of its own.
std::string KeptKeyOf(const bus::Record& record);
// Returns the name of the queue that a record belongs to: the short form of the key under which it is kept.
std::string QueueKeyOf(const bus::Record& record);

// Whether the record is the one that was marked.
bool IsSuspect(const Suspect& suspect, const bus::Record& record);

// Inputs that come from the store. DataLoss when the stored record does not parse.
absl::StatusOr<Input> HeldInput(Task& task, const store::KeptRecord& kept);
absl::StatusOr<Input> QueuedInput(Task& task, const store::KeptRecord& kept);
absl::StatusOr<Input> TimerInput(Task& task, const store::Timer& timer);

}  // namespace tradewind::runtime
