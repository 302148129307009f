#include "tradewind/bus/replaceable_sink.h"

#include <utility>

namespace tradewind::bus {

ReplaceableSink::ReplaceableSink(std::unique_ptr<EventSink> first, MakeSink make)
    : make_(std::move(make)), sink_(std::move(first)) {}

ReplaceableSink::~ReplaceableSink() = default;

absl::Status ReplaceableSink::Use(absl::FunctionRef<absl::Status(EventSink&)> use) {
  absl::ReaderMutexLock lock(&mutex_);
  return use(*sink_);
}

int ReplaceableSink::Poll(absl::Duration timeout, absl::FunctionRef<void(const Delivery&)> on_delivery) {
  return sink_->Poll(timeout, on_delivery);
}

absl::Status ReplaceableSink::Replace(absl::FunctionRef<void()> forget) {
  absl::StatusOr<std::unique_ptr<EventSink>> made = make_();
  if (!made.ok()) return made.status();
  std::unique_ptr<EventSink> other = *std::move(made);
  {
    absl::MutexLock lock(&mutex_);
    std::swap(sink_, other);
    forget();
  }
  // Waits for the sink before this one, if it has not ended yet.
  ending_ = std::jthread([old = std::move(other)]() mutable { old.reset(); });
  return absl::OkStatus();
}

}  // namespace tradewind::bus
