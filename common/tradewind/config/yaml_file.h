// The YAML file as a source of settings. yaml-cpp is behind it. Private to this folder.
#pragma once

#include <string>

#include "absl/status/status.h"

#include "tradewind/config/schema_fields.h"

namespace tradewind::config {

// Sets every field that the file names. InvalidArgument with file and line where the file cannot be read, or holds what
// nobody described, twice the same, or a value that its field refuses. Blocks on the file.
absl::Status ApplyYamlFile(const SchemaFields& schema, const std::string& file);

}  // namespace tradewind::config
