// What a handler may do besides looking at its message: load and change aggregates, emit events, answer the caller.
//
// All of it takes effect in the transaction that takes the message, or not at all. A handler must do nothing else that
// can be seen from outside: it runs again when a transaction has to be repeated.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string_view>

#include "absl/time/time.h"

#include "tradewind/runtime/outcome.h"

namespace google::protobuf {
class Message;
}

namespace tradewind::runtime {

// The largest event or reply, serialized. Below what Kafka takes by default (1 MB with headers).
inline constexpr size_t kMaxEventBytes = 900'000;

// Of a timer, in printable ASCII characters.
inline constexpr size_t kMaxTimerName = 200;

// Thrown by Context::Load. The runtime catches it and repeats the batch once the store is back; no attempt is counted.
class StoreAway : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Thrown by Context::Load where what the store has under the key cannot be read. Makes the message dead.
class DamagedState : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Thrown by Context::Emit and Context::Reply for what could never be published. Makes the message dead.
class InvalidEvent : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};

// An aggregate as it stands at this point of the batch. Pointer-like; valid until the handler returns.
template <typename T>
class Loaded {
 public:
  // Where there is none, the state is T's default and becomes an aggregate once the handler changes it.
  Loaded(T* state, const bool* exists, bool* removed) : state_(state), exists_(exists), removed_(removed) {}
  T* operator->() const { return state_; }
  T& operator*() const { return *state_; }
  bool exists() const { return *exists_; }
  // Removes the aggregate when the handler returns Ack.
  void Remove() const { *removed_ = true; }

 private:
  T* state_;
  const bool* exists_;
  bool* removed_;
};

// Lives for one call of a handler, on the worker's thread.
class Context {
 public:
  // The aggregate of type T under `key`. The message's own key costs nothing; another key may cost a read, and its
  // order is that of commits, not of the log. T is a protobuf message; its full name is the aggregate's kind.
  // Throws StoreAway when the store cannot be read now: let it pass through.
  template <typename T>
  Loaded<T> Load(std::string_view key) {
    const Slot slot = LoadSlot(T::default_instance(), key);
    return Loaded<T>(static_cast<T*>(slot.state), slot.exists, slot.removed);
  }

  // Puts an event on the topic, under the key, that its message options name, behind everything emitted before it.
  // Throws InvalidEvent when the type has no such options, the key is empty or the event is above kMaxEventBytes.
  virtual void Emit(const google::protobuf::Message& event) = 0;

  // What the caller of a command gets. Call at most once; without it the caller gets an empty message of no type.
  virtual void Reply(const google::protobuf::Message& resource) = 0;

  // Has `message` handled by the handler that the group has for its type (Group::AddTimer), under this message's key,
  // once `due` has come. It takes its place among the key's other messages: behind those that wait. A timer of the same
  // name under the same key is replaced. Kept in the store until then; `due` is rounded up to a millisecond.
  // Throws InvalidEvent when the name is none (kMaxTimerName), the group has no handler for the type, or the message is
  // above kMaxEventBytes.
  virtual void SetTimer(std::string_view name, absl::Time due, const google::protobuf::Message& message) = 0;
  // No effect where there is none of that name under this message's key.
  virtual void CancelTimer(std::string_view name) = 0;

  // The message's key.
  virtual std::string_view key() const = 0;
  // ce_id: the same however often the message is handled.
  virtual std::string_view event_id() const = 0;
  // Of the batch: all its handlers see the same time.
  virtual absl::Time now() const = 0;
  // Who called; empty where that is not known.
  virtual std::string_view caller() const = 0;

 protected:
  struct Slot {
    google::protobuf::Message* state;
    const bool* exists;
    bool* removed;
  };
  ~Context() = default;
  virtual Slot LoadSlot(const google::protobuf::Message& prototype, std::string_view key) = 0;
};

}  // namespace tradewind::runtime
