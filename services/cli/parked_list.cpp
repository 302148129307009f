// `tradewind parked list`.
#include <fmt/format.h>

#include <future>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "absl/time/clock.h"

#include "services/cli/admin_client.h"
#include "services/cli/parked.h"
#include "services/cli/parked_format.h"
#include "services/cli/parked_targets.h"
#include "services/cli/text.h"

namespace tradewind::cli {
namespace {

using Json = nlohmann::ordered_json;

struct Answer {
  std::string service;
  absl::StatusOr<AdminClient::Listed> listed;
};

void PrintJson(const std::vector<Answer>& answers, const Session& session) {
  Json json = {{"records", Json::array()}, {"more", Json::array()}, {"problems", Json::array()}};
  for (const Answer& answer : answers) {
    if (!answer.listed.ok()) {
      json["problems"].push_back(
          {{"service", answer.service}, {"problem", std::string(answer.listed.status().message())}});
      continue;
    }
    for (const auto& record : answer.listed->records) {
      json["records"].push_back(ParkedJson(answer.service, record));
    }
    if (answer.listed->more) {
      json["more"].push_back(answer.service);
    }
  }
  session.out << JsonDocument(json) << '\n';
}

void PrintTable(const std::vector<Answer>& answers, const ParkedListOptions& options, const Session& session) {
  const absl::Time now = absl::Now();
  Table table = ParkedTable();
  std::vector<std::string> answered;
  std::vector<std::string> with_more;
  bool empty = true;
  for (const Answer& answer : answers) {
    if (!answer.listed.ok()) {
      continue;
    }
    answered.push_back(answer.service);
    for (const auto& record : answer.listed->records) {
      AddParkedRow(table, answer.service, record, now);
      empty = false;
    }
    if (answer.listed->more) {
      with_more.push_back(answer.service);
    }
  }
  if (empty && answered.empty()) {
    return;
  }
  if (empty) {
    const std::string where = answered.size() == answers.size() ? "" : fmt::format(" in {}", fmt::join(answered, ", "));
    session.out << "nothing " << (options.query.empty() ? "is parked" : "that matches is parked") << where << '\n';
    return;
  }
  table.Print(session.out, session.color);
  if (!with_more.empty()) {
    session.out << fmt::format(
        "{} {} more than the {} shown: narrow it down with --key, --type or --state, or raise --limit\n",
        fmt::join(with_more, ", "), with_more.size() == 1 ? "has" : "have", options.limit);
  }
}

}  // namespace

int RunParkedList(const ParkedListOptions& options, const Session& session) {
  const auto clients = ChooseServices(session.config, options.service, options.timeout);
  if (!clients.ok()) {
    return Fail(session, clients.status(), kExitUsage);
  }
  const auto filter = MakeFilter(session.config, options.query);
  if (!filter.ok()) {
    return Fail(session, filter.status(), absl::IsFailedPrecondition(filter.status()) ? kExitNotWell : kExitUsage);
  }
  std::vector<std::future<absl::StatusOr<AdminClient::Listed>>> asked;
  for (const auto& client : *clients) {
    asked.push_back(std::async(std::launch::async, [&filter, &options, client = client.get()] {
      return client->List(*filter, static_cast<size_t>(options.limit));
    }));
  }
  std::vector<Answer> answers;
  for (size_t i = 0; i < asked.size(); ++i) {
    answers.push_back({(*clients)[i]->service(), asked[i].get()});
  }
  options.json ? PrintJson(answers, session) : PrintTable(answers, options, session);
  int code = kExitOk;
  for (const Answer& answer : answers) {
    if (!answer.listed.ok()) {
      code = Fail(session, answer.listed.status());
    }
  }
  return code;
}

}  // namespace tradewind::cli
