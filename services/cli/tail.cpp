#include "services/cli/tail.h"

#include "services/cli/event_decoder.h"
#include "services/cli/event_schema.h"
#include "services/cli/parked_targets.h"

namespace tradewind::cli {

int RunTail(const TailOptions& options, const Session& session) {
  const auto schema = EventSchema::Load(session.config.descriptors);
  if (!schema.ok()) {
    return Fail(session, schema.status());
  }
  if (options.filter.type.has_value()) {
    // A last part that several types have stands for all of them.
    if (const auto type = ResolveType(**schema, *options.filter.type); absl::IsNotFound(type.status())) {
      return Fail(session, type.status(), kExitUsage);
    }
  }
  EventDecoder decoder(**schema, session.config.kafka.topic_prefix);
  int64_t shown = 0;
  const auto held = ReadLog(session, **schema, options.reading, [&](const bus::Record& record) {
    const DecodedEvent event = decoder.Decode(record);
    if (!options.filter.Matches(record.key(), event.type)) {
      return true;
    }
    session.out << (options.json ? RecordAsJson(record, event)
                                 : RecordAsLine(record, event, options.headers, session.color))
                << std::endl;
    return ++shown != options.count;
  });
  if (!held.ok()) {
    return Fail(session, held.status(), absl::IsNotFound(held.status()) ? kExitUsage : kExitNotWell);
  }
  SayWhatIsHeld(session, *held);
  return kExitOk;
}

}  // namespace tradewind::cli
