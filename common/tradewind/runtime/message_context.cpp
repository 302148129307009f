#include "tradewind/runtime/message_context.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "google/protobuf/message.h"

#include "tradewind/errors/printable.h"
#include "tradewind/mesh/v1/envelope.pb.h"
#include "tradewind/mesh/v1/state.pb.h"
#include "tradewind/runtime/kept_record.h"

namespace tradewind::runtime {

void MessageContext::Emit(const google::protobuf::Message& event) { attempt_.AddEvent(work_, event, traceparent_); }

void MessageContext::Reply(const google::protobuf::Message& resource) {
  reply_.mutable_resource()->PackFrom(resource);
  if (reply_.resource().value().size() > kMaxEventBytes) {
    throw InvalidEvent(fmt::format("the reply {} has {} bytes; the most is {}", resource.GetDescriptor()->full_name(),
                                   reply_.resource().value().size(), kMaxEventBytes));
  }
}

void MessageContext::SetTimer(std::string_view name, absl::Time due, const google::protobuf::Message& message) {
  const std::string& type = message.GetDescriptor()->full_name();
  const bool printable = std::all_of(name.begin(), name.end(), [](char c) { return c >= ' ' && c <= '~'; });
  if (name.empty() || name.size() > kMaxTimerName || !printable) {
    throw InvalidEvent(
        fmt::format("the name of a timer for {} must be 1 to {} printable ASCII characters", type, kMaxTimerName));
  }
  if (attempt_.group_.Find(type) == nullptr) {
    throw InvalidEvent(
        fmt::format("group '{}' has no handler for {}, which a timer would send", attempt_.group_.name(), type));
  }
  bus::RecordContent content{.topic = attempt_.router_.FullTopic(std::string(kTimersTopic)),
                             .partition = work_.task->id.partition,
                             .timestamp_ms = absl::ToUnixMillis(due),
                             .key = std::string(key()),
                             .value = message.SerializeAsString()};
  if (content.value.size() > kMaxEventBytes) {
    throw InvalidEvent(
        fmt::format("the timer {} has {} bytes; the most is {}", type, content.value.size(), kMaxEventBytes));
  }
  const std::string id = fmt::format("{}/{}", event_id(), name);
  const std::string time = bus::EventTime(due);
  const bus::EnvelopeHeaders headers({.id = id,
                                      .type = type,
                                      .source = work_.task->source,
                                      .time = time,
                                      .content_type = "application/protobuf",
                                      .traceparent = traceparent_,
                                      .mesh = attempt_.settings_.mesh},
                                     key());
  for (const bus::HeaderView& header : headers.view()) content.headers.emplace_back(header.name, header.value);
  store::Timer timer{
      .task = work_.task->id,
      .key = content.key,
      .name = std::string(name),
      .due = absl::FromUnixMillis(absl::ToUnixMillis(due + absl::Milliseconds(1) - absl::Nanoseconds(1)))};
  timer.record = SerializeRecord(bus::Record::FromContent(std::move(content)));
  attempt_.timer_changes_.push_back({timer.key, timer.name, std::move(timer)});
}

void MessageContext::CancelTimer(std::string_view name) {
  attempt_.timer_changes_.push_back({std::string(key()), std::string(name), std::nullopt});
}

absl::Time MessageContext::now() const { return attempt_.now_; }

Context::Slot MessageContext::LoadSlot(const google::protobuf::Message& prototype, std::string_view key) {
  auto entry = attempt_.aggregates_.Touch(prototype, key);
  if (!entry.ok()) {
    attempt_.status_ = entry.status();
    throw StoreAway(std::string(entry.status().message()));
  }
  if ((*entry)->damaged) {
    throw DamagedState(fmt::format("the stored {} under key '{}' does not parse; restore it from a backup",
                                   (*entry)->kind, errors::Printable((*entry)->key)));
  }
  return {(*entry)->state.get(), &(*entry)->exists, &(*entry)->removed};
}

}  // namespace tradewind::runtime
