#include "tradewind/config/print.h"

#include <fmt/format.h>

#include "absl/strings/str_split.h"
#include "yaml-cpp/yaml.h"

namespace tradewind::config {
namespace {

std::string FieldHelp(const FieldBase& field) {
  std::string text = fmt::format("  {}={}\n      {}", field.flag(), field.kind(), field.help());
  if (std::string allowed = field.allowed(); !allowed.empty()) text += fmt::format(" ({})", allowed);
  std::string value = field.text();
  std::size_t dot = field.path().rfind('.');
  std::string place = dot == std::string::npos
                          ? field.path()
                          : fmt::format("{} under {}", field.path().substr(dot + 1), field.path().substr(0, dot));
  return fmt::format("{}\n      default: {}; YAML: {}; environment: {}\n", text, value.empty() ? "none" : value, place,
                     field.variable());
}

bool LiesIn(const FieldBase& field, const SectionInfo& section) {
  std::size_t dot = field.path().rfind('.');
  return dot == std::string::npos ? section.name.empty() : field.path().substr(0, dot) == section.name;
}

}  // namespace

std::string HelpText(const SchemaFields& schema, const Program& program) {
  std::string text = fmt::format(
      "{0}: {1}\n\n"
      "Usage: {0} [health] [--config FILE] [--section.field=value ...]\n\n"
      "  health           ask the running instance whether it is healthy: exit code 0 when it is\n"
      "  --config FILE    read settings from this YAML file; environment: TRADEWIND_CONFIG\n"
      "  --check-config   check the settings and exit\n"
      "  --print-config   print the settings that are in effect, secrets masked, and exit\n"
      "  --version        print the version and exit\n"
      "  -h, --help       print this and exit\n\n"
      "A flag wins over the environment, the environment over the file, the file over the default.\n",
      program.name, program.summary);
  for (const SectionInfo& section : schema.sections) {
    text += fmt::format("\n{}{}{}\n", section.name, section.name.empty() ? "" : ": ", section.help);
    for (const auto& field : schema.fields) {
      if (LiesIn(*field, section)) text += FieldHelp(*field);
    }
  }
  return text;
}

std::string VersionText(const Program& program) { return fmt::format("{} {}\n", program.name, TRADEWIND_VERSION); }

std::string YamlText(const SchemaFields& schema) {
  YAML::Node root(YAML::NodeType::Map);
  for (const auto& field : schema.fields) {
    YAML::Node node = root;
    for (absl::string_view part : absl::StrSplit(field->path(), '.')) node.reset(node[std::string(part)]);
    node = field->ToNode();
  }
  YAML::Emitter out;
  out << root;
  return fmt::format("{}\n", out.c_str());
}

}  // namespace tradewind::config
