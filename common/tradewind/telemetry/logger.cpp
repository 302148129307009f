#include "tradewind/telemetry/logger.h"

#include <spdlog/sinks/sink.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <optional>
#include <utility>

#include "tradewind/config/config.h"
#include "tradewind/telemetry/log_line.h"
#include "tradewind/telemetry/trace.h"

namespace tradewind::telemetry {
namespace {

// Where lines go. Immutable once made; its sink locks for itself.
struct Backend {
  spdlog::level::level_enum level = spdlog::level::info;
  bool json = false;
  std::string service;
  std::shared_ptr<spdlog::sinks::sink> sink;
  // The one before, where logging was set up more than once: never freed, because threads may log until the process
  // ends, and reachable, so that it is no leak.
  const Backend* replaced = nullptr;
};

std::unique_ptr<Backend> NewBackend(spdlog::level::level_enum level, bool json, std::string_view service) {
  auto backend = std::make_unique<Backend>();
  backend->level = level;
  backend->json = json;
  backend->service = std::string(service);
  if (json) {
    // The whole line is made here, time included, so that one place escapes it.
    backend->sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
    backend->sink->set_pattern("%v");
  } else {
    backend->sink = std::make_shared<spdlog::sinks::stderr_color_sink_mt>();
    backend->sink->set_pattern("%Y-%m-%d %H:%M:%S.%e %^%-7l%$ %n: %v");
  }
  return backend;
}

std::atomic<const Backend*> current_backend{nullptr};

const Backend& CurrentBackend() {
  const Backend* backend = current_backend.load(std::memory_order_acquire);
  if (backend != nullptr) return *backend;
  static const Backend* const fallback = NewBackend(spdlog::level::info, /*json=*/false, "").release();
  return *fallback;
}

std::string_view LevelName(spdlog::level::level_enum level) {
  switch (level) {
    case spdlog::level::debug:
      return "debug";
    case spdlog::level::warn:
      return "warn";
    case spdlog::level::err:
      return "error";
    default:
      return "info";
  }
}

spdlog::level::level_enum ParseLevel(std::string_view name) {
  for (auto level : {spdlog::level::debug, spdlog::level::warn, spdlog::level::err}) {
    if (LevelName(level) == name) return level;
  }
  return spdlog::level::info;
}

void Write(const char* logger, spdlog::level::level_enum level, std::string_view message,
           std::initializer_list<Field> fields) noexcept {
  // A line that cannot be written, for want of memory or of a reader, is no reason to stop the work it tells of.
  try {
    const Backend& backend = CurrentBackend();
    if (level < backend.level) return;
    std::string trace_id;
    if (const TraceContext* trace = TraceScope::Current()) trace_id = trace->trace_id_hex();
    std::string line = backend.json ? JsonLine({.time = absl::Now(),
                                                .level = LevelName(level),
                                                .service = backend.service,
                                                .logger = logger,
                                                .message = message,
                                                .trace_id = trace_id},
                                               fields)
                                    : TextLine(message, trace_id, fields);
    backend.sink->log(spdlog::details::log_msg(logger, level, line));
    backend.sink->flush();
  } catch (...) {  // NOLINT(bugprone-empty-catch)
  }
}

}  // namespace

void Describe(config::Schema& schema, LogConfig& config) {
  auto section = schema.Section("log", "Log lines on standard error.");
  section.Field("level", &config.level, "the least level that is written").OneOf({"debug", "info", "warn", "error"});
  section.Field("format", &config.format, "text, JSON lines, or auto: text where standard error is a terminal")
      .OneOf({"auto", "text", "json"});
}

void InitLogging(const LogConfig& config, std::string_view service) {
  bool json = config.format == "json" || (config.format == "auto" && isatty(STDERR_FILENO) == 0);
  std::unique_ptr<Backend> backend = NewBackend(ParseLevel(config.level), json, service);
  backend->replaced = current_backend.load(std::memory_order_acquire);
  current_backend.store(backend.release(), std::memory_order_release);
}

void Logger::Debug(std::string_view message, std::initializer_list<Field> fields) const {
  Write(name_, spdlog::level::debug, message, fields);
}

void Logger::Info(std::string_view message, std::initializer_list<Field> fields) const {
  Write(name_, spdlog::level::info, message, fields);
}

void Logger::Warn(std::string_view message, std::initializer_list<Field> fields) const {
  Write(name_, spdlog::level::warn, message, fields);
}

void Logger::Error(std::string_view message, std::initializer_list<Field> fields) const {
  Write(name_, spdlog::level::err, message, fields);
}

}  // namespace tradewind::telemetry
