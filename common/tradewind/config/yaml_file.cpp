#include "tradewind/config/yaml_file.h"

#include <fmt/format.h>

#include <cerrno>
#include <fstream>
#include <set>
#include <sstream>
#include <system_error>

#include "absl/status/statusor.h"
#include "yaml-cpp/yaml.h"

namespace tradewind::config {
namespace {

absl::StatusOr<std::string> ReadFile(const std::string& file) {
  errno = 0;
  std::ifstream stream(file, std::ios::binary);
  std::ostringstream content;
  // A folder opens, and fails only when read.
  if (!stream || (stream.peek() != std::ifstream::traits_type::eof() && !(content << stream.rdbuf())) || stream.bad()) {
    return absl::InvalidArgumentError(fmt::format("cannot read the configuration file '{}': {}", file,
                                                  std::generic_category().message(errno == 0 ? EIO : errno)));
  }
  return content.str();
}

class YamlWalk {
 public:
  YamlWalk(const SchemaFields& schema, const std::string& file) : schema_(schema), file_(file) {}

  // Sets the fields under `prefix` from the entries of `map`.
  absl::Status Apply(const YAML::Node& map, const std::string& prefix) {
    for (const auto& entry : map) {
      if (!entry.first.IsScalar()) {
        return absl::InvalidArgumentError(fmt::format("a setting's name {} is not a text", Where(entry.first)));
      }
      const std::string& name = entry.first.Scalar();
      std::string path = prefix.empty() ? name : fmt::format("{}.{}", prefix, name);
      absl::Status status = ApplyEntry(path, entry.first, entry.second);
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }

 private:
  absl::Status ApplyEntry(const std::string& path, const YAML::Node& key, const YAML::Node& value) {
    if (!seen_.insert(path).second) {
      return absl::InvalidArgumentError(fmt::format("setting '{}' {} is there for the second time", path, Where(key)));
    }
    if (FieldBase* field = schema_.Find(path)) {
      absl::Status status = field->SetNode(value);
      return status.ok() ? status : Refuse(*field, Where(key), status);
    }
    if (!schema_.IsSection(path)) {
      std::string hint = DidYouMean(path, schema_.Names());
      return absl::InvalidArgumentError(
          fmt::format("unknown setting '{}' {}{}", path, Where(key), hint.empty() ? "; --help lists all" : hint));
    }
    if (value.IsNull()) return absl::OkStatus();
    if (!value.IsMap()) {
      return absl::InvalidArgumentError(
          fmt::format("setting '{}' {} is a section: its settings go under it", path, Where(key)));
    }
    return Apply(value, path);
  }

  std::string Where(const YAML::Node& node) const { return fmt::format("in {} line {}", file_, node.Mark().line + 1); }

  const SchemaFields& schema_;
  const std::string& file_;
  std::set<std::string> seen_;
};

}  // namespace

absl::Status ApplyYamlFile(const SchemaFields& schema, const std::string& file) {
  absl::StatusOr<std::string> content = ReadFile(file);
  if (!content.ok()) return content.status();
  try {
    YAML::Node document = YAML::Load(*content);
    if (document.IsNull()) return absl::OkStatus();
    if (!document.IsMap()) {
      return absl::InvalidArgumentError(fmt::format("{} is not a YAML map of settings", file));
    }
    return YamlWalk(schema, file).Apply(document, "");
  } catch (const YAML::Exception& error) {
    return absl::InvalidArgumentError(
        fmt::format("{} line {} is not valid YAML: {}", file, error.mark.line + 1, error.msg));
  }
}

}  // namespace tradewind::config
