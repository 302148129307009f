// The state of a running mesh as an operator asks for it: gathered here, shown by `tradewind status`.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "absl/types/span.h"

#include "services/cli/cli_config.h"
#include "services/cli/mesh_problems.h"
#include "services/cli/record_lag.h"
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
  // From the service's metrics, each nothing where it does not tell. Given up: a person must decide.
  std::optional<int64_t> dead;
  // Failed and retried, or waiting behind such a one of their key.
  std::optional<int64_t> parked;
  // Behind a gap in their source's chain.
  std::optional<int64_t> held;
  // The service reads nothing because what it has published is not yet acknowledged by Kafka.
  std::optional<bool> outbox_full;
};

struct MeshStatus {
  std::vector<ServiceStatus> services;
  // OK when a broker answers.
  absl::Status kafka;
  std::string cluster_id;
  std::vector<GroupStatus> groups;
  // What keeps the mesh from moving although everything above answers.
  std::vector<Problem> problems;

  bool well() const;
};

// What a group has still to take of a partition: from `next` on.
struct Behind {
  Place place;
  int64_t next = 0;
  int64_t end = 0;
};

// Where the group is not at the end. A topic without any committed offset is none of the group's; in one with some, a
// partition without one counts whole, `lows` being where it begins.
std::vector<Behind> FindBehind(absl::Span<const bus::GroupLag> lags, const std::map<Place, int64_t>& lows);

// The records that a group which has something to take of these partitions has still to take.
int64_t SumLag(absl::Span<const Behind> behind, const std::map<Place, LogPiece>& pieces);

// Takes over what a service's metrics, as Prometheus reads them, tell of its group.
void ReadMetrics(std::string_view exposition, GroupStatus& group);

// Asks the services at the same time, each for up to `timeout`, then Kafka. Blocks; where a transaction is open, until
// it has ended or been open for kOpenTransactionBound.
MeshStatus GatherStatus(const CliConfig& config, absl::Duration timeout);

}  // namespace tradewind::cli
