#include "tradewind/commands/problems.h"

#include <fmt/format.h>

#include <optional>
#include <string>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace tradewind::commands {
namespace {

constexpr char kOutcomePending[] = "OUTCOME_PENDING";

std::optional<std::string> ReasonOf(const google::rpc::Status& error) {
  for (const google::protobuf::Any& detail : error.details()) {
    google::rpc::ErrorInfo info;
    if (detail.UnpackTo(&info)) return info.reason();
  }
  return std::nullopt;
}

}  // namespace

errors::Problem NotAccepted() {
  return {.code = absl::StatusCode::kUnavailable,
          .reason = "NOT_ACCEPTED",
          .message = "Kafka did not take the command; nothing was done, try again"};
}

errors::Problem OutcomePending(std::string_view why, bool has_request_id) {
  return {.code = absl::StatusCode::kDeadlineExceeded,
          .reason = kOutcomePending,
          .message = fmt::format(
              "{}; the command may still take effect. {}", why,
              has_request_id ? "Repeat the call with the same request_id to learn its outcome: it never acts twice."
                             : "Read the resource before calling again, and give a request_id next time: a call "
                               "repeated with the same one never acts twice.")};
}

bool IsDecided(const google::rpc::Status& error) {
  const std::optional<std::string> reason = ReasonOf(error);
  return reason.has_value() && *reason != kOutcomePending && *reason != "COMMAND_DEAD" &&
         *reason != "REQUEST_ID_REUSED";
}

bool IsPending(const google::rpc::Status& error) { return ReasonOf(error) == kOutcomePending; }

}  // namespace tradewind::commands
