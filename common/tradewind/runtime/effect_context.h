// What an effect is given besides its message. An effect does something outside the mesh (a mail, a webhook, a
// payment): it runs on a thread of its own, may block, and has neither aggregates nor a transaction.
//
// It runs at least once. One cut short by a crash, or by the loss of its partition, runs again with the same
// idempotency_key(): hand that to whoever can recognise a repeat.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "google/protobuf/message.h"

namespace tradewind::runtime {

// Lives for one attempt at one message; used by the thread that runs it.
class EffectContext {
 public:
  struct Message {
    std::string key;
    std::string event_id;
    // Of what the effect emits or sends; empty where the message carried none.
    std::string traceparent;
    int32_t attempt = 1;
  };
  // `stopping`, which outlives the context, is set when the process is asked to end.
  EffectContext(Message message, absl::Time deadline, const std::atomic<bool>& stopping)
      : message_(std::move(message)), deadline_(deadline), stopping_(stopping) {}

  std::string_view key() const { return message_.key; }
  // ce_id of the message, the same in every attempt.
  std::string_view event_id() const { return message_.event_id; }
  std::string_view idempotency_key() const { return message_.event_id; }
  std::string_view traceparent() const { return message_.traceparent; }
  // 1 for the first. An attempt that a crash cut short is not counted.
  int32_t attempt() const { return message_.attempt; }
  // When the attempt counts as failed. It is not interrupted: whatever it waits for must itself end by then. Until it
  // returns, its key waits and its thread is taken.
  absl::Time deadline() const { return deadline_; }
  // The process is about to end: return soon, with Retry if the work is not done.
  bool stopping() const { return stopping_.load(std::memory_order_relaxed); }

  // Puts an event on its topic once the effect has returned Ack and that is on record, as Context::Emit does.
  void Emit(const google::protobuf::Message& event) { events_.emplace_back(event.New())->CopyFrom(event); }

  // For the runtime.
  std::vector<std::unique_ptr<google::protobuf::Message>> TakeEvents() { return std::move(events_); }

 private:
  const Message message_;
  const absl::Time deadline_;
  const std::atomic<bool>& stopping_;
  std::vector<std::unique_ptr<google::protobuf::Message>> events_;
};

}  // namespace tradewind::runtime
