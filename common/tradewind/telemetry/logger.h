// Logging: one line a happening, a sentence and named fields, with the trace it belongs to. Text where standard error
// is a terminal, JSON lines otherwise. spdlog is behind it.
//
//   inline constexpr telemetry::Logger kLog{"bus"};          // <folder>/logger.h, one a folder
//   kLog.Warn("broker is away", {{"broker", name}, {"retry_in", delay}});
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace tradewind::config {
class Schema;
}

namespace tradewind::telemetry {

struct LogConfig {
  // debug, info, warn, error.
  std::string level = "info";
  // auto, text, json.
  std::string format = "auto";
};
// Binds the fields under "log".
void Describe(config::Schema& schema, LogConfig& config);

// Call once, before threads start. Without it, lines of level info and above go to standard error as text.
void InitLogging(const LogConfig& config, std::string_view service);

struct Field {
  using Value = std::variant<std::string_view, int64_t, uint64_t, double, bool, absl::Duration>;
  std::string_view name;
  Value value;

  Field(std::string_view field, std::string_view text) : name(field), value(text) {}
  Field(std::string_view field, const char* text) : name(field), value(std::string_view(text)) {}
  Field(std::string_view field, const std::string& text) : name(field), value(std::string_view(text)) {}
  Field(std::string_view field, bool flag) : name(field), value(flag) {}
  Field(std::string_view field, double number) : name(field), value(number) {}
  Field(std::string_view field, absl::Duration duration) : name(field), value(duration) {}
  Field(std::string_view field, const absl::Status& status)
      : name(field), value(std::string_view(status.message().data(), status.message().size())) {}
  template <typename Integer>
  requires std::is_integral_v<Integer> Field(std::string_view field, Integer number) : name(field) {
    if constexpr (std::is_signed_v<Integer>) {
      value = static_cast<int64_t>(number);
    } else {
      value = static_cast<uint64_t>(number);
    }
  }
};

// Thread-safe; formats only lines that will be written; never throws.
class Logger {
 public:
  explicit constexpr Logger(const char* name) : name_(name) {}
  void Debug(std::string_view message, std::initializer_list<Field> fields = {}) const;
  void Info(std::string_view message, std::initializer_list<Field> fields = {}) const;
  void Warn(std::string_view message, std::initializer_list<Field> fields = {}) const;
  void Error(std::string_view message, std::initializer_list<Field> fields = {}) const;

 private:
  const char* name_;
};

}  // namespace tradewind::telemetry
