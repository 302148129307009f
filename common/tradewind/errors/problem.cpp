#include "tradewind/errors/problem.h"

#include <fmt/format.h>

#include <utility>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

#include "tradewind/errors/printable.h"

namespace tradewind::errors {

namespace {

// Bytes of a message, of a value of metadata, and of all violations together.
constexpr size_t kMaxMessage = 1'000;
constexpr size_t kMaxEcho = 100;
constexpr size_t kMaxViolations = 2'000;

// The text itself as a rule. A caller can read nothing of a status with one field that is not UTF-8.
std::string Text(std::string_view text) { return IsUtf8(text) ? std::string(text) : Printable(text); }

google::rpc::BadRequest ToBadRequest(const std::vector<FieldViolation>& violations) {
  google::rpc::BadRequest bad_request;
  size_t bytes = 0;
  for (const FieldViolation& violation : violations) {
    bytes += violation.field.size() + violation.description.size();
    if (bytes > kMaxViolations) break;
    auto* field = bad_request.add_field_violations();
    field->set_field(Text(violation.field));
    field->set_description(Text(violation.description));
  }
  return bad_request;
}

}  // namespace

// What is sent fits into 8 KiB of HTTP/2 headers, which clients refuse to exceed, whatever the problem echoes.
google::rpc::Status ToRpcStatus(const Problem& problem) {
  google::rpc::Status status;
  status.set_code(static_cast<int>(problem.code));
  status.set_message(Shortened(Text(problem.message), kMaxMessage));

  google::rpc::ErrorInfo info;
  info.set_domain(std::string(kDomain));
  info.set_reason(Text(problem.reason));
  for (const auto& [name, value] : problem.metadata) {
    (*info.mutable_metadata())[Text(name)] = Shortened(Text(value), kMaxEcho);
  }
  status.add_details()->PackFrom(info);

  if (!problem.violations.empty()) status.add_details()->PackFrom(ToBadRequest(problem.violations));
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
  const std::string shown = Shortened(id, kMaxEcho);
  return Problem{.code = absl::StatusCode::kNotFound,
                 .reason = reason + "_NOT_FOUND",
                 .message = fmt::format("there is no {} with the id '{}'", resource, shown),
                 .metadata = {{"resource", std::string(resource)}, {"id", shown}}};
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
