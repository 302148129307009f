// How one log line looks, as text for a person and as JSON for a machine. Pure functions, private to this folder.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

#include "absl/time/time.h"

#include "tradewind/telemetry/logger.h"

namespace tradewind::telemetry {

struct LineHead {
  absl::Time time;
  std::string_view level;
  // Left out where empty, as trace_id is.
  std::string_view service;
  std::string_view logger;
  std::string_view message;
  std::string_view trace_id;
};

// One JSON object without a line break: time (RFC 3339, UTC, microseconds), level, service, logger, message, trace_id
// and the fields. Bytes that are not UTF-8 become U+FFFD; a duration is a text such as "250ms". A field named as one of
// the former gets an underscore behind it.
std::string JsonLine(const LineHead& head, std::initializer_list<Field> fields);

// "message  name=value name=\"two words\" trace_id=...". Control characters are escaped, so that a line stays one line.
std::string TextLine(std::string_view message, std::string_view trace_id, std::initializer_list<Field> fields);

}  // namespace tradewind::telemetry
