// What the options of a command say beside its rules: where it goes, and what the gateway makes of its fields before it
// goes there. Worked out once at start.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "google/protobuf/descriptor.h"

namespace tradewind::gateway {

// How a request becomes a command on the log.
struct CommandShape {
  // Without the configured prefix.
  std::string topic;
  // The field whose value is the message key.
  const google::protobuf::FieldDescriptor* key = nullptr;
  // Whether the gateway fills the key in where it is empty.
  bool key_is_generated = false;
  // Null for a request without one.
  const google::protobuf::FieldDescriptor* request_id = nullptr;
  // Replaced by their hash.
  std::vector<const google::protobuf::FieldDescriptor*> hashed;
  // Replaced by what only the key of their subject opens.
  std::vector<const google::protobuf::FieldDescriptor*> sealed;
  // The field that names whose data the command holds; null where it says nothing of that.
  const google::protobuf::FieldDescriptor* subject = nullptr;
  // Whether the command creates that subject, and it is given its key; it must have one already otherwise.
  bool subject_is_created = false;
  // What the subject is called in a refusal: "user".
  std::string subject_kind;
  // Filled in.
  struct Fingerprint {
    const google::protobuf::FieldDescriptor* field = nullptr;
    const google::protobuf::FieldDescriptor* of = nullptr;
  };
  std::vector<Fingerprint> fingerprints;
  std::vector<const google::protobuf::FieldDescriptor*> secrets;
  // Number of the response's string field `id`; 0 where it has none.
  int response_id_number = 0;

  bool needs_keys() const { return subject != nullptr || !fingerprints.empty() || !secrets.empty(); }
};

// FailedPrecondition, naming method or field and what to correct, where the options leave something open or contradict
// one another.
absl::StatusOr<CommandShape> ShapeOf(const google::protobuf::MethodDescriptor& method);

// Options that only have a meaning on the fields of a command itself are refused everywhere else in a request: there
// they would be silently without effect, and a password would reach the log.
absl::Status RefuseDeepOptions(const google::protobuf::Descriptor& request, bool is_command);

// Whether a message of this type may hold a sealed field, at any depth.
bool MayHoldSealed(const google::protobuf::Descriptor& type);

}  // namespace tradewind::gateway
