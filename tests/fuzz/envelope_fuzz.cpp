// Parses the envelope of whatever record there may be. What can be read must stay the same when it is written and read
// again.
#include <cstdint>
#include <cstdlib>

#include "tests/fuzz/record_script.h"
#include "tradewind/bus/envelope.h"
#include "tradewind/bus/record.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tradewind;
  for (const fuzz::Step& step : fuzz::Parse({reinterpret_cast<const char*>(data), size})) {
    bus::RecordContent content{.topic = "t", .key = step.key.Expand()};
    for (const auto& [name, value] : step.headers) content.headers.emplace_back(name.bytes, value.bytes);
    const bus::Record record = bus::Record::FromContent(std::move(content));
    const auto envelope = bus::ParseEnvelope(record);
    if (!envelope.ok()) continue;
    const bus::EnvelopeHeaders headers(*envelope, record.key());
    bus::RecordContent written{.topic = "t", .key = std::string(record.key())};
    for (const bus::HeaderView& header : headers.view()) written.headers.emplace_back(header.name, header.value);
    const bus::Record again = bus::Record::FromContent(std::move(written));
    const auto reread = bus::ParseEnvelope(again);
    if (!reread.ok()) std::abort();
    if (reread->id != envelope->id || reread->type != envelope->type || reread->source != envelope->source)
      std::abort();
    if (reread->sequence != envelope->sequence) std::abort();
    if (envelope->sequence.has_value() && reread->previous != envelope->previous) std::abort();
  }
  return 0;
}
