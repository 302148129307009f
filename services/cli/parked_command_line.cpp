#include "services/cli/parked_command_line.h"

#include <fmt/format.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <optional>

#include "services/cli/text.h"

namespace tradewind::cli {
namespace {

std::optional<std::string> Given(const CLI::App& verb, const std::string& option, const std::string& value) {
  return verb.count(option) > 0 ? std::optional(value) : std::nullopt;
}

}  // namespace

void ParkedArguments::AddTo(CLI::App& app) {
  CLI::App* parked =
      app.add_subcommand("parked", "Show records that failed, died or wait, and have them handled again or dropped.");
  parked->require_subcommand(1);

  CLI::App* list = parked->add_subcommand("list", "List what is parked, the oldest of each service first.");
  list->add_option("SERVICE", words_.service, "Only this service, as cli.services names it");
  AddFilters(*list);
  list->add_option("--limit", words_.limit, "Show at most this many of each service")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();

  CLI::App* show = parked->add_subcommand("show", "Show one record with its headers and its decoded value.");
  show->add_option("SERVICE", words_.service, "The service, as cli.services names it")->required();
  show->add_option("ID", words_.id, "The record's id, as list shows it")->required()->check(CLI::PositiveNumber);

  AddRequest(*parked, "retry", "Have records handled again, with as many attempts as a new one has.");
  AddRequest(*parked, "skip", "Drop records; what waits behind them goes on.");

  for (CLI::App* verb : parked->get_subcommands({})) {
    verb->add_option("--timeout", words_.timeout_s, "Seconds for each answer of a service")
        ->check(CLI::Range(0.1, 3600.0))
        ->capture_default_str();
    verb->add_flag("--json", words_.json, "One JSON object");
  }
}

void ParkedArguments::AddFilters(CLI::App& verb) {
  verb.add_option("--key", words_.key, "Only records with this key, bytes written as \\xNN where list shows them so");
  verb.add_option("--type", words_.type, "Only this event type: its full name or the last part of it");
  verb.add_option("--state", words_.state, "dead: given up; parked: is retried or waits; held: behind a gap")
      ->check(CLI::IsMember({"dead", "parked", "held"}));
}

void ParkedArguments::AddRequest(CLI::App& parked, const std::string& name, const std::string& description) {
  CLI::App* verb = parked.add_subcommand(name, description);
  verb->add_option("SERVICE", words_.service, "Only this service, as cli.services names it");
  verb->add_option("--id", words_.id, "Only the record with this id; needs SERVICE")->check(CLI::PositiveNumber);
  AddFilters(*verb);
  verb->add_flag("--all", words_.all, "Everything that failed; events behind a gap only with --state held");
  verb->add_option("--wait", words_.wait_s, "Seconds to wait until it is carried out; 0 does not wait")
      ->check(CLI::Range(0.0, 3600.0))
      ->capture_default_str();
}

ParkedQuery ParkedArguments::QueryOf(const CLI::App& verb) const {
  ParkedQuery query{.key = Given(verb, "--key", FromPrintable(words_.key)),
                    .type = Given(verb, "--type", words_.type),
                    .state = Given(verb, "--state", words_.state)};
  if (const std::string_view bad = BadEscape(words_.key); !bad.empty()) {
    throw CLI::ValidationError(
        "--key",
        fmt::format("has '{}': \\x stands for a byte and needs two hex digits; a backslash before an x is typed "
                    "as \\x5c",
                    Printable(bad)));
  }
  // To AdminService an empty field is none, so that it would choose everything.
  if (query.key == "") {
    throw CLI::ValidationError("--key", "is empty: a record without a key has topic/partition/offset in its place");
  }
  if (query.type == "") {
    throw CLI::ValidationError("--type", "is empty: it may be the name of an event type");
  }
  return query;
}

ParkedRequestOptions ParkedArguments::RequestOf(const CLI::App& verb) const {
  ParkedRequestOptions options{.verb = verb.get_name() == "skip" ? ParkedVerb::kSkip : ParkedVerb::kRetry,
                               .service = Given(verb, "SERVICE", words_.service),
                               .query = QueryOf(verb),
                               .wait = absl::Seconds(words_.wait_s),
                               .timeout = absl::Seconds(words_.timeout_s),
                               .json = words_.json};
  if (verb.count("--id") > 0) {
    options.query.id = words_.id;
    if (!options.service.has_value()) {
      throw CLI::ValidationError("--id", "needs the SERVICE: each service counts its own records");
    }
  }
  if (options.query.empty() && !words_.all) {
    throw CLI::ValidationError(verb.get_name(),
                               "say which: --id N (with SERVICE), --key K, --type T, --state S, or --all");
  }
  if (!options.query.empty() && words_.all) {
    throw CLI::ValidationError("--all", "goes with no other filter");
  }
  return options;
}

VerbOptions ParkedArguments::Chosen(const CLI::App& parked) const {
  const CLI::App& verb = *parked.get_subcommands().front();
  if (verb.get_name() == "list") {
    return ParkedListOptions{.service = Given(verb, "SERVICE", words_.service),
                             .query = QueryOf(verb),
                             .limit = words_.limit,
                             .timeout = absl::Seconds(words_.timeout_s),
                             .json = words_.json};
  }
  if (verb.get_name() == "show") {
    return ParkedShowOptions{
        .service = words_.service, .id = words_.id, .timeout = absl::Seconds(words_.timeout_s), .json = words_.json};
  }
  return RequestOf(verb);
}

}  // namespace tradewind::cli
