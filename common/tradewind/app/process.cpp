#include "tradewind/app/process.h"

#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "google/protobuf/stubs/logging.h"

#include "tradewind/telemetry/logger.h"
#include "tradewind/telemetry/occasional.h"

namespace tradewind {
namespace {

constexpr telemetry::Logger kProtobufLog{"protobuf"};

// In place of plain text on standard error, between our lines. Whoever sends bytes that are no message causes one, so
// that of those that are errors one a minute is shown.
void LogProtobufLine(google::protobuf::LogLevel level, const char* file, int line, const std::string& message) {
  static telemetry::Occasional occasional;
  const uint64_t times = level < google::protobuf::LOGLEVEL_ERROR ? 0 : occasional.Count(absl::Now());
  if (times > 0) {
    kProtobufLog.Warn(message, {{"file", file}, {"line", line}, {"times", times}});
  } else {
    kProtobufLog.Debug(message, {{"file", file}, {"line", line}});
  }
}

}  // namespace

void SetUpProcess() {
#ifdef NDEBUG
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
#endif
  google::protobuf::SetLogHandler(LogProtobufLine);
}

}  // namespace tradewind
