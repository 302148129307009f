// Whom `tradewind parked` asks for what: names as people type them, resolved against the settings and the descriptor
// set.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "services/cli/admin_client.h"
#include "services/cli/cli_config.h"
#include "services/cli/event_schema.h"
#include "services/cli/parked.h"

namespace tradewind::cli {

// A client of the service of that name, or of each service that can have parked records when there is no name; sorted
// by name. NotFound, with the nearest names, for one that cli.services does not have; FailedPrecondition for the
// gateway, and when there is no service to ask. Does not connect yet.
absl::StatusOr<std::vector<std::unique_ptr<AdminClient>>> ChooseServices(const CliConfig& config,
                                                                         const std::optional<std::string>& name,
                                                                         absl::Duration timeout);

// The full name for a type as it was typed. A name that the schema does not know is taken as it is where it has a
// package: what no version knows is parked too. Otherwise NotFound with the nearest names; InvalidArgument where it
// stands for several types.
absl::StatusOr<std::string> ResolveType(const EventSchema& schema, const std::string& type);

// What AdminService is to be asked. Reads the descriptor set where a type is asked for: FailedPrecondition when that
// cannot be read, otherwise errors as above.
absl::StatusOr<mesh::v1::ParkedFilter> MakeFilter(const CliConfig& config, const ParkedQuery& query);

}  // namespace tradewind::cli
