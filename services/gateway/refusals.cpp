#include "services/gateway/refusals.h"

#include <map>
#include <mutex>
#include <string>

#include "absl/time/clock.h"

#include "services/gateway/logger.h"
#include "tradewind/errors/printable.h"
#include "tradewind/telemetry/metrics.h"
#include "tradewind/telemetry/occasional.h"

namespace tradewind::gateway {
namespace {

// What is shown of a method's path, which may be anything.
constexpr size_t kMaxShownMethod = 100;

struct Reason {
  explicit Reason(const std::string& reason)
      : calls(telemetry::NewCounter("tradewind_gateway_refused_calls_total",
                                    "Calls that the gateway itself refused, by reason.", {{"reason", reason}})) {}
  const telemetry::Counter calls;
  telemetry::Occasional line;
};

Reason& Find(std::string_view reason) {
  static std::mutex mutex;
  static std::map<std::string, Reason, std::less<>>* const reasons = new std::map<std::string, Reason, std::less<>>();
  const std::lock_guard lock(mutex);
  if (const auto found = reasons->find(reason); found != reasons->end()) return found->second;
  return reasons->try_emplace(std::string(reason), std::string(reason)).first->second;
}

}  // namespace

void CountRefusal(std::string_view reason, std::string_view method) {
  Reason& counted = Find(reason);
  counted.calls.Add();
  if (const uint64_t times = counted.line.Count(absl::Now()); times > 0) {
    kLog.Warn("refused calls", {{"reason", reason},
                                {"times", times},
                                {"last_method", errors::Shortened(errors::Printable(method), kMaxShownMethod)}});
  }
}

}  // namespace tradewind::gateway
