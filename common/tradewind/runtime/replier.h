// Sends the answers that a committed batch owes to gateways: one record for each gateway and batch, best effort. An
// answer that is lost is had again by repeating the request.
//
// Owned by one worker, used by its thread only.
#pragma once

#include <string>
#include <vector>

#include "absl/time/time.h"

#include "tradewind/bus/event_sink.h"
#include "tradewind/runtime/attempt.h"

namespace tradewind::runtime {

class Replier {
 public:
  // `sink` outlives the replier. `topic` is the full name.
  Replier(bus::EventSink& sink, std::string topic) : sink_(sink), topic_(std::move(topic)) {}

  // Takes the replies out of `replies`. Does not block.
  void Send(std::vector<PendingReply>& replies);
  // Takes in deliveries. Call now and then.
  void Pump();
  // Waits until nothing is on its way, for `patience` at most.
  void Settle(absl::Duration patience);

 private:
  void Produce(int32_t partition, const std::string& value);
  void OnDelivery(const bus::Delivery& delivery);

  bus::EventSink& sink_;
  const std::string topic_;
  int64_t on_their_way_ = 0;
};

}  // namespace tradewind::runtime
