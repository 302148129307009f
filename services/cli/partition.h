// `tradewind partition`: what a person decides about one partition of a topic. The AdminService of each service that
// reads it says first what would come of it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/time/time.h"

#include "services/cli/session.h"

namespace tradewind::cli {

enum class PartitionVerb {
  // Goes on although records that were not read are gone.
  kAcceptLoss,
  // Has the groups forget what they have taken of a source.
  kForgetSource,
};

struct PartitionOptions {
  PartitionVerb verb = PartitionVerb::kAcceptLoss;
  // With or without the prefix.
  std::string topic;
  int32_t partition = 0;
  // kForgetSource: the ce_source.
  std::string source;
  // Nothing for every service that reads the topic.
  std::optional<std::string> service;
  // Do it; without, only say what would come of it.
  bool yes = false;
  // For one answer of one service.
  absl::Duration timeout = absl::Seconds(30);
};

// Returns the exit code, and blocks until the services have answered. kExitNotWell where something is to be decided and
// `yes` was not given, where a service does not answer, and where there is nothing to decide.
int RunPartition(const PartitionOptions& options, const Session& session);

}  // namespace tradewind::cli
