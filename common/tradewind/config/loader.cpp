#include <fmt/format.h>
#include <unistd.h>

#include <map>
#include <optional>
#include <set>
#include <string>

#include "tradewind/config/command_line.h"
#include "tradewind/config/nearest.h"
#include "tradewind/config/print.h"
#include "tradewind/config/schema_fields.h"
#include "tradewind/config/yaml_file.h"

namespace tradewind::config {
namespace {

constexpr std::string_view kPrefix = "TRADEWIND_";
constexpr std::string_view kTestPrefix = "TRADEWIND_TEST_";
constexpr char kConfigVariable[] = "TRADEWIND_CONFIG";
// Further off than this, a variable is taken for another executable's.
constexpr std::size_t kMisspelling = 2;

using Environment = std::map<std::string, std::string>;

// The TRADEWIND_* variables of the process but those of the tests.
Environment ReadEnvironment() {
  Environment environment;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    std::string_view text = *entry;
    std::size_t equals = text.find('=');
    if (equals == std::string_view::npos || !text.starts_with(kPrefix) || text.starts_with(kTestPrefix)) continue;
    environment.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return environment;
}

}  // namespace

// One run of Load.
class Loader {
 public:
  Loader(Schema& schema, const Program& program)
      : schema_(*schema.fields_), program_(program), environment_(ReadEnvironment()) {}

  absl::StatusOr<Command> Run(int argc, const char* const* argv) {
    if (absl::Status status = schema_.Validate(); !status.ok()) return status;
    absl::StatusOr<CommandLine> line = ParseCommandLine(schema_, program_, argc, argv);
    if (!line.ok()) return line.status();

    Command command{.verb = line->verb};
    if (command.verb == Verb::kHelp) {
      command.output = HelpText(schema_, program_);
      return command;
    }
    if (command.verb == Verb::kVersion) {
      command.output = VersionText(program_);
      return command;
    }
    if (absl::Status status = Fill(*line); !status.ok()) return status;
    if (command.verb == Verb::kPrintConfig) command.output = YamlText(schema_);
    return command;
  }

 private:
  // Lowest precedence first.
  absl::Status Fill(const CommandLine& line) {
    std::optional<std::string> file = line.file;
    if (auto variable = environment_.find(kConfigVariable); !file && variable != environment_.end()) {
      file = variable->second;
    }
    if (file) {
      if (absl::Status status = ApplyYamlFile(schema_, *file); !status.ok()) return status;
    }
    if (absl::Status status = ApplyEnvironment(); !status.ok()) return status;
    for (const auto& [field, text] : line.settings) {
      absl::Status status = field->SetText(text);
      if (!status.ok()) return Refuse(*field, "from " + field->flag(), status);
    }
    if (absl::Status status = CheckDefaults(); !status.ok()) return status;
    if (absl::Status status = schema_.CheckListeners(); !status.ok()) return status;
    for (const auto& check : schema_.checks) {
      if (absl::Status status = check(); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

  absl::Status ApplyEnvironment() {
    std::vector<std::string> known = {kConfigVariable};
    for (const auto& field : schema_.fields) {
      known.push_back(field->variable());
      auto variable = environment_.find(field->variable());
      if (variable == environment_.end()) continue;
      absl::Status status = field->SetText(variable->second);
      if (!status.ok()) return Refuse(*field, "from " + field->variable(), status);
    }
    std::set<std::string> names(known.begin(), known.end());
    for (const auto& [name, value] : environment_) {
      if (names.count(name) != 0) continue;
      if (auto nearest = Nearest(name, known, kMisspelling)) {
        return absl::InvalidArgumentError(
            fmt::format("unknown environment variable {}; did you mean {}?", name, *nearest));
      }
    }
    return absl::OkStatus();
  }

  // A value that a source gave has passed already, so what fails here is a default.
  absl::Status CheckDefaults() {
    for (const auto& field : schema_.fields) {
      absl::Status status = field->Check();
      if (status.ok()) continue;
      return absl::InvalidArgumentError(fmt::format("setting '{}' {}; set it in the YAML file, by {} or by {}",
                                                    field->path(), std::string(status.message()), field->variable(),
                                                    field->flag()));
    }
    return absl::OkStatus();
  }

  const SchemaFields& schema_;
  const Program& program_;
  const Environment environment_;
};

absl::StatusOr<Command> Load(Schema& schema, const Program& program, int argc, const char* const* argv) {
  return Loader(schema, program).Run(argc, argv);
}

}  // namespace tradewind::config
