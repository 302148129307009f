// What the command line says, before any of it is applied. CLI11 is behind it. Private to this folder.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

#include "tradewind/config/schema_fields.h"

namespace tradewind::config {

struct CommandLine {
  Verb verb = Verb::kRun;
  // --config.
  std::optional<std::string> file;
  std::vector<std::pair<FieldBase*, std::string>> settings;
};

// InvalidArgument for what nobody described, with the nearest known name.
absl::StatusOr<CommandLine> ParseCommandLine(const SchemaFields& schema, const Program& program, int argc,
                                             const char* const* argv);

}  // namespace tradewind::config
