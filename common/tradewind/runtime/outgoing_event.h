// The form in which an event of the outbox is published: CloudEvents in Kafka's binary mode, with the mesh's own
// headers for its place in the chain of its source (bus/envelope.h). Used by whoever publishes the outbox.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"

#include "tradewind/bus/event_sink.h"
#include "tradewind/mesh/v1/state.pb.h"

namespace tradewind::runtime {

// The part of the headers that all events of a row of the outbox share. The row's source is not empty.
struct BatchHeaders {
  explicit BatchHeaders(const mesh::v1::OutboxBatch& batch);
  std::string time;
  // "<group>-<partition>"; ce_id continues with the sequence.
  std::string id_prefix;
};

// Hands an event of the row to the sink, in the name of this mesh. Fails as EventSink::Produce does.
absl::Status ProduceEvent(bus::EventSink& sink, std::string_view mesh, const mesh::v1::OutboxBatch& batch,
                          const BatchHeaders& shared, const mesh::v1::OutgoingEvent& event, uint64_t token);

}  // namespace tradewind::runtime
