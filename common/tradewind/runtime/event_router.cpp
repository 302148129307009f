#include "tradewind/runtime/event_router.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"

#include "tradewind/bus/envelope.h"
#include "tradewind/bus/event_sink.h"
#include "tradewind/errors/printable.h"
#include "tradewind/mesh/v1/state.pb.h"
#include "tradewind/runtime/context.h"
#include "tradewind/runtime/group.h"

namespace tradewind::runtime {
namespace {

// Room for what a record has beside key and value: names and texts of its headers, each of which has a limit of its own
// (type and id kMaxAttributeBytes, source and mesh what Kafka allows in the names they are made of).
constexpr size_t kHeaderAllowance = 8 * 1024;

void CheckSize(const mesh::v1::OutgoingEvent& event) {
  if (event.value().size() <= kMaxEventBytes && CanBePublished(event)) return;
  throw InvalidEvent(fmt::format(
      "{} under key '{}' has {} bytes, and its key, which travels three times, {}; the most is {} for the value and {} "
      "for all",
      event.type(), errors::Printable(event.key(), 100), event.value().size(), event.key().size(), kMaxEventBytes,
      bus::kMaxRecordBytes - kHeaderAllowance));
}

}  // namespace

bool CanBePublished(const mesh::v1::OutgoingEvent& event) {
  // The key is also ce_subject and ce_partitionkey.
  return event.value().size() + 3 * event.key().size() + kHeaderAllowance <= bus::kMaxRecordBytes;
}

int32_t TaskCount(const Group& group, const EventRouter& router) {
  int32_t fewest = std::numeric_limits<int32_t>::max();
  for (const std::string& topic : group.input_topics()) {
    fewest = std::min(fewest, router.PartitionCount(router.FullTopic(topic)));
  }
  return fewest;
}

int32_t EventRouter::PartitionCount(std::string_view full_topic) const {
  const auto found = partition_counts_.find(full_topic);
  return found == partition_counts_.end() ? 0 : found->second;
}

const EventRouter::Target& EventRouter::TargetOf(const google::protobuf::Descriptor* type) {
  const auto known = targets_.find(type);
  if (known != targets_.end()) return known->second;
  auto route = RouteOf(type);
  if (!route.ok()) throw InvalidEvent(std::string(route.status().message()));
  const std::string full_topic = FullTopic(route->topic);
  const int32_t partitions = PartitionCount(full_topic);
  if (partitions == 0) {
    throw InvalidEvent(
        fmt::format("{} goes to {}, which this group did not name as an output", type->full_name(), full_topic));
  }
  return targets_.emplace(type, Target{*std::move(route), full_topic, partitions}).first->second;
}

void EventRouter::Address(const google::protobuf::Message& event, mesh::v1::OutgoingEvent& out) {
  const Target& target = TargetOf(event.GetDescriptor());
  std::string scratch;
  const std::string_view key = target.route.KeyOf(event, scratch);
  if (key.empty()) {
    throw InvalidEvent(fmt::format("{} was emitted without its key '{}'", event.GetDescriptor()->full_name(),
                                   target.route.key->name()));
  }
  out.set_topic(target.full_topic);
  out.set_partition(bus::PartitionOf(key, target.partitions));
  out.set_key(key.data(), key.size());
  out.set_type(event.GetDescriptor()->full_name());
  // Beyond 2 GiB protobuf refuses.
  if (!event.SerializeToString(out.mutable_value())) {
    throw InvalidEvent(fmt::format("{} is too large to be serialized", out.type()));
  }
  CheckSize(out);
}

void EventRouter::AddressTo(const std::string& topic, std::string key, mesh::v1::OutgoingEvent& out) const {
  std::string full_topic = FullTopic(topic);
  const int32_t partitions = PartitionCount(full_topic);
  if (partitions == 0) throw InvalidEvent(fmt::format("{} is not an output of this group", full_topic));
  if (key.empty()) throw InvalidEvent(fmt::format("an event for {} has an empty key", full_topic));
  out.set_topic(std::move(full_topic));
  out.set_partition(bus::PartitionOf(key, partitions));
  out.set_key(std::move(key));
  CheckSize(out);
}

}  // namespace tradewind::runtime
