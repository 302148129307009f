// Where an emitted event goes: full topic name, key and partition, worked out by the type's options and the pinned
// partition counts. One per worker; not thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "tradewind/runtime/message_rule.h"

namespace google::protobuf {
class Descriptor;
class Message;
}  // namespace google::protobuf
namespace tradewind::mesh::v1 {
class OutgoingEvent;
}

namespace tradewind::runtime {

class Group;

// Whether Kafka can take the event: value, key as often as it travels, and headers together.
bool CanBePublished(const mesh::v1::OutgoingEvent& event);

class EventRouter {
 public:
  // `partition_counts` by full topic name.
  EventRouter(std::string topic_prefix, const std::map<std::string, int32_t>& partition_counts)
      : topic_prefix_(std::move(topic_prefix)), partition_counts_(partition_counts.begin(), partition_counts.end()) {}

  // Fills in everything but number, previous and traceparent. Throws InvalidEvent, saying why, when the event can never
  // be published; `out` is then left half filled.
  void Address(const google::protobuf::Message& event, mesh::v1::OutgoingEvent& out);

  // For an event whose topic (without prefix) and key are not those of its options, and whose value and type are there
  // already. Fills in topic, partition and key. Throws InvalidEvent as Address does.
  void AddressTo(const std::string& topic, std::string key, mesh::v1::OutgoingEvent& out) const;

  std::string FullTopic(const std::string& topic) const { return topic_prefix_ + topic; }
  // Over how many partitions its keys are spread. 0 for a topic that is neither an input nor an output of this group.
  int32_t PartitionCount(std::string_view full_topic) const;

 private:
  struct Target {
    MessageRoute route;
    std::string full_topic;
    int32_t partitions;
  };
  const Target& TargetOf(const google::protobuf::Descriptor* type);

  std::string topic_prefix_;
  std::map<std::string, int32_t, std::less<>> partition_counts_;
  std::unordered_map<const google::protobuf::Descriptor*, Target> targets_;
};

// How many tasks the group has: a partition with this number or a greater one is none, since keys are not spread over
// it in each of the input topics.
int32_t TaskCount(const Group& group, const EventRouter& router);

}  // namespace tradewind::runtime
