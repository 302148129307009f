#include "tradewind/config/value.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "yaml-cpp/yaml.h"

namespace tradewind::config {
namespace {

// Debian's abseil has a string_view of its own.
absl::string_view View(std::string_view text) { return {text.data(), text.size()}; }

absl::Status NotA(std::string_view text, std::string_view what) {
  return absl::InvalidArgumentError(fmt::format("is '{}', not {}", text, what));
}

template <typename Integer>
absl::Status ParseInteger(std::string_view text, Integer* value) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *value);
  if (error == std::errc::result_out_of_range) {
    return absl::InvalidArgumentError(fmt::format("is {}; allowed: {} to {}", text, std::numeric_limits<Integer>::min(),
                                                  std::numeric_limits<Integer>::max()));
  }
  if (error != std::errc() || end != text.data() + text.size()) return NotA(text, "a whole number");
  return absl::OkStatus();
}

struct Unit {
  std::string_view name;
  int64_t bytes;
};

// Largest first, so that formatting takes the largest that divides the size.
constexpr std::array<Unit, 9> kUnits = {{{"TiB", int64_t{1} << 40},
                                         {"TB", 1'000'000'000'000},
                                         {"GiB", int64_t{1} << 30},
                                         {"GB", 1'000'000'000},
                                         {"MiB", int64_t{1} << 20},
                                         {"MB", 1'000'000},
                                         {"KiB", int64_t{1} << 10},
                                         {"kB", 1'000},
                                         {"B", 1}}};

}  // namespace

absl::Status ParseValue(std::string_view text, bool* value) {
  if (!absl::SimpleAtob(View(text), value)) return NotA(text, "true or false");
  return absl::OkStatus();
}

absl::Status ParseValue(std::string_view text, int32_t* value) { return ParseInteger(text, value); }

absl::Status ParseValue(std::string_view text, int64_t* value) { return ParseInteger(text, value); }

absl::Status ParseValue(std::string_view text, double* value) {
  if (!absl::SimpleAtod(View(text), value) || !std::isfinite(*value)) return NotA(text, "a number");
  return absl::OkStatus();
}

absl::Status ParseValue(std::string_view text, std::string* value) {
  *value = std::string(text);
  return absl::OkStatus();
}

absl::Status ParseValue(std::string_view text, absl::Duration* value) {
  // Infinity would overflow wherever a duration becomes milliseconds for a library.
  if (!absl::ParseDuration(View(text), value) || *value == absl::InfiniteDuration() ||
      *value == -absl::InfiniteDuration()) {
    return NotA(text, "a duration such as 250ms, 5s or 1h30m");
  }
  return absl::OkStatus();
}

absl::Status ParseValue(std::string_view text, ByteSize* value) {
  constexpr std::string_view kWhat = "a size such as 64MiB, 10kB or 4096";
  int64_t count = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (error != std::errc() || count < 0) return NotA(text, kWhat);
  std::string_view suffix = text.substr(end - text.data());
  while (suffix.starts_with(' ')) suffix.remove_prefix(1);
  if (suffix.empty()) suffix = "B";
  for (const Unit& unit : kUnits) {
    if (!absl::EqualsIgnoreCase(View(suffix), View(unit.name))) continue;
    if (count > std::numeric_limits<int64_t>::max() / unit.bytes) return NotA(text, kWhat);
    value->bytes = count * unit.bytes;
    return absl::OkStatus();
  }
  return NotA(text, kWhat);
}

absl::Status ParseValue(std::string_view text, Secret* value) {
  *value = Secret(std::string(text));
  return absl::OkStatus();
}

absl::Status ParseValue(std::string_view text, TextList* value) {
  value->clear();
  if (absl::StripAsciiWhitespace(View(text)).empty()) return absl::OkStatus();
  for (absl::string_view part : absl::StrSplit(View(text), ',')) {
    value->emplace_back(absl::StripAsciiWhitespace(part));
    if (value->back().empty()) return NotA(text, "a comma-separated list: an element is empty");
  }
  return absl::OkStatus();
}

absl::Status ParseValue(std::string_view text, TextMap* value) {
  TextList pairs;
  value->clear();
  if (absl::Status status = ParseValue(text, &pairs); !status.ok()) return status;
  for (const std::string& pair : pairs) {
    std::size_t equals = pair.find('=');
    if (equals == 0 || equals == std::string::npos) return NotA(text, "pairs such as a=b,c=d");
    if (!value->emplace(pair.substr(0, equals), pair.substr(equals + 1)).second) {
      return NotA(text, fmt::format("pairs with one value a name: '{}' has two", pair.substr(0, equals)));
    }
  }
  return absl::OkStatus();
}

std::string FormatValue(bool value) { return value ? "true" : "false"; }

std::string FormatValue(int32_t value) { return fmt::format("{}", value); }

std::string FormatValue(int64_t value) { return fmt::format("{}", value); }

std::string FormatValue(double value) { return fmt::format("{}", value); }

std::string FormatValue(const std::string& value) { return value; }

std::string FormatValue(absl::Duration value) { return absl::FormatDuration(value); }

std::string FormatValue(ByteSize value) {
  for (const Unit& unit : kUnits) {
    if (unit.bytes > 1 && value.bytes != 0 && value.bytes % unit.bytes == 0) {
      return fmt::format("{}{}", value.bytes / unit.bytes, unit.name);
    }
  }
  return fmt::format("{}", value.bytes);
}

std::string FormatValue(const Secret& value) { return value.value().empty() ? "" : "******"; }

std::string FormatValue(const TextList& value) { return fmt::format("{}", fmt::join(value, ",")); }

std::string FormatValue(const TextMap& value) {
  std::string text;
  for (const auto& [name, entry] : value) text += fmt::format("{}{}={}", text.empty() ? "" : ",", name, entry);
  return text;
}

absl::Status ParseScalar(const YAML::Node& node, std::string* text) {
  if (node.IsNull()) return absl::InvalidArgumentError("has no value; write \"\" for an empty text");
  if (node.IsSequence()) return absl::InvalidArgumentError("is a list, not a single value");
  if (node.IsMap()) return absl::InvalidArgumentError("is a map, not a single value");
  *text = node.Scalar();
  return absl::OkStatus();
}

absl::Status ParseNode(const YAML::Node& node, TextList* value) {
  std::string text;
  if (!node.IsSequence()) {
    if (node.IsMap()) return absl::InvalidArgumentError("is a map, not a list");
    if (absl::Status status = ParseScalar(node, &text); !status.ok()) return status;
    return ParseValue(text, value);
  }
  value->clear();
  for (const YAML::Node& element : node) {
    if (!element.IsScalar()) return absl::InvalidArgumentError("is a list with an element that is not a text");
    value->push_back(element.Scalar());
  }
  return absl::OkStatus();
}

absl::Status ParseNode(const YAML::Node& node, TextMap* value) {
  std::string text;
  if (!node.IsMap()) {
    if (node.IsSequence()) return absl::InvalidArgumentError("is a list, not a map");
    if (absl::Status status = ParseScalar(node, &text); !status.ok()) return status;
    return ParseValue(text, value);
  }
  value->clear();
  for (const auto& entry : node) {
    if (!entry.first.IsScalar() || !entry.second.IsScalar()) {
      return absl::InvalidArgumentError("is a map with an entry that is not a text");
    }
    if (!value->emplace(entry.first.Scalar(), entry.second.Scalar()).second) {
      return absl::InvalidArgumentError(fmt::format("has '{}' twice", entry.first.Scalar()));
    }
  }
  return absl::OkStatus();
}

}  // namespace tradewind::config
