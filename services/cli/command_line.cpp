#include "services/cli/command_line.h"

#include <fmt/format.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <memory>
#include <string_view>
#include <utility>

#include "services/cli/new_command_line.h"
#include "services/cli/parked_command_line.h"
#include "services/cli/partition_command_line.h"
#include "services/cli/session.h"
#include "services/cli/text.h"

namespace tradewind::cli {
namespace {

constexpr const char* kFooter =
    R"(Settings go before or after the verb: --section.field=value, or TRADEWIND_SECTION_FIELD in the environment,
or a YAML file by --config FILE. --print-config shows them all with their values, --check-config only checks them.
Most used: --kafka.brokers=HOST:PORT, --cli.gateway=HOST:PORT.

Exit codes: 0 all is well; 1 something is not well, did not come in time or could not be reached;
2 the command line or a setting is wrong.)";

// The options of all verbs, where CLI11 puts them. Must not move once the parser was built on it.
struct Targets {
  DemoOptions demo;
  HistoryOptions history;
  double demo_timeout_s = absl::ToDoubleSeconds(demo.timeout);
  NewArguments new_folder;
  ParkedArguments parked;
  PartitionArguments partition;
  SignErasuresOptions sign_erasures;
  StatusOptions status;
  double status_timeout_s = absl::ToDoubleSeconds(status.timeout);
  TailOptions tail;
  std::string key;
  std::string type;
  TopicsOptions topics;
};

bool IsGeneralWord(std::string_view argument) {
  return argument == "--version" || argument == "--check-config" || argument == "--print-config";
}

// A flag whose name has a section: "--kafka.brokers=..." but not "--key=a.b".
bool IsSettingFlag(std::string_view argument) {
  return argument.starts_with("--") && argument.substr(0, argument.find('=')).find('.') != std::string_view::npos;
}

// Takes what is for config::Load out of `arguments`.
std::vector<std::string> TakeSettings(std::vector<std::string>& arguments) {
  std::vector<std::string> settings;
  std::vector<std::string> rest;
  bool options_ended = false;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    options_ended = options_ended || argument == "--";
    const bool setting = IsSettingFlag(argument) || argument == "--config" || argument.starts_with("--config=");
    if (options_ended || !(setting || IsGeneralWord(argument))) {
      rest.push_back(argument);
      continue;
    }
    settings.push_back(argument);
    const bool value_follows = setting && argument.find('=') == std::string::npos && i + 1 < arguments.size();
    if (value_follows) {
      settings.push_back(arguments[++i]);
    }
  }
  arguments = std::move(rest);
  return settings;
}

void AddDemo(CLI::App& app, Targets& targets) {
  CLI::App* verb =
      app.add_subcommand("demo", "Create products, place orders and deliver them, and show each hop over Kafka.");
  verb->add_option("--orders", targets.demo.orders, "How many orders, one after another")
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();
  verb->add_option("--timeout", targets.demo_timeout_s, "Seconds for a call and everything that follows from it")
      ->check(CLI::Range(0.1, 3600.0))
      ->capture_default_str();
  verb->add_flag("--json", targets.demo.json, "One JSON object with every timeline");
}

void AddKeys(CLI::App& app, Targets& targets) {
  CLI::App* verb = app.add_subcommand("keys", "What has to be done by hand with the keys of personal data.");
  verb->require_subcommand(1);
  CLI::App* sign = verb->add_subcommand("sign-erasures",
                                        "Sign the erasures that an earlier version wrote, so that no other has to be "
                                        "taken any more. Needs seal.key_file.");
  sign->add_flag("--yes", targets.sign_erasures.yes, "Sign them; without it only say what would be done");
}

void AddStatus(CLI::App& app, Targets& targets) {
  CLI::App* verb = app.add_subcommand(
      "status",
      "Show the health of the services and of Kafka, and each consumer group's lag and what it has set aside.");
  verb->add_option("--timeout", targets.status_timeout_s, "Seconds for each service to answer")
      ->check(CLI::Range(0.1, 3600.0))
      ->capture_default_str();
  verb->add_flag("--json", targets.status.json, "One JSON object");
}

void AddTail(CLI::App& app, Targets& targets) {
  CLI::App* verb = app.add_subcommand(
      "tail", "Show events as they come, decoded by their type. Fields marked sensitive are shown as [redacted].");
  verb->add_option("topic", targets.tail.reading.topics,
                   "Topics, with or without the prefix; none for all of the mesh");
  verb->add_option("--key", targets.key, "Only records with this key");
  verb->add_option("--type", targets.type, "Only this event type: its full name or the last part of it");
  verb->add_flag("--from-beginning", targets.tail.reading.from_beginning,
                 "Start with the oldest record, not with the next");
  verb->add_flag("--until-end", targets.tail.reading.until_end,
                 "Show what is there now and stop; starts with the oldest record");
  verb->add_option("--count", targets.tail.count, "Stop after this many shown records")->check(CLI::PositiveNumber);
  verb->add_flag("--headers", targets.tail.headers, "Show each record's headers below it");
  verb->add_flag("--json", targets.tail.json, "One JSON object a line, headers included");
}

