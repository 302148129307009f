// Whether what was typed behind `tradewind new` can be made: the name, and the event type. Pure functions.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace google::protobuf {
class Descriptor;
}

namespace tradewind::cli {

class EventSchema;

// Of a service's name. It becomes a consumer group, a folder, a C++ namespace and a package of protos.
inline constexpr size_t kMaxServiceName = 40;

// InvalidArgument, saying what is allowed, or AlreadyExists for one of `taken` and for words that C++ or the libraries
// have another use for.
absl::Status CheckServiceName(std::string_view name, const std::set<std::string, std::less<>>& taken);

// An event type that can be subscribed to.
struct EventType {
  const google::protobuf::Descriptor* type = nullptr;
  // The string field that is the key.
  std::string key;
  // "order" of tradewind/order/v1/events.proto.
  std::string domain;
};

// `typed` is a full name, or one without what all of them begin with ("order.v1.OrderConfirmed"), or the last part
// alone. InvalidArgument, with the names that are near, where there is no such type, several, or one that is no event.
// Valid as long as `schema` is.
absl::StatusOr<EventType> FindEventType(const EventSchema& schema, std::string_view typed);

// Ports of gRPC and of metrics for a service that nobody gave one: the same for the same name, and seldom the same for
// two. Below those that Linux hands out to outgoing connections, away from those of Tradewind's own services.
std::pair<int, int> DefaultPorts(std::string_view name);

}  // namespace tradewind::cli
