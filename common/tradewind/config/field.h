// One setting: its name, where it is bound, its checks. The loader sees FieldBase; TypedField knows the type. Private
// to this folder.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "yaml-cpp/yaml.h"

#include "tradewind/config/config.h"
#include "tradewind/config/value.h"

namespace tradewind::config {

// Errors are InvalidArgument and go on from "setting 'x' ", as in value.h. A refused value leaves the target alone.
class FieldBase {
 public:
  FieldBase(std::string path, std::string help) : path_(std::move(path)), help_(std::move(help)) {}
  virtual ~FieldBase() = default;
  FieldBase(const FieldBase&) = delete;
  FieldBase& operator=(const FieldBase&) = delete;

  // Dotted: "kafka.brokers".
  const std::string& path() const { return path_; }
  const std::string& help() const { return help_; }
  // TRADEWIND_KAFKA_BROKERS.
  std::string variable() const;
  // --kafka.brokers
  std::string flag() const { return "--" + path_; }

  virtual std::string_view kind() const = 0;
  // A flag without a value means true.
  virtual bool is_switch() const = 0;
  virtual absl::Status SetText(std::string_view text) = 0;
  virtual absl::Status SetNode(const YAML::Node& node) = 0;
  // Whether the target, as it stands, passes the checks.
  virtual absl::Status Check() const = 0;
  // "1 to 10", "debug, info"; empty where everything of the type is.
  virtual std::string allowed() const = 0;
  // The target as it stands, secrets masked.
  virtual std::string text() const = 0;
  virtual YAML::Node ToNode() const = 0;
  // The address at which the process listens by this field, as the target stands; empty where it listens on none.
  virtual std::string listening_address() const = 0;

 private:
  const std::string path_;
  const std::string help_;
};

template <typename T>
class TypedField : public FieldBase {
 public:
  TypedField(std::string path, std::string help, T* target)
      : FieldBase(std::move(path), std::move(help)), target_(target) {}

  void set_minimum(T minimum) { minimum_ = std::move(minimum); }
  void set_maximum(T maximum) { maximum_ = std::move(maximum); }
  void set_one_of(std::vector<std::string> values) { one_of_ = std::move(values); }
  void set_not_empty() { not_empty_ = true; }
  void set_listens() { listens_ = true; }
  void set_check(absl::Status (*check)(const T&)) { check_ = check; }

  std::string_view kind() const override { return kKind<T>; }
  bool is_switch() const override { return std::is_same_v<T, bool>; }
  absl::Status SetText(std::string_view text) override {
    T value{};
    if (absl::Status status = ParseValue(text, &value); !status.ok()) return status;
    return Assign(std::move(value));
  }
  absl::Status SetNode(const YAML::Node& node) override {
    T value{};
    if (absl::Status status = ParseNode(node, &value); !status.ok()) return status;
    return Assign(std::move(value));
  }
  absl::Status Check() const override { return Check(*target_); }
  std::string allowed() const override;
  std::string text() const override { return FormatValue(*target_); }
  YAML::Node ToNode() const override;
  std::string listening_address() const override { return listens_ ? text() : ""; }

 private:
  absl::Status Assign(T value) {
    if (absl::Status status = Check(value); !status.ok()) return status;
    *target_ = std::move(value);
    return absl::OkStatus();
  }
  absl::Status Check(const T& value) const;
  bool IsListed(const std::string& text) const {
    return std::find(one_of_.begin(), one_of_.end(), text) != one_of_.end();
  }

  T* target_;
  std::optional<T> minimum_;
  std::optional<T> maximum_;
  std::vector<std::string> one_of_;
  bool not_empty_ = false;
  bool listens_ = false;
  absl::Status (*check_)(const T&) = nullptr;
};

template <typename T>
std::string TypedField<T>::allowed() const {
  if (!one_of_.empty()) return fmt::format("{}", fmt::join(one_of_, ", "));
  if (minimum_ && maximum_) return fmt::format("{} to {}", FormatValue(*minimum_), FormatValue(*maximum_));
  if (minimum_) return fmt::format("at least {}", FormatValue(*minimum_));
  if (maximum_) return fmt::format("at most {}", FormatValue(*maximum_));
  return "";
}

template <typename T>
absl::Status TypedField<T>::Check(const T& value) const {
  bool ok = true;
  if constexpr (Ordered<T>) {
    ok = (!minimum_ || *minimum_ <= value) && (!maximum_ || value <= *maximum_);
  }
  if constexpr (std::is_same_v<T, TextList>) {
    ok = one_of_.empty() || std::all_of(value.begin(), value.end(), [this](const auto& e) { return IsListed(e); });
  } else if constexpr (!std::is_same_v<T, TextMap>) {
    ok = ok && (one_of_.empty() || IsListed(FormatValue(value)));
  }
  if (!ok) {
    std::string shown = FormatValue(value);
    return absl::InvalidArgumentError(
        fmt::format("is {}; allowed: {}", Ordered<T> ? shown : fmt::format("'{}'", shown), allowed()));
  }
  if (not_empty_ && FormatValue(value).empty()) return absl::InvalidArgumentError("is empty; it needs a value");
  return check_ == nullptr ? absl::OkStatus() : check_(value);
}

template <typename T>
YAML::Node TypedField<T>::ToNode() const {
  if constexpr (std::is_same_v<T, TextList>) {
    YAML::Node node(YAML::NodeType::Sequence);
    for (const std::string& element : *target_) node.push_back(element);
    return node;
  } else if constexpr (std::is_same_v<T, TextMap>) {
    YAML::Node node(YAML::NodeType::Map);
    for (const auto& [name, entry] : *target_) node[name] = entry;
    return node;
  } else {
    return YAML::Node(FormatValue(*target_));
  }
}

}  // namespace tradewind::config
