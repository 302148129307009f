// What has to be true of a record beyond its headers before a handler may see it: that it comes from this mesh or from
// outside of any, that it has a value, and that its key is the one its message names. Used when a task first takes a
// record from a topic, before anything keeps it, and again when a person has one retried that was set aside.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "tradewind/bus/envelope.h"
#include "tradewind/bus/record.h"
#include "tradewind/runtime/group.h"

namespace tradewind::runtime {

// Which field of a message has to be the key of its record.
enum class KeyRule {
  // None: it comes from a timer, or an earlier version kept it and did not look.
  kNone,
  // The one that its options name.
  kOfOptions,
  // The one that its subscription is KeyedBy.
  kOfSubscription,
};

// InvalidArgument, with the reason, when the record names another mesh than `mesh` (as bus::MeshName puts it), or has a
// sequence of our form and names none while `accept_unmarked` is false. Does not look at records without a sequence
// that name no mesh: they come from outside.
absl::Status CheckSender(const bus::Envelope& envelope, std::string_view mesh, bool accept_unmarked);

// Returns how many partitions a topic has now, by its full name.
using AskPartitions = std::function<absl::StatusOr<int32_t>(const std::string&)>;

// InvalidArgument where a process of this mesh has put the record where its key belongs by more partitions than the
// `pinned` ones over which the keys of its topic are spread: what is to be handled before it may wait in another task.
// Does not look at records that name no mesh. `ask`, which may be null, is called for one that lies elsewhere than it
// should; where the topic has no more than `pinned`, somebody has put it there who may.
absl::Status CheckPlace(const bus::Record& record, const bus::Envelope& envelope, int32_t pinned,
                        const AskPartitions& ask);

// The message in the record's value. InvalidArgument, with the reason, when there is no value, when it is not a message
// of the handler's type, and when its key field is empty or not the record's key.
absl::StatusOr<std::unique_ptr<google::protobuf::Message>> ReadMessage(const bus::Record& record,
                                                                       const bus::Envelope& envelope,
                                                                       const Handler& handler, KeyRule rule);

// The key under which the subscription of `handler`, which has one, wants the message. InvalidArgument when working it
// out failed.
absl::StatusOr<std::string> SubscriptionKeyOf(const Handler& handler, const google::protobuf::Message& message);

}  // namespace tradewind::runtime
