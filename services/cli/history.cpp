#include "services/cli/history.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <vector>

#include "services/cli/event_schema.h"
#include "services/cli/log_reading.h"
#include "services/cli/text.h"
#include "services/cli/timeline.h"
#include "tradewind/bus/envelope.h"
#include "tradewind/telemetry/trace.h"

namespace tradewind::cli {
namespace {

// Empty where the record carries none.
std::string TraceOf(const bus::Record& record) {
  const auto context = telemetry::TraceContext::Parse(record.header(bus::kTraceparentHeader));
  return context.has_value() ? context->trace_id_hex() : "";
}

// Times are those of the log, since the first record.
std::vector<Hop> SinceTheFirst(std::vector<Hop> hops) {
  const auto first =
      std::min_element(hops.begin(), hops.end(), [](const Hop& a, const Hop& b) { return a.logged_ms < b.logged_ms; });
  const int64_t begin = first->logged_ms;
  for (Hop& hop : hops) {
    hop.ms = static_cast<double>(hop.logged_ms - begin);
  }
  return Sorted(std::move(hops));
}

absl::StatusOr<std::vector<Hop>> Collect(const std::string& key, const EventSchema& schema, const Session& session) {
  const Reading everything{.topics = {}, .until_end = true};
  std::set<std::string> traces;
  auto held = ReadLog(session, schema, everything, [&](const bus::Record& record) {
    if (record.key() == key) {
      traces.insert(TraceOf(record));
    }
    return true;
  });
  if (!held.ok()) {
    return held.status();
  }
  traces.erase("");
  std::vector<Hop> hops;
  held = ReadLog(session, schema, everything, [&](const bus::Record& record) {
    if (record.key() == key || traces.contains(TraceOf(record))) {
      hops.push_back({.what = HeaderType(record),
                      .where = fmt::format("{}-{}@{}", record.topic(), record.partition(), record.offset()),
                      .logged_ms = record.timestamp_ms()});
    }
    return true;
  });
  if (!held.ok()) {
    return held.status();
  }
  SayWhatIsHeld(session, *held);
  return hops;
}

}  // namespace

int RunHistory(const HistoryOptions& options, const Session& session) {
  const auto schema = EventSchema::Load(session.config.descriptors);
  if (!schema.ok()) {
    return Fail(session, schema.status());
  }
  auto hops = Collect(options.key, **schema, session);
  if (!hops.ok()) {
    return Fail(session, hops.status());
  }
  if (hops->empty()) {
    return Fail(session, absl::NotFoundError(fmt::format(
                             "nothing on the log is under the key '{}'; give the id of an order or of a user",
                             Printable(options.key))));
  }
  const std::vector<Hop> sorted = SinceTheFirst(*std::move(hops));
  if (options.json) {
    session.out << JsonDocument(TimelineAsJson(sorted)) << '\n';
  } else {
    PrintTimeline(sorted, session.out, session.color);
  }
  return kExitOk;
}

}  // namespace tradewind::cli
