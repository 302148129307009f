#include "tradewind/store/postgres_status.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <optional>
#include <utility>

#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"

namespace tradewind::store {
namespace {

constexpr absl::string_view kPayload = "tradewind.dev/sqlstate";
constexpr size_t kSqlStateLength = 5;

struct Reading {
  // A whole SQLSTATE, or the first characters that a class shares. The first that fits counts.
  std::string_view prefix;
  absl::StatusCode code;
};

constexpr auto kReadings = std::to_array<Reading>({
    // The server cannot be reached, shuts down, starts up, or has no room for another connection.
    {"08", absl::StatusCode::kUnavailable},
    {"57", absl::StatusCode::kUnavailable},
    {"53100", absl::StatusCode::kResourceExhausted},
    {"53", absl::StatusCode::kUnavailable},
    // A deadlock, or an isolation level above ours: repeated first, see IsWorthRepeating.
    {"40", absl::StatusCode::kUnavailable},
    {"55P03", absl::StatusCode::kUnavailable},
    // Became a standby: the primary is elsewhere now.
    {"25006", absl::StatusCode::kUnavailable},
    {"25P0", absl::StatusCode::kUnavailable},
    // The disk under the server fails.
    {"58", absl::StatusCode::kUnavailable},
    {"XX001", absl::StatusCode::kDataLoss},
    {"XX002", absl::StatusCode::kDataLoss},
    {"21", absl::StatusCode::kInvalidArgument},
    {"22", absl::StatusCode::kInvalidArgument},
    {"23", absl::StatusCode::kInvalidArgument},
    {"54", absl::StatusCode::kInvalidArgument},
    {"28", absl::StatusCode::kPermissionDenied},
    {"42501", absl::StatusCode::kPermissionDenied},
    {"3D", absl::StatusCode::kFailedPrecondition},
    {"3F", absl::StatusCode::kFailedPrecondition},
    // A table or function of ours is gone: someone dropped the schema.
    {"42P01", absl::StatusCode::kFailedPrecondition},
    {"42883", absl::StatusCode::kFailedPrecondition},
});

absl::StatusCode CodeOf(std::string_view sqlstate) {
  if (sqlstate.empty()) return absl::StatusCode::kUnavailable;
  const auto* const reading = std::find_if(kReadings.begin(), kReadings.end(), [&](const Reading& candidate) {
    return sqlstate.substr(0, candidate.prefix.size()) == candidate.prefix;
  });
  return reading == kReadings.end() ? absl::StatusCode::kInternal : reading->code;
}

}  // namespace

absl::Status PostgresStatus(std::string_view sqlstate, std::string_view where, std::string_view detail) {
  const std::string text = sqlstate.empty() ? fmt::format("{}: {}", where, detail)
                                            : fmt::format("{}: {} (SQLSTATE {})", where, detail, sqlstate);
  absl::Status status(CodeOf(sqlstate), text);
  if (!sqlstate.empty()) status.SetPayload(kPayload, absl::Cord(absl::string_view(sqlstate.data(), sqlstate.size())));
  return status;
}

std::string SqlStateOf(const absl::Status& status) {
  const auto payload = status.GetPayload(kPayload);
  return payload.has_value() ? std::string(*payload) : std::string();
}

bool IsWorthRepeating(const absl::Status& status) {
  const std::string sqlstate = SqlStateOf(status);
  return sqlstate == "40001" || sqlstate == "40P01";
}

bool EndsConnection(const absl::Status& status) {
  const std::string sqlstate = SqlStateOf(status);
  return absl::StartsWith(sqlstate, "08") || absl::StartsWith(sqlstate, "57P") || sqlstate == "25006";
}

std::string SqlStateOfConnect(std::string_view message) {
  // "FATAL:  28P01: password authentication failed ...", the first word in the server's language. Of several hosts
  // the last one counts, which is the one that libpq gave up at.
  static constexpr std::string_view kBefore = ":  ";
  for (size_t at = message.rfind(kBefore); at != std::string_view::npos && at > 0;
       at = message.rfind(kBefore, at - 1)) {
    const std::string_view rest = message.substr(at + kBefore.size());
    if (rest.size() <= kSqlStateLength || rest[kSqlStateLength] != ':') continue;
    const std::string_view sqlstate = rest.substr(0, kSqlStateLength);
    const bool plausible = std::all_of(sqlstate.begin(), sqlstate.end(),
                                       [](unsigned char c) { return std::isdigit(c) != 0 || std::isupper(c) != 0; });
    if (plausible) return std::string(sqlstate);
  }
  return {};
}

std::string OneLine(std::string_view message) {
  std::string line;
  for (absl::string_view part : absl::StrSplit(absl::string_view(message.data(), message.size()), '\n')) {
    part = absl::StripAsciiWhitespace(part);
    if (part.empty() || absl::StartsWith(part, "LOCATION:")) continue;
    if (!line.empty()) line += "; ";
    line.append(part.data(), part.size());
  }
  return line;
}

}  // namespace tradewind::store
