#include "services/cli/new_command_line.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

namespace tradewind::cli {

void NewArguments::AddTo(CLI::App& app) {
  CLI::App* verb = app.add_subcommand("new", "Make the folder of a service of your own, which builds and is tested.");
  verb->require_subcommand(1);
  CLI::App* subscriber = verb->add_subcommand("subscriber", "A service that handles an event type.");
  subscriber->add_option("--on", options_.on, "The event type: order.v1.OrderConfirmed")->required();
  CLI::App* service =
      verb->add_subcommand("service", "A service with an aggregate, a command, a query and an event of its own.");
  for (CLI::App* kind : {subscriber, service}) {
    kind->add_option("NAME", options_.name, "Lower-case letters, digits and underscores; names the folder too")
        ->required();
    kind->add_option("--into", options_.into,
                     "Where the folder is made; Tradewind's own folder services makes it a part")
        ->capture_default_str();
  }
}

NewOptions NewArguments::Chosen(const CLI::App& verb) const {
  NewOptions options = options_;
  const bool is_service = verb.get_subcommands().front()->get_name() == "service";
  options.kind = is_service ? NewOptions::Kind::kService : NewOptions::Kind::kSubscriber;
  return options;
}

}  // namespace tradewind::cli