void AddTimeline(CLI::App& app, Targets& targets) {
  CLI::App* verb = app.add_subcommand(
      "timeline", "Show all that happened to one thing in every service, in the order of time: an order, a user.");
  verb->add_option("id", targets.history.key, "Id of the order or the user: the key of its records")
      ->required()
      ->check([](const std::string& id) { return id.empty() ? "is empty: give the id of an order or of a user" : ""; });
  verb->add_flag("--json", targets.history.json, "One JSON list");
}

void AddTopics(CLI::App& app, Targets& targets) {
  CLI::App* verb = app.add_subcommand("topics", "List the mesh's topics, what they hold and the types on them.");
  verb->add_flag("--json", targets.topics.json, "One JSON list");
}

VerbOptions Chosen(const CLI::App& app, const CLI::App& verb, Targets targets) {
  if (verb.get_name() == "demo") {
    targets.demo.timeout = absl::Seconds(targets.demo_timeout_s);
    return targets.demo;
  }
  if (verb.get_name() == "keys") {
    return targets.sign_erasures;
  }
  if (verb.get_name() == "new") {
    return targets.new_folder.Chosen(verb);
  }
  if (verb.get_name() == "parked") {
    return targets.parked.Chosen(verb);
  }
  if (verb.get_name() == "partition") {
    return targets.partition.Chosen(verb);
  }
  if (verb.get_name() == "status") {
    targets.status.timeout = absl::Seconds(targets.status_timeout_s);
    return targets.status;
  }
  if (verb.get_name() == "timeline") {
    return targets.history;
  }
  if (verb.get_name() == "topics") {
    return targets.topics;
  }
  const CLI::App* tail = app.get_subcommand("tail");
  if (tail->count("--key") > 0) {
    targets.tail.filter.key = targets.key;
  }
  if (tail->count("--type") > 0) {
    targets.tail.filter.type = targets.type;
  }
  return targets.tail;
}

std::vector<std::string> VerbsOf(const CLI::App& app) {
  std::vector<std::string> verbs;
  for (const CLI::App* verb : app.get_subcommands({})) {
    verbs.push_back(verb->get_name());
  }
  return verbs;
}

// One line for a mistake, with the verb that was probably meant.
std::string Explain(const CLI::App& app, const std::vector<std::string>& arguments, const CLI::ParseError& error) {
  // The words up to the last verb, `at` being that one's parser.
  std::string typed;
  const CLI::App* at = &app;
  for (const std::string& argument : arguments) {
    const std::vector<std::string> verbs = VerbsOf(*at);
    if (verbs.empty() || argument.starts_with("-")) {
      return fmt::format("{}; see tradewind {}--help", error.what(), typed);
    }
    if (std::find(verbs.begin(), verbs.end(), argument) == verbs.end()) {
      const std::vector<std::string> near = NearNames(argument, verbs);
      return fmt::format("there is no verb '{}{}'; {}", typed, Printable(argument),
                         near.empty() ? fmt::format("verbs are {}", fmt::join(verbs, ", "))
                                      : fmt::format("did you mean {}?", near.front()));
    }
    at = at->get_subcommand(argument);
    typed += argument + " ";
  }
  const std::vector<std::string> verbs = VerbsOf(*at);
  if (verbs.empty()) {
    return fmt::format("{}; see tradewind {}--help", error.what(), typed);
  }
  return fmt::format("say what to do: {}{}; see tradewind {}--help", typed, fmt::join(verbs, ", "), typed);
}

}  // namespace

CommandLine ParseCommandLine(int argc, const char* const* argv) {
  std::vector<std::string> arguments(argv + std::min(argc, 1), argv + argc);
  CommandLine line{.settings = TakeSettings(arguments)};
  if (std::any_of(line.settings.begin(), line.settings.end(), IsGeneralWord)) {
    return line;
  }
  CLI::App app("Operates a running Tradewind: try it, watch it, ask whether it is well.", "tradewind");
  app.require_subcommand(1);
  app.footer(kFooter);
  app.get_formatter()->column_width(28);
  // Handled with the settings; here for --help.
  bool version = false;
  app.add_flag("--version", version, "Print the version and exit");
  Targets targets;
  AddDemo(app, targets);
  AddKeys(app, targets);
  targets.new_folder.AddTo(app);
  targets.parked.AddTo(app);
  targets.partition.AddTo(app);
  AddStatus(app, targets);
  AddTail(app, targets);
  AddTimeline(app, targets);
  AddTopics(app, targets);
  for (CLI::App* verb : app.get_subcommands({})) {
    verb->footer(kFooter);
    for (CLI::App* subverb : verb->get_subcommands({})) {
      subverb->footer(kFooter);
    }
  }
  try {
    // CLI11 takes them last first.
    app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
    line.verb = Chosen(app, *app.get_subcommands().front(), targets);
  } catch (const CLI::CallForHelp&) {
    line.output = app.help();
  } catch (const CLI::ParseError& error) {
    line.output = fmt::format("tradewind: {}\n", Explain(app, arguments, error));
    line.exit_code = kExitUsage;
  }
  return line;
}

}  // namespace tradewind::cli
