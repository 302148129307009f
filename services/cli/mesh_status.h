// The state of a running mesh as an operator asks for it: gathered here, shown by `tradewind status`.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "absl/types/span.h"

#include "services/cli/cli_config.h"
#include "tradewind/bus/kafka_admin.h"

namespace tradewind::cli {

struct ServiceStatus {
  std::string name;
  std::string address;
  // OK when it is serving.
  absl::Status health;
};

struct GroupStatus {
  std::string name;
  // OK when the lag is known.
  absl::Status status;
  // Records not yet taken, over every topic that the group has an offset for.
  int64_t lag = 0;
  // False before the group's first commit.
  bool committed = false;
  // Events set aside for good; nothing where its service does not tell.
  std::optional<int64_t> dead;
};

struct MeshStatus {
  std::vector<ServiceStatus> services;
  // OK when a broker answers.
  absl::Status kafka;
  std::string cluster_id;
  std::vector<GroupStatus> groups;

  bool well() const;
};

// Records between what the group has committed and the ends. A topic without any committed offset is none of the
// group's; in one with some, a partition without one counts whole, `lows` being where it begins.
GroupStatus SumLag(std::string name, absl::Span<const bus::GroupLag> lags,
                   const std::map<std::pair<std::string, int32_t>, int64_t>& lows);

// Asks the services at the same time, each for up to `timeout`, then Kafka. Blocks.
MeshStatus GatherStatus(const CliConfig& config, absl::Duration timeout);

}  // namespace tradewind::cli
