// Which topics a verb is about: names as people type them, resolved against what the cluster has and the descriptor set
// says.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

#include "services/cli/event_schema.h"
#include "tradewind/bus/kafka_admin.h"
#include "tradewind/bus/kafka_config.h"

namespace tradewind::cli {

// The topics of `existing` that were asked for by `names`, with or without the prefix; every topic of the mesh that
// exists when `names` is empty. NotFound, with the nearest names, for one that does not exist; FailedPrecondition when
// none of the mesh's exists.
absl::StatusOr<std::vector<bus::TopicInfo>> ChooseTopics(const bus::KafkaConfig& kafka, const EventSchema& schema,
                                                         absl::Span<const bus::TopicInfo> existing,
                                                         absl::Span<const std::string> names);

}  // namespace tradewind::cli
