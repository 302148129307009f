// What a request carries beyond its schema. The gateway is the one place that refuses it: it could neither check, hash
// nor seal such a field, and would put on the log in the clear what a newer schema calls a password. Services tolerate
// what they do not know, so that they are upgraded before the gateways, and those before the clients.
#pragma once

#include <vector>

#include "google/protobuf/message.h"

#include "tradewind/errors/problem.h"

namespace tradewind::gateway {

// Every field, at any depth, of which the schema has no number or has it with another type: in single, repeated and map
// fields, and in what a google.protobuf.Any holds, whose type has to be known. Paths end in the field's number:
// lines[2].103. Fields with a number that the schema reserves are dropped instead: old clients still send them.
// Messages may lie 100 deep. Thread-safe.
std::vector<errors::FieldViolation> TakeUnknownFields(google::protobuf::Message& message);

// INVALID_ARGUMENT with reason UNKNOWN_FIELD.
errors::Problem UnknownFields(std::vector<errors::FieldViolation> violations);

}  // namespace tradewind::gateway
