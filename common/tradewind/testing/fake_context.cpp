#include "tradewind/testing/fake_context.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "tradewind/runtime/message_rule.h"

namespace tradewind::testing {
namespace {

// As the runtime: what has no topic or no key could never be published.
std::string KeyOf(const google::protobuf::Message& message) {
  const auto route = runtime::RouteOf(message.GetDescriptor());
  if (!route.ok()) throw runtime::InvalidEvent(std::string(route.status().message()));
  std::string scratch;
  return std::string(route->KeyOf(message, scratch));
}

}  // namespace

FakeContext::FakeContext() = default;
FakeContext::~FakeContext() = default;

void FakeContext::Put(std::string_view key, const google::protobuf::Message& state) {
  Entry& entry = entries_[Id(state.GetDescriptor()->full_name(), key)];
  entry.state.reset(state.New());
  entry.state->CopyFrom(state);
  entry.kept_state = state.SerializeAsString();
  entry.exists = true;
}

runtime::Context::Slot FakeContext::LoadSlot(const google::protobuf::Message& prototype, std::string_view key) {
  Entry& entry = entries_[Id(prototype.GetDescriptor()->full_name(), key)];
  if (entry.state == nullptr) entry.state.reset(prototype.New());
  touched_.push_back(&entry);
  return {.state = entry.state.get(), .exists = &entry.exists, .removed = &entry.removed};
}

void FakeContext::Emit(const google::protobuf::Message& event) {
  if (KeyOf(event).empty()) {
    throw runtime::InvalidEvent(event.GetDescriptor()->full_name() + " was emitted with an empty key");
  }
  events_.emplace_back(event.New())->CopyFrom(event);
}

void FakeContext::Reply(const google::protobuf::Message& resource) {
  if (reply_ != nullptr) throw std::logic_error("a handler replied twice");
  reply_.reset(resource.New());
  reply_->CopyFrom(resource);
}

void FakeContext::SetTimer(std::string_view name, absl::Time due, const google::protobuf::Message& message) {
  std::shared_ptr<google::protobuf::Message> copy(message.New());
  copy->CopyFrom(message);
  KeepTimers();
  timers_[Id(key_, name)] = {.due = due, .message = std::move(copy)};
}

void FakeContext::CancelTimer(std::string_view name) {
  KeepTimers();
  timers_.erase(Id(key_, name));
}

void FakeContext::KeepTimers() {
  if (!kept_timers_.has_value()) kept_timers_ = timers_;
}

const FakeContext::Timer* FakeContext::FindTimer(std::string_view key, std::string_view name) const {
  const auto found = timers_.find(Id(key, name));
  return found == timers_.end() ? nullptr : &found->second;
}

FakeContext::Timer FakeContext::TakeTimer(std::string_view key, std::string_view name) {
  const auto found = timers_.find(Id(key, name));
  if (found == timers_.end()) throw std::logic_error("there is no timer of that name to fire");
  Timer timer = std::move(found->second);
  timers_.erase(found);
  now_ = std::max(now_, timer.due);
  return timer;
}

runtime::Outcome FakeContext::Run(const google::protobuf::Message& message,
                                  const std::function<runtime::Outcome()>& handler) {
  return RunUnder(KeyOf(message), handler);
}

runtime::Outcome FakeContext::RunUnder(std::string key, const std::function<runtime::Outcome()>& handler) {
  key_ = std::move(key);
  events_.clear();
  reply_.reset();
  try {
    runtime::Outcome outcome = handler();
    if (outcome.kind() == runtime::Outcome::Kind::kAck) {
      Keep();
    } else {
      TakeBack();
    }
    return outcome;
  } catch (...) {
    TakeBack();
    throw;
  }
}

void FakeContext::Keep() {
  for (Entry* entry : touched_) {
    if (entry->removed) entry->state->Clear();
    entry->kept_state = entry->state->SerializeAsString();
    entry->exists = !entry->removed && (entry->exists || !entry->kept_state.empty());
    entry->removed = false;
  }
  touched_.clear();
  kept_timers_.reset();
}

void FakeContext::TakeBack() {
  for (Entry* entry : touched_) {
    entry->state->ParseFromString(entry->kept_state);
    entry->removed = false;
  }
  touched_.clear();
  events_.clear();
  reply_.reset();
  if (kept_timers_.has_value()) timers_ = *std::move(kept_timers_);
  kept_timers_.reset();
}

const google::protobuf::Message* FakeContext::FindState(const std::string& kind, std::string_view key) const {
  const auto found = entries_.find(Id(kind, key));
  return found != entries_.end() && found->second.exists ? found->second.state.get() : nullptr;
}

size_t FakeContext::CountStates(const std::string& kind) const {
  size_t count = 0;
  for (const auto& [id, entry] : entries_) count += id.first == kind && entry.exists ? 1 : 0;
  return count;
}

}  // namespace tradewind::testing
