// How each type that a setting may have is read from text or YAML and written as text. Used by the fields only. A
// failed reading is InvalidArgument whose message goes on from "setting 'x' ": "is 'soon', not a duration such as ...".
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"

#include "tradewind/config/config.h"

namespace YAML {
class Node;
}

namespace tradewind::config {

using TextList = std::vector<std::string>;
using TextMap = std::map<std::string, std::string>;

absl::Status ParseValue(std::string_view text, bool* value);
absl::Status ParseValue(std::string_view text, int32_t* value);
absl::Status ParseValue(std::string_view text, int64_t* value);
absl::Status ParseValue(std::string_view text, double* value);
absl::Status ParseValue(std::string_view text, std::string* value);
absl::Status ParseValue(std::string_view text, absl::Duration* value);
absl::Status ParseValue(std::string_view text, ByteSize* value);
absl::Status ParseValue(std::string_view text, Secret* value);
// Comma-separated; blanks around an element are dropped. Empty text is an empty list.
absl::Status ParseValue(std::string_view text, TextList* value);
absl::Status ParseValue(std::string_view text, TextMap* value);

// Text that ParseValue reads back to the same value, but for Secret.
std::string FormatValue(bool value);
std::string FormatValue(int32_t value);
std::string FormatValue(int64_t value);
std::string FormatValue(double value);
std::string FormatValue(const std::string& value);
std::string FormatValue(absl::Duration value);
std::string FormatValue(ByteSize value);
// "******", or nothing where there is no secret.
std::string FormatValue(const Secret& value);
std::string FormatValue(const TextList& value);
std::string FormatValue(const TextMap& value);

// What --help calls the type.
template <typename T>
inline constexpr std::string_view kKind = "TEXT";
template <>
inline constexpr std::string_view kKind<bool> = "true|false";
template <>
inline constexpr std::string_view kKind<int32_t> = "NUMBER";
template <>
inline constexpr std::string_view kKind<int64_t> = "NUMBER";
template <>
inline constexpr std::string_view kKind<double> = "NUMBER";
template <>
inline constexpr std::string_view kKind<absl::Duration> = "DURATION";
template <>
inline constexpr std::string_view kKind<ByteSize> = "SIZE";
template <>
inline constexpr std::string_view kKind<Secret> = "SECRET";
template <>
inline constexpr std::string_view kKind<TextList> = "A,B,...";
template <>
inline constexpr std::string_view kKind<TextMap> = "A=B,...";

// The text of a node that must be a single value.
absl::Status ParseScalar(const YAML::Node& node, std::string* text);

template <typename T>
absl::Status ParseNode(const YAML::Node& node, T* value) {
  std::string text;
  if (absl::Status status = ParseScalar(node, &text); !status.ok()) return status;
  return ParseValue(text, value);
}
absl::Status ParseNode(const YAML::Node& node, TextList* value);
absl::Status ParseNode(const YAML::Node& node, TextMap* value);

}  // namespace tradewind::config
