// What the mesh needs of a topic: given to those it creates, asked of those it finds.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"

#include "tradewind/bus/kafka_admin.h"
#include "tradewind/bus/kafka_config.h"

namespace tradewind::bus::internal {

// Name and value of each setting a new topic gets.
std::vector<std::pair<std::string, std::string>> TopicSettings(const KafkaConfig& config, TopicKind kind);

// FailedPrecondition, naming topic, setting and the way out, when an existing topic could lose what was acknowledged.
absl::Status CheckTopicSettings(const KafkaConfig& config, TopicKind kind, const std::string& topic,
                                const std::map<std::string, std::string, std::less<>>& settings);

// What an operator may change of an existing topic that loses nothing as it is; empty where there is nothing.
std::string AdviseTopicSettings(TopicKind kind, const std::string& topic,
                                const std::map<std::string, std::string, std::less<>>& settings);

}  // namespace tradewind::bus::internal
