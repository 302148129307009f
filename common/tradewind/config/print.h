// What --help, --version and --print-config print. Private to this folder.
#pragma once

#include <string>

#include "tradewind/config/schema_fields.h"

namespace tradewind::config {

// Every setting with its flag, default (what the target holds now), place in the YAML file and variable.
std::string HelpText(const SchemaFields& schema, const Program& program);
std::string VersionText(const Program& program);
// The settings as they stand, as YAML that --config takes, but for secrets, which are masked.
std::string YamlText(const SchemaFields& schema);

}  // namespace tradewind::config
