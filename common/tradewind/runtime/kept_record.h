// Records on their way into the store and back: what is kept is all that is needed to handle one as if it had just
// come from Kafka.
#pragma once

#include <string>

#include "absl/status/statusor.h"

#include "tradewind/bus/record.h"
#include "tradewind/runtime/task.h"
#include "tradewind/store/store.h"

namespace tradewind::runtime {

// Serialized mesh.v1.KeptRecord. `unhandled`: there is no handler for it.
std::string SerializeRecord(const bus::Record& record, bool unhandled = false);
struct Kept {
  bus::Record record;
  // An earlier version kept it, which did not compare its key with its message, nor note whether it had a handler.
  bool unchecked = false;
  bool unhandled = false;
};
// DataLoss when the bytes do not parse.
absl::StatusOr<Kept> ParseRecord(const std::string& bytes);

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
