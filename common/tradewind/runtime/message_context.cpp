#include "tradewind/runtime/message_context.h"

#include <fmt/format.h>

#include "google/protobuf/message.h"

#include "tradewind/mesh/v1/envelope.pb.h"
#include "tradewind/mesh/v1/state.pb.h"

namespace tradewind::runtime {

void MessageContext::Emit(const google::protobuf::Message& event) {
  mesh::v1::OutgoingEvent& out = *work_.outbox->add_events();
  try {
    attempt_.router_.Address(event, out);
  } catch (const InvalidEvent&) {
    // A handler that swallows the error must not publish half an event.
    work_.outbox->mutable_events()->RemoveLast();
    throw;
  }
  out.set_traceparent(traceparent_);
}

void MessageContext::Reply(const google::protobuf::Message& resource) {
  reply_.mutable_resource()->PackFrom(resource);
  if (reply_.resource().value().size() > kMaxEventBytes) {
    throw InvalidEvent(fmt::format("the reply {} has {} bytes; the most is {}", resource.GetDescriptor()->full_name(),
                                   reply_.resource().value().size(), kMaxEventBytes));
  }
}

absl::Time MessageContext::now() const { return attempt_.now_; }

Context::Slot MessageContext::LoadSlot(const google::protobuf::Message& prototype, std::string_view key) {
  auto entry = attempt_.aggregates_.Touch(prototype, key);
  if (!entry.ok()) {
    attempt_.status_ = entry.status();
    throw StoreAway(std::string(entry.status().message()));
  }
  return {(*entry)->state.get(), &(*entry)->exists, &(*entry)->removed};
}

}  // namespace tradewind::runtime
