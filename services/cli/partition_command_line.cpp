#include "services/cli/partition_command_line.h"

#include <fmt/format.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <charconv>

#include "services/cli/text.h"

namespace tradewind::cli {

CLI::App* PartitionArguments::AddVerb(CLI::App& partition, const std::string& name, const std::string& description) {
  CLI::App* verb = partition.add_subcommand(name, description);
  verb->add_option("TOPIC/PARTITION", place_, "The partition, such as order.events.v1/3")->required();
  verb->add_option("--service", service_, "Only this service, as cli.services names it; else all that read the topic");
  verb->add_flag("--yes", yes_, "Do it; without it only say what would come of it");
  verb->add_option("--timeout", timeout_s_, "Seconds for each answer of a service")
      ->check(CLI::Range(0.1, 3600.0))
      ->capture_default_str();
  return verb;
}

void PartitionArguments::AddTo(CLI::App& app) {
  CLI::App* partition =
      app.add_subcommand("partition", "Decide how to go on where a partition cannot be read as before.");
  partition->require_subcommand(1);
  AddVerb(*partition, "accept-loss",
          "Go on although records that a group has not read are gone: they expired, or the topic was made anew.");
  AddVerb(*partition, "forget-source", "Forget how far a source was taken, so that whatever it says next is taken.")
      ->add_option("SOURCE", source_, "The ce_source of its events, such as /order/3")
      ->required();
}

VerbOptions PartitionArguments::Chosen(const CLI::App& partition) const {
  const CLI::App& verb = *partition.get_subcommands().front();
  PartitionOptions options{
      .verb = verb.get_name() == "accept-loss" ? PartitionVerb::kAcceptLoss : PartitionVerb::kForgetSource,
      .source = source_,
      .service = verb.count("--service") > 0 ? std::optional(service_) : std::nullopt,
      .yes = yes_,
      .timeout = absl::Seconds(timeout_s_)};
  const size_t slash = place_.rfind('/');
  const char* const end = place_.data() + place_.size();
  const char* const number = slash == std::string::npos ? end : place_.data() + slash + 1;
  const auto [stopped, error] = std::from_chars(number, end, options.partition);
  if (error != std::errc() || stopped != end || options.partition < 0 || slash == 0) {
    throw CLI::ValidationError(
        "TOPIC/PARTITION",
        fmt::format("is '{}': write a topic, a slash and a number, such as order.events.v1/3", Printable(place_)));
  }
  options.topic = place_.substr(0, slash);
  return options;
}

}  // namespace tradewind::cli
