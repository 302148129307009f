#include "tradewind/runtime/event_probe.h"

#include "tradewind/runtime/outgoing_event.h"

namespace tradewind::runtime {

void EventProbe::Send(const mesh::v1::OutboxBatch& batch, const mesh::v1::OutgoingEvent& event) {
  is_busy_ = true;
  if (sink_ == nullptr) {
    auto made = make_();
    if (!made.ok()) {
      outcome_ = made.status();
      return;
    }
    sink_ = *std::move(made);
  }
  const absl::Status taken = ProduceEvent(*sink_, mesh_, batch, BatchHeaders(batch), event, /*token=*/1);
  if (!taken.ok()) outcome_ = taken;
}

std::optional<absl::Status> EventProbe::TakeOutcome() {
  if (!is_busy_) return std::nullopt;
  if (!outcome_.has_value()) {
    sink_->Poll(absl::ZeroDuration(), [this](const bus::Delivery& delivery) { outcome_ = delivery.status; });
    if (!outcome_.has_value()) return std::nullopt;
  }
  is_busy_ = false;
  if (!outcome_->ok()) sink_.reset();
  return std::exchange(outcome_, std::nullopt);
}

}  // namespace tradewind::runtime
