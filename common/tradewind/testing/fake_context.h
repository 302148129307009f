// A runtime::Context over maps in memory, for testing deciders and subscribers without Kafka, store or runtime: given
// what is stored, when a handler runs, then these are its state, events and answer.
//
//   testing::FakeContext context;
//   context.Put("o-1", order);
//   const runtime::Outcome outcome = context.Decide<OrderDecider>(cancel);
//   EXPECT_EQ(context.Find<Order>("o-1")->state(), ORDER_STATE_CANCELLED);
//   EXPECT_EQ(context.Events<OrderCancelled>().size(), 1);
//
// Keeps the promise of the runtime: when a handler answers anything but Ack, or throws, nothing of it stays.
// Not thread-safe.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "google/protobuf/message.h"

#include "tradewind/runtime/context.h"
#include "tradewind/runtime/outcome.h"

namespace tradewind::testing {

class FakeContext final : public runtime::Context {
 public:
  FakeContext();
  ~FakeContext();

  // Given. What the next message brings with it.
  void set_event_id(std::string event_id) { event_id_ = std::move(event_id); }
  void set_now(absl::Time now) { now_ = now; }
  void set_caller(std::string caller) { caller_ = std::move(caller); }
  void Put(std::string_view key, const google::protobuf::Message& state);

  // When. The message's key is read from the field that its options name; events and reply of earlier runs are
  // forgotten, aggregates stay.
  template <typename Decider, typename Message>
  runtime::Outcome Decide(const Message& message, const Decider& decider = Decider()) {
    return Run(message, [&] { return decider.Decide(message, Load<typename Decider::State>(key_), *this); });
  }
  template <typename Event, typename Function>
  runtime::Outcome Handle(const Event& event, Function handler) {
    return Run(event, [&] { return handler(event, *this); });
  }

  // What the runtime does with a message that lies under `key`: for handlers that are not templates.
  using AnyHandler = std::function<runtime::Outcome(const google::protobuf::Message&, runtime::Context&)>;
  runtime::Outcome HandleUnder(std::string key, const google::protobuf::Message& message, const AnyHandler& handler) {
    return RunUnder(std::move(key), [&] { return handler(message, *this); });
  }

  // Fires the timer of that name under `key`, which must be set: it is gone, and the time is what it was due.
  template <typename Message, typename Function>
  runtime::Outcome Fire(std::string_view key, std::string_view name, Function handler) {
    return FireAny(key, name, [&](const google::protobuf::Message& message, runtime::Context& context) {
      return handler(static_cast<const Message&>(message), context);
    });
  }
  runtime::Outcome FireAny(std::string_view key, std::string_view name, const AnyHandler& handler) {
    const Timer timer = TakeTimer(key, name);
    return HandleUnder(std::string(key), *timer.message, handler);
  }
  // The same for a timer of a decider.
  template <typename Decider, typename Message>
  runtime::Outcome FireAt(std::string_view key, std::string_view name, const Decider& decider = Decider()) {
    return Fire<Message>(key, name, [&](const Message& message, runtime::Context& context) {
      return decider.Decide(message, context.Load<typename Decider::State>(context.key()), context);
    });
  }

  // Then. Null where there is no such aggregate; valid until the next run.
  template <typename State>
  const State* Find(std::string_view key) const {
    return static_cast<const State*>(FindState(State::descriptor()->full_name(), key));
  }
  // How many aggregates of a type there are.
  template <typename State>
  size_t Count() const {
    return CountStates(State::descriptor()->full_name());
  }
  // All aggregates of a type.
  template <typename State>
  std::vector<std::reference_wrapper<const State>> All() const {
    std::vector<std::reference_wrapper<const State>> all;
    for (const auto& [id, entry] : entries_) {
      if (entry.exists && id.first == State::descriptor()->full_name()) {
        all.push_back(static_cast<const State&>(*entry.state));
      }
    }
    return all;
  }
  // Everything the last run emitted, oldest first.
  const std::vector<std::unique_ptr<google::protobuf::Message>>& events() const { return events_; }
  // Those of one type.
  template <typename Event>
  std::vector<Event> Events() const {
    std::vector<Event> found;
    for (const auto& event : events_) {
      if (event->GetDescriptor() == Event::descriptor()) found.push_back(static_cast<const Event&>(*event));
    }
    return found;
  }
  // Null where the last run answered nothing.
  const google::protobuf::Message* reply() const { return reply_.get(); }
  // Null where the last run answered nothing, or something of another type.
  template <typename Resource>
  const Resource* Answer() const {
    return reply_ != nullptr && reply_->GetDescriptor() == Resource::descriptor()
               ? static_cast<const Resource*>(reply_.get())
               : nullptr;
  }

  struct Timer {
    absl::Time due;
    std::shared_ptr<const google::protobuf::Message> message;
  };
  // By key and name.
  const std::map<std::pair<std::string, std::string>, Timer>& timers() const { return timers_; }
  // Null where none of that name is set under `key`; valid until the next run.
  const Timer* FindTimer(std::string_view key, std::string_view name) const;

  // runtime::Context.
  void Emit(const google::protobuf::Message& event) override;
  void Reply(const google::protobuf::Message& resource) override;
  void SetTimer(std::string_view name, absl::Time due, const google::protobuf::Message& message) override;
  void CancelTimer(std::string_view name) override;
  std::string_view key() const override { return key_; }
  std::string_view event_id() const override { return event_id_; }
  absl::Time now() const override { return now_; }
  std::string_view caller() const override { return caller_; }

 private:
  struct Entry {
    std::unique_ptr<google::protobuf::Message> state;
    // As they stood before the handler ran.
    std::string kept_state;
    bool exists = false;
    bool removed = false;
  };
  using Id = std::pair<std::string, std::string>;

  Slot LoadSlot(const google::protobuf::Message& prototype, std::string_view key) override;
  runtime::Outcome Run(const google::protobuf::Message& message, const std::function<runtime::Outcome()>& handler);
  runtime::Outcome RunUnder(std::string key, const std::function<runtime::Outcome()>& handler);
  Timer TakeTimer(std::string_view key, std::string_view name);
  void KeepTimers();
  void Keep();
  void TakeBack();
  const google::protobuf::Message* FindState(const std::string& kind, std::string_view key) const;
  size_t CountStates(const std::string& kind) const;

  std::map<Id, Entry> entries_;
  // Those that the handler loaded.
  std::vector<Entry*> touched_;
  std::vector<std::unique_ptr<google::protobuf::Message>> events_;
  std::unique_ptr<google::protobuf::Message> reply_;
  std::map<Id, Timer> timers_;
  // As they stood before the handler changed them; nothing where it did not.
  std::optional<std::map<Id, Timer>> kept_timers_;
  std::string key_;
  std::string event_id_ = "event-1";
  std::string caller_;
  absl::Time now_ = absl::FromUnixMillis(1'700'000'000'123);
};

}  // namespace tradewind::testing
