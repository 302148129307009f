#include "tradewind/telemetry/log_line.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <type_traits>
#include <variant>

#include "nlohmann/json.hpp"

namespace tradewind::telemetry {
namespace {

constexpr std::array<std::string_view, 6> kHeadNames = {"time", "level", "service", "logger", "message", "trace_id"};

nlohmann::ordered_json ToJson(const Field::Value& value) {
  return std::visit(
      [](const auto& v) -> nlohmann::ordered_json {
        using T = std::decay_t<decltype(v)>;
        if constexpr (std::is_same_v<T, absl::Duration>) {
          return absl::FormatDuration(v);
        } else {
          return v;
        }
      },
      value);
}

void AppendEscaped(std::string_view text, std::string& out) {
  for (char c : text) {
    if (c == '\n') {
      out += "\\n";
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      fmt::format_to(std::back_inserter(out), "\\x{:02x}", static_cast<unsigned char>(c));
    } else {
      out += c;
    }
  }
}

// Bare where it cannot be taken for anything but one value.
void AppendText(std::string_view text, std::string& out) {
  if (!text.empty() && text.find_first_of(" \"=\\") == std::string_view::npos) {
    AppendEscaped(text, out);
    return;
  }
  std::string quoted;
  for (char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  out += '"';
  AppendEscaped(quoted, out);
  out += '"';
}

void AppendValue(const Field::Value& value, std::string& out) {
  std::visit(
      [&out](const auto& v) {
        using T = std::decay_t<decltype(v)>;
        if constexpr (std::is_same_v<T, std::string_view>) {
          AppendText(v, out);
        } else if constexpr (std::is_same_v<T, absl::Duration>) {
          out += absl::FormatDuration(v);
        } else {
          fmt::format_to(std::back_inserter(out), "{}", v);
        }
      },
      value);
}

}  // namespace

std::string JsonLine(const LineHead& head, std::initializer_list<Field> fields) {
  nlohmann::ordered_json line;
  line["time"] = absl::FormatTime("%Y-%m-%d%ET%H:%M:%E6SZ", head.time, absl::UTCTimeZone());
  line["level"] = head.level;
  if (!head.service.empty()) line["service"] = head.service;
  line["logger"] = head.logger;
  line["message"] = head.message;
  if (!head.trace_id.empty()) line["trace_id"] = head.trace_id;
  for (const Field& field : fields) {
    std::string name(field.name);
    if (std::find(kHeadNames.begin(), kHeadNames.end(), field.name) != kHeadNames.end()) name += '_';
    line[name] = ToJson(field.value);
  }
  return line.dump(-1, ' ', /*ensure_ascii=*/false, nlohmann::ordered_json::error_handler_t::replace);
}

std::string TextLine(std::string_view message, std::string_view trace_id, std::initializer_list<Field> fields) {
  std::string line;
  AppendEscaped(message, line);
  if (fields.size() > 0 || !trace_id.empty()) line += ' ';
  for (const Field& field : fields) {
    line += ' ';
    AppendEscaped(field.name, line);
    line += '=';
    AppendValue(field.value, line);
  }
  if (!trace_id.empty()) fmt::format_to(std::back_inserter(line), " trace_id={}", trace_id);
  return line;
}

}  // namespace tradewind::telemetry
