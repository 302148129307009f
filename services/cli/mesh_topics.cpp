#include "services/cli/mesh_topics.h"

#include <fmt/format.h>

#include <algorithm>

#include "services/cli/text.h"

namespace tradewind::cli {
namespace {

const bus::TopicInfo* FindTopic(absl::Span<const bus::TopicInfo> topics, const std::string& name) {
  const auto found =
      std::find_if(topics.begin(), topics.end(), [&](const bus::TopicInfo& topic) { return topic.name == name; });
  return found == topics.end() ? nullptr : &*found;
}

absl::Status UnknownTopic(const std::string& name, absl::Span<const bus::TopicInfo> existing,
                          const std::string& brokers) {
  std::vector<std::string> names;
  for (const bus::TopicInfo& topic : existing) {
    names.push_back(topic.name);
  }
  const std::vector<std::string> near = NearNames(name, names);
  const std::string hint =
      near.empty() ? "`tradewind topics` lists what there is" : fmt::format("did you mean {}?", fmt::join(near, ", "));
  return absl::NotFoundError(fmt::format("there is no topic '{}' at {}: {}", Printable(name), brokers, hint));
}

}  // namespace

absl::StatusOr<std::vector<bus::TopicInfo>> ChooseTopics(const bus::KafkaConfig& kafka, const EventSchema& schema,
                                                         absl::Span<const bus::TopicInfo> existing,
                                                         absl::Span<const std::string> names) {
  std::vector<bus::TopicInfo> chosen;
  for (const std::string& name : names) {
    const bus::TopicInfo* topic = FindTopic(existing, bus::FullTopic(kafka, name));
    if (topic == nullptr) {
      topic = FindTopic(existing, name);
    }
    if (topic == nullptr) {
      return UnknownTopic(name, existing, kafka.brokers);
    }
    if (FindTopic(chosen, topic->name) == nullptr) {
      chosen.push_back(*topic);
    }
  }
  if (names.empty()) {
    for (const auto& [name, types] : schema.topics()) {
      if (const bus::TopicInfo* topic = FindTopic(existing, bus::FullTopic(kafka, name))) {
        chosen.push_back(*topic);
      }
    }
    if (chosen.empty()) {
      return absl::FailedPreconditionError(
          fmt::format("none of the mesh's topics exists at {} with the prefix '{}': start the services, which create "
                      "them, or set kafka.topic_prefix",
                      kafka.brokers, kafka.topic_prefix));
    }
  }
  return chosen;
}

}  // namespace tradewind::cli
