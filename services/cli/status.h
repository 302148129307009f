// `tradewind status`: whether the services and Kafka are well, how far the consumer groups are behind, and what they
// have set aside.
#pragma once

#include "absl/time/time.h"

#include "services/cli/mesh_status.h"
#include "services/cli/session.h"

namespace tradewind::cli {

struct StatusOptions {
  // For one question to one service.
  absl::Duration timeout = absl::Seconds(2);
  bool json = false;
};

// Returns kExitOk when every service is serving, Kafka answers, every group's lag is known and nothing keeps the mesh
// from moving (mesh_problems.h). Lag and what was set aside are shown, and do not count as not being well.
int RunStatus(const StatusOptions& options, const Session& session);

// Two tables and a line for each problem, or one JSON object.
void PrintStatus(const MeshStatus& mesh, bool json, const Session& session);

}  // namespace tradewind::cli
