// The operator's command: reads the command line and the settings, runs one verb.
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <iostream>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "services/cli/cli_config.h"
#include "services/cli/command_line.h"
#include "services/cli/session.h"
#include "tradewind/config/config.h"
#include "tradewind/telemetry/logger.h"

namespace {

using tradewind::cli::CliConfig;
using tradewind::cli::CommandLine;
using tradewind::cli::Session;

std::atomic<bool> interrupted = false;
static_assert(std::atomic<bool>::is_always_lock_free, "set from a signal handler");

void Interrupt(int) { interrupted = true; }

// For a verb that goes on until it is told to stop: the first signal asks it to, the second one ends the process.
void HandleSignals() {
  struct sigaction action = {};
  action.sa_handler = Interrupt;
  action.sa_flags = SA_RESETHAND;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  // Started with nohup, it is to go on after the terminal.
  struct sigaction hangup = {};
  sigaction(SIGHUP, nullptr, &hangup);
  if (hangup.sa_handler != SIG_IGN) sigaction(SIGHUP, &action, nullptr);
}

bool ShowsColors() {
  const char* term = std::getenv("TERM");
  return isatty(STDOUT_FILENO) != 0 && std::getenv("NO_COLOR") == nullptr && term != nullptr &&
         std::string_view(term) != "dumb";
}

int RunVerb(const tradewind::cli::VerbOptions& verb, const Session& session) {
  struct Runner {
    const Session& session;
    int operator()(const tradewind::cli::DemoOptions& options) const { return RunDemo(options, session); }
    int operator()(const tradewind::cli::HistoryOptions& options) const { return RunHistory(options, session); }
    int operator()(const tradewind::cli::NewOptions& options) const { return RunNew(options, session); }
    int operator()(const tradewind::cli::ParkedListOptions& options) const { return RunParkedList(options, session); }
    int operator()(const tradewind::cli::ParkedRequestOptions& options) const {
      return RunParkedRequest(options, session);
    }
    int operator()(const tradewind::cli::ParkedShowOptions& options) const { return RunParkedShow(options, session); }
    int operator()(const tradewind::cli::PartitionOptions& options) const { return RunPartition(options, session); }
    int operator()(const tradewind::cli::SignErasuresOptions& options) const {
      return RunSignErasures(options, session);
    }
    int operator()(const tradewind::cli::StatusOptions& options) const { return RunStatus(options, session); }
    int operator()(const tradewind::cli::TailOptions& options) const { return RunTail(options, session); }
    int operator()(const tradewind::cli::TopicsOptions& options) const { return RunTopics(options, session); }
  };
  return std::visit(Runner{session}, verb);
}

int Run(const CommandLine& line) {
  CliConfig config = tradewind::cli::DefaultCliConfig();
  tradewind::config::Schema schema;
  Describe(schema, config);
  std::vector<const char*> arguments = {"tradewind"};
  for (const std::string& setting : line.settings) {
    arguments.push_back(setting.c_str());
  }
  const auto command = Load(schema, {.name = "tradewind", .summary = "the operator's command of Tradewind"},
                            static_cast<int>(arguments.size()), arguments.data());
  if (!command.ok()) {
    std::cerr << "tradewind: " << std::string(command.status().message()) << std::endl;
    return tradewind::cli::kExitUsage;
  }
  if (!line.verb.has_value()) {
    std::cout << command->output;
    return tradewind::cli::kExitOk;
  }
  tradewind::telemetry::InitLogging(config.log, "tradewind");
  if (std::holds_alternative<tradewind::cli::TailOptions>(*line.verb)) {
    HandleSignals();
  }
  return RunVerb(
      *line.verb,
      {.config = config, .out = std::cout, .err = std::cerr, .color = ShowsColors(), .interrupted = interrupted});
}

}  // namespace

int main(int argc, char** argv) {
  const CommandLine line = tradewind::cli::ParseCommandLine(argc, argv);
  if (!line.output.empty()) {
    (line.exit_code == 0 ? std::cout : std::cerr) << line.output;
    return line.exit_code;
  }
  return Run(line);
}
