// Decorators that watch a worker from outside: when its events were acknowledged, and how much it wrote.
#pragma once

#include <chrono>
#include <cstddef>
#include <mutex>
#include <vector>

#include "absl/synchronization/notification.h"

#include "tradewind/bus/event_sink.h"
#include "tradewind/testing/forwarding_session.h"

namespace bench {

// Passes everything on and notes when the delivery number `from` and number `to` came.
class MeasuredSink final : public tradewind::bus::EventSink {
 public:
  using Clock = std::chrono::steady_clock;

  MeasuredSink(tradewind::bus::EventSink& inner, size_t from, size_t to) : inner_(inner), from_(from), to_(to) {}

  absl::Status Produce(const tradewind::bus::OutgoingRecord& record, uint64_t token) override {
    return inner_.Produce(record, token);
  }
  int Poll(absl::Duration timeout, absl::FunctionRef<void(const tradewind::bus::Delivery&)> on_delivery) override {
    return inner_.Poll(timeout, [&](const tradewind::bus::Delivery& delivery) {
      if (delivery.status.ok()) Count();
      on_delivery(delivery);
    });
  }
  absl::Status Reset() override { return inner_.Reset(); }

  // False when the last delivery did not come in time. Any thread.
  bool Wait(absl::Duration timeout) { return done_.WaitForNotificationWithTimeout(timeout); }
  // From delivery `from` to delivery `to`; after Wait.
  double seconds() const { return std::chrono::duration<double>(end_ - begin_).count(); }

 private:
  void Count() {
    ++count_;
    if (count_ == from_) begin_ = Clock::now();
    if (count_ == to_) {
      end_ = Clock::now();
      done_.Notify();
    }
  }

  tradewind::bus::EventSink& inner_;
  const size_t from_;
  const size_t to_;
  size_t count_ = 0;
  Clock::time_point begin_;
  Clock::time_point end_;
  absl::Notification done_;
};

// Passes everything on and adds up what was committed.
class MeasuredSession final : public tradewind::testing::ForwardingSession {
 public:
  struct Totals {
    size_t commits = 0;
    size_t aggregates = 0;
    size_t outbox_bytes = 0;
  };

  using ForwardingSession::ForwardingSession;

  absl::StatusOr<tradewind::store::CommitResult> Commit(const tradewind::store::Batch& batch) override {
    ++totals_.commits;
    totals_.aggregates += batch.aggregates.size();
    for (const auto& task : batch.tasks) totals_.outbox_bytes += task.outbox.size();
    return ForwardingSession::Commit(batch);
  }

  // After the worker has ended.
  const Totals& totals() const { return totals_; }

 private:
  Totals totals_;
};

}  // namespace bench
