#include "tradewind/runtime/outgoing_event.h"

#include <algorithm>

#include "absl/container/inlined_vector.h"
#include "absl/time/time.h"

#include "tradewind/bus/envelope.h"

namespace tradewind::runtime {

BatchHeaders::BatchHeaders(const mesh::v1::OutboxBatch& batch)
    : time(absl::FormatTime("%Y-%m-%dT%H:%M:%E6SZ", absl::FromUnixMicros(batch.time_us()), absl::UTCTimeZone())),
      id_prefix(batch.source().substr(1)) {
  std::replace(id_prefix.begin(), id_prefix.end(), '/', '-');
}

absl::Status ProduceEvent(bus::EventSink& sink, std::string_view mesh, const mesh::v1::OutboxBatch& batch,
                          const BatchHeaders& shared, const mesh::v1::OutgoingEvent& event, uint64_t token) {
  const std::string sequence = bus::Sequence{batch.epoch(), event.number()}.ToString();
  const std::string id = event.id().empty() ? shared.id_prefix + "-" + sequence : event.id();
  std::string previous;
  absl::InlinedVector<bus::HeaderView, 12> headers = {
      {bus::kSpecVersionHeader, "1.0"},
      {bus::kIdHeader, id},
      {bus::kTypeHeader, event.type()},
      {bus::kSourceHeader, batch.source()},
      {bus::kTimeHeader, shared.time},
      {bus::kSubjectHeader, event.key()},
      {bus::kPartitionKeyHeader, event.key()},
      {bus::kSequenceHeader, sequence},
      {bus::kContentTypeHeader, bus::kProtobufContentType},
      {bus::kMeshHeader, mesh},
  };
  if (event.has_previous()) {
    previous = bus::Sequence{event.previous().epoch(), event.previous().number()}.ToString();
    headers.push_back({bus::kPreviousHeader, previous});
  }
  if (!event.traceparent().empty()) headers.push_back({bus::kTraceparentHeader, event.traceparent()});
  return sink.Produce({.topic = event.topic(),
                       .partition = event.partition(),
                       .key = event.key(),
                       .value = event.value(),
                       .headers = headers},
                      token);
}

}  // namespace tradewind::runtime
