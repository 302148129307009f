#include "tradewind/errors/problem.h"

#include <fmt/format.h>

#include <utility>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace tradewind::errors {

google::rpc::Status ToRpcStatus(const Problem& problem) {
  google::rpc::Status status;
  status.set_code(static_cast<int>(problem.code));
  status.set_message(problem.message);

  google::rpc::ErrorInfo info;
  info.set_domain(std::string(kDomain));
  info.set_reason(problem.reason);
  info.mutable_metadata()->insert(problem.metadata.begin(), problem.metadata.end());
  status.add_details()->PackFrom(info);

  if (!problem.violations.empty()) {
    google::rpc::BadRequest bad_request;
    for (const FieldViolation& violation : problem.violations) {
      auto* field = bad_request.add_field_violations();
      field->set_field(violation.field);
      field->set_description(violation.description);
    }
    status.add_details()->PackFrom(bad_request);
  }
  return status;
}

Problem InvalidFields(std::vector<FieldViolation> violations) {
  Problem problem{.code = absl::StatusCode::kInvalidArgument, .reason = "INVALID_FIELD"};
  for (const FieldViolation& violation : violations) {
    problem.message +=
        fmt::format("{}{}: {}", problem.message.empty() ? "" : "; ", violation.field, violation.description);
  }
  problem.violations = std::move(violations);
  return problem;
}

Problem NotFound(std::string_view resource, std::string_view id) {
  std::string reason;
  for (char c : resource) {
    // By hand: std::toupper follows the locale, and a reason must not.
    reason += c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : (c == ' ' || c == '-' ? '_' : c);
  }
  return Problem{.code = absl::StatusCode::kNotFound,
                 .reason = reason + "_NOT_FOUND",
                 .message = fmt::format("there is no {} with the id '{}'", resource, id),
                 .metadata = {{"resource", std::string(resource)}, {"id", std::string(id)}}};
}

Reading Read(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kAborted:
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kCancelled:
      return Reading::kRetryable;
    case absl::StatusCode::kInternal:
    case absl::StatusCode::kDataLoss:
      return Reading::kFatal;
    default:
      return Reading::kPermanent;
  }
}

}  // namespace tradewind::errors
