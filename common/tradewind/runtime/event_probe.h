// Tries an event again that Kafka has refused for what it is, by a producer of its own, one event at a time: as often
// as it is refused, what others publish is not disturbed. Used by Publisher.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"

#include "tradewind/bus/event_sink.h"
#include "tradewind/mesh/v1/state.pb.h"

namespace tradewind::runtime {

// Not thread-safe.
class EventProbe {
 public:
  // `make` makes a gapless sink.
  EventProbe(bus::MakeSink make, std::string mesh) : make_(std::move(make)), mesh_(std::move(mesh)) {}

  bool is_busy() const { return is_busy_; }
  // Sends an event; nothing else is under way. Blocks where there is no producer yet.
  void Send(const mesh::v1::OutboxBatch& batch, const mesh::v1::OutgoingEvent& event);
  // Returns what became of the event that was sent; nullopt while that is not known. Does not block, unless it failed:
  // its producer then goes.
  std::optional<absl::Status> TakeOutcome();

 private:
  const bus::MakeSink make_;
  const std::string mesh_;
  std::unique_ptr<bus::EventSink> sink_;
  bool is_busy_ = false;
  std::optional<absl::Status> outcome_;
};

}  // namespace tradewind::runtime
