#include "tradewind/config/command_line.h"

#include <fmt/format.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>

namespace tradewind::config {
namespace {

constexpr std::string_view kHealthVerb = "health";

// CLI11 takes "--name=" for a name whose value follows, and would eat the next argument: give it the empty value.
std::vector<std::string> SplitEmptyValues(int argc, const char* const* argv) {
  std::vector<std::string> arguments;
  for (int i = 1; i < argc; ++i) {
    std::string argument = argv[i];
    if (argument.starts_with("--") && argument.find('=') == argument.size() - 1) {
      argument.pop_back();
      arguments.push_back(std::move(argument));
      arguments.emplace_back();
    } else {
      arguments.push_back(std::move(argument));
    }
  }
  return arguments;
}

absl::Status UnknownFlag(const std::string& argument, const std::vector<std::string>& flags) {
  std::string name = argument.substr(0, argument.find('='));
  std::string hint = DidYouMean(name, flags);
  return absl::InvalidArgumentError(
      fmt::format("unknown flag '{}'{}", name, hint.empty() ? "; --help lists all" : hint));
}

struct GeneralFlag {
  const char* names;
  Verb verb;
  CLI::Option* option = nullptr;
};

}  // namespace

absl::StatusOr<CommandLine> ParseCommandLine(const SchemaFields& schema, const Program& program, int argc,
                                             const char* const* argv) {
  CLI::App app(program.summary, program.name);
  app.set_help_flag("");
  app.allow_extras();

  // In the order in which one wins over another.
  GeneralFlag general[] = {{"-h,--help", Verb::kHelp},
                           {"--version", Verb::kVersion},
                           {"--print-config", Verb::kPrintConfig},
                           {"--check-config", Verb::kCheckConfig}};
  for (GeneralFlag& flag : general) flag.option = app.add_flag(flag.names);

  CommandLine result;
  std::string file;
  std::string verb;
  CLI::Option* config = app.add_option("--config", file);
  CLI::Option* positional = app.add_option("verb", verb);
  std::vector<std::string> flags = {"--help", "--version", "--print-config", "--check-config", "--config"};
  std::vector<std::pair<FieldBase*, CLI::Option*>> options;
  for (const auto& field : schema.fields) {
    CLI::Option* option = field->is_switch() ? app.add_flag(field->flag()) : app.add_option(field->flag());
    // The last of several wins, so that a script can put its own after a user's.
    option->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
    options.emplace_back(field.get(), option);
    flags.push_back(field->flag());
  }

  try {
    std::vector<std::string> arguments = SplitEmptyValues(argc, argv);
    std::reverse(arguments.begin(), arguments.end());  // CLI11 takes them last first.
    app.parse(std::move(arguments));
  } catch (const CLI::ParseError& error) {
    return absl::InvalidArgumentError(error.what());
  }

  for (const std::string& extra : app.remaining()) {
    if (extra.starts_with("-")) return UnknownFlag(extra, flags);
    return absl::InvalidArgumentError(fmt::format("unexpected argument '{}'; --help lists what there is", extra));
  }
  if (positional->count() > 0) {
    if (verb != kHealthVerb) {
      std::string hint = DidYouMean(verb, {std::string(kHealthVerb)});
      return absl::InvalidArgumentError(
          fmt::format("unexpected argument '{}'{}", verb, hint.empty() ? "; --help lists what there is" : hint));
    }
    result.verb = Verb::kHealth;
  }
  for (const GeneralFlag& flag : general) {
    if (flag.option->count() == 0) continue;
    result.verb = flag.verb;
    break;
  }
  if (config->count() > 0) result.file = file;
  for (const auto& [field, option] : options) {
    if (option->count() > 0) result.settings.emplace_back(field, option->results().back());
  }
  return result;
}

}  // namespace tradewind::config
