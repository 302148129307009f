// `tradewind parked retry` and `tradewind parked skip`.
#include <fmt/format.h>

#include <algorithm>
#include <future>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "services/cli/admin_client.h"
#include "services/cli/parked.h"
#include "services/cli/parked_targets.h"
#include "services/cli/text.h"
#include "tradewind/clock/steady_now.h"

namespace tradewind::cli {
namespace {

namespace v1 = mesh::v1;
using Json = nlohmann::ordered_json;

constexpr size_t kMostNamed = 10;

struct Answer {
  std::string service;
  // Of the request, or of waiting for it.
  absl::Status status;
  int64_t chosen = 0;
  // What a skip drops: the first of them, as they were a moment before.
  std::vector<v1::ParkedRecord> dropped;
  // Nothing where it was not waited for.
  std::optional<bool> carried_out;
};

// Whether AdminService chooses a record that the filter matches.
bool IsChosen(const v1::ParkedRecord& record, const v1::ParkedFilter& filter) {
  if (filter.id() != 0) {
    return true;
  }
  return !record.waiting() && (record.state() != v1::PARKED_STATE_HELD || filter.state() == v1::PARKED_STATE_HELD);
}

// What the service would accept without anything coming of it.
absl::Status CheckOne(AdminClient& client, const v1::ParkedFilter& filter, ParkedVerb verb) {
  const auto record = client.Get(filter.id());
  if (!record.ok()) {
    return record.status();
  }
  if (verb == ParkedVerb::kRetry && record->waiting()) {
    return absl::FailedPreconditionError(
        fmt::format("{}: {} waits behind another record of its key and follows it by itself; see tradewind parked show "
                    "{} {}",
                    client.service(), record->id(), client.service(), record->id()));
  }
  return absl::OkStatus();
}

// The service takes a request for any held event and carries it out for the first of a source only.
absl::Status CheckHeld(AdminClient& client, int64_t id) {
  const auto record = client.Get(id);
  if (record.ok() && record->state() == v1::PARKED_STATE_HELD) {
    return absl::FailedPreconditionError(
        fmt::format("{}: {} is still held: of a source's held events only the first can be retried or skipped",
                    client.service(), id));
  }
  return absl::OkStatus();
}

absl::Status Ask(AdminClient& client, const ParkedRequestOptions& options, const v1::ParkedFilter& filter,
                 Answer& answer) {
  if (filter.id() != 0) {
    if (absl::Status checked = CheckOne(client, filter, options.verb); !checked.ok()) {
      return checked;
    }
  }
  const bool skip = options.verb == ParkedVerb::kSkip;
  if (skip) {
    auto listed =
        client.List(filter, kMostNamed, [&](const v1::ParkedRecord& record) { return IsChosen(record, filter); });
    if (!listed.ok()) {
      return listed.status();
    }
    answer.dropped = std::move(listed->records);
  }
  const auto chosen =
      client.Request(skip ? v1::PARKED_ACTION_SKIP : v1::PARKED_ACTION_RETRY, filter, options.query.empty());
  if (!chosen.ok()) {
    return chosen.status();
  }
  answer.chosen = *chosen;
  if (filter.id() != 0 && answer.chosen == 0) {
    return absl::NotFoundError(
        fmt::format("{}: {} does not match the other filters, or is done with", client.service(), filter.id()));
  }
  if (answer.chosen == 0 || options.wait == absl::ZeroDuration()) {
    return absl::OkStatus();
  }
  const auto carried_out = client.AwaitCarriedOut(filter, clock::SteadyNow() + options.wait);
  if (!carried_out.ok()) {
    return carried_out.status();
  }
  answer.carried_out = *carried_out;
  if (!*carried_out) {
    return absl::DeadlineExceededError(
        fmt::format("{}: requested, and not carried out within {}; the owner of the task does that when it can: see "
                    "tradewind status",
                    client.service(), absl::FormatDuration(options.wait)));
  }
  return filter.id() != 0 ? CheckHeld(client, filter.id()) : absl::OkStatus();
}

void PrintJson(const std::vector<Answer>& answers, ParkedVerb verb, const Session& session) {
  Json json = {{"services", Json::array()}, {"problems", Json::array()}};
  for (const Answer& answer : answers) {
    Json item = {{"service", answer.service}, {"chosen", answer.chosen}};
    if (answer.carried_out.has_value()) {
      item["carried_out"] = *answer.carried_out;
    }
    if (verb == ParkedVerb::kSkip) {
      item["skipped"] = Json::array();
      for (const v1::ParkedRecord& record : answer.dropped) {
        item["skipped"].push_back(
            {{"id", record.id()}, {"key", Printable(record.key())}, {"type", Printable(record.type())}});
      }
    }
    json["services"].push_back(std::move(item));
    if (!answer.status.ok()) {
      json["problems"].push_back({{"service", answer.service}, {"problem", std::string(answer.status.message())}});
    }
  }
  session.out << JsonDocument(json) << '\n';
}

void PrintText(const std::vector<Answer>& answers, const ParkedRequestOptions& options, absl::Duration took,
               const Session& session) {
  const bool skip = options.verb == ParkedVerb::kSkip;
  int64_t chosen = 0;
  for (const Answer& answer : answers) {
    chosen += answer.chosen;
    if (answer.chosen == 0) {
      continue;
    }
    session.out << fmt::format("{}: {} {}\n", answer.service, Grouped(answer.chosen),
                               skip ? "to be skipped" : "to be handled again");
    for (size_t i = 0; skip && i < answer.dropped.size() && static_cast<int64_t>(i) < answer.chosen; ++i) {
      const v1::ParkedRecord& record = answer.dropped[i];
      session.out << fmt::format("  {}  {}  {}\n", record.id(), Printable(record.key()),
                                 record.type().empty() ? "-" : Printable(record.type()));
    }
    if (skip && answer.chosen > static_cast<int64_t>(kMostNamed)) {
      session.out << fmt::format("  and {} more\n", Grouped(answer.chosen - static_cast<int64_t>(kMostNamed)));
    }
  }
  const bool all_well =
      std::all_of(answers.begin(), answers.end(), [](const Answer& answer) { return answer.status.ok(); });
  if (chosen == 0 && all_well) {
    session.out << "nothing was chosen: `tradewind parked list` shows what is there\n";
  } else if (chosen > 0 && options.wait == absl::ZeroDuration()) {
    session.out << "the owners of their tasks do that, usually within a second\n";
  } else if (chosen > 0 && all_well) {
    session.out << fmt::format("carried out within {:.1f} s{}\n", absl::ToDoubleSeconds(took),
                               skip ? "" : "; `tradewind parked list` shows what failed again");
  }
}

}  // namespace

int RunParkedRequest(const ParkedRequestOptions& options, const Session& session) {
  const auto clients = ChooseServices(session.config, options.service, options.timeout);
  if (!clients.ok()) {
    return Fail(session, clients.status(), kExitUsage);
  }
  const auto filter = MakeFilter(session.config, options.query);
  if (!filter.ok()) {
    return Fail(session, filter.status(), absl::IsFailedPrecondition(filter.status()) ? kExitNotWell : kExitUsage);
  }
  const absl::Time begin = clock::SteadyNow();
  std::vector<std::future<Answer>> asked;
  for (const auto& client : *clients) {
    asked.push_back(std::async(std::launch::async, [&filter, &options, client = client.get()] {
      Answer answer{.service = client->service()};
      answer.status = Ask(*client, options, *filter, answer);
      return answer;
    }));
  }
  std::vector<Answer> answers;
  answers.reserve(asked.size());
  for (auto& answer : asked) {
    answers.push_back(answer.get());
  }
  options.json ? PrintJson(answers, options.verb, session)
               : PrintText(answers, options, clock::SteadyNow() - begin, session);
  int code = kExitOk;
  for (const Answer& answer : answers) {
    if (!answer.status.ok()) {
      code = Fail(session, answer.status);
    }
  }
  return code;
}

}  // namespace tradewind::cli
