// What goes wrong, said in one way everywhere: a google.rpc.Status with an ErrorInfo whose reason a program can act on,
// and a message that tells a person what to do next (AIP-193). Also the one reading of an absl::Status as retryable,
// permanent or fatal.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace google::rpc {
class Status;
}

namespace tradewind::errors {

// ErrorInfo.domain of everything that the mesh itself reports.
inline constexpr std::string_view kDomain = "tradewind";

struct FieldViolation {
  // Path of the field: "lines[2].quantity".
  std::string field;
  std::string description;
};

// An answer that is an error. Copyable.
struct Problem {
  absl::StatusCode code = absl::StatusCode::kUnknown;
  // UPPER_SNAKE_CASE, stable: "EMAIL_TAKEN".
  std::string reason;
  // For a person.
  std::string message;
  // ErrorInfo.metadata.
  std::map<std::string, std::string> metadata;
  // BadRequest, where not empty.
  std::vector<FieldViolation> violations;
};

google::rpc::Status ToRpcStatus(const Problem& problem);

// INVALID_ARGUMENT with reason INVALID_FIELD; the message lists the fields.
Problem InvalidFields(std::vector<FieldViolation> violations);
// NOT_FOUND with reason <RESOURCE>_NOT_FOUND: NotFound("order", id).
Problem NotFound(std::string_view resource, std::string_view id);

enum class Reading {
  // Try the same thing again later.
  kRetryable,
  // The same thing will fail again; something else must change first.
  kPermanent,
  // The process cannot go on.
  kFatal,
};
// UNAVAILABLE, DEADLINE_EXCEEDED, ABORTED, RESOURCE_EXHAUSTED and CANCELLED are retryable; INTERNAL and DATA_LOSS
// fatal; all else permanent. Meaningless for OK.
Reading Read(const absl::Status& status);

}  // namespace tradewind::errors
