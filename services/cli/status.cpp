#include "services/cli/status.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "services/cli/text.h"

namespace tradewind::cli {
namespace {

using Json = nlohmann::ordered_json;

std::string MessageOf(const absl::Status& status) { return Printable(std::string(status.message())); }

Table::Cell LagCell(const GroupStatus& group) {
  if (!group.status.ok()) {
    return {"unknown", Tone::kBad};
  }
  return group.committed ? Table::Cell(Grouped(group.lag)) : Table::Cell("-", Tone::kDim);
}

Table::Cell CountCell(std::optional<int64_t> count, Tone tone_of_some) {
  if (!count.has_value()) {
    return {"-", Tone::kDim};
  }
  return {Grouped(*count), *count > 0 ? tone_of_some : Tone::kPlain};
}

std::string GroupNote(const GroupStatus& group) {
  std::vector<std::string> notes;
  if (!group.status.ok()) {
    notes.push_back(MessageOf(group.status));
  } else if (!group.committed) {
    notes.emplace_back("nothing committed yet");
  }
  if (group.outbox_full.value_or(false)) {
    notes.emplace_back("the outbox is full: waiting for Kafka");
  }
  return fmt::format("{}", fmt::join(notes, "; "));
}

void PrintTables(const MeshStatus& mesh, const Session& session) {
  Table services({{"SERVICE"}, {"ADDRESS"}, {"HEALTH"}});
  for (const ServiceStatus& service : mesh.services) {
    services.AddRow({service.name, service.address,
                     service.health.ok() ? Table::Cell("serving", Tone::kGood)
                                         : Table::Cell(MessageOf(service.health), Tone::kBad)});
  }
  services.AddRow({"kafka", session.config.kafka.brokers,
                   mesh.kafka.ok() ? Table::Cell(fmt::format("reachable, cluster {}", mesh.cluster_id), Tone::kGood)
                                   : Table::Cell(MessageOf(mesh.kafka), Tone::kBad)});
  services.Print(session.out, session.color);

  session.out << '\n';
  Table groups({{"GROUP"}, {"LAG", true}, {"DEAD", true}, {"PARKED", true}, {"HELD", true}, {"NOTE"}});
  for (const GroupStatus& group : mesh.groups) {
    groups.AddRow({group.name, LagCell(group), CountCell(group.dead, Tone::kBad), CountCell(group.parked, Tone::kPlain),
                   CountCell(group.held, Tone::kBad), GroupNote(group)});
  }
  groups.Print(session.out, session.color);

  if (!mesh.problems.empty()) {
    session.out << '\n';
  }
  for (const Problem& problem : mesh.problems) {
    session.out << Toned(problem.where + ": " + problem.what, Tone::kBad, session.color) << "; " << problem.remedy
                << '\n';
  }
}

void PrintJson(const MeshStatus& mesh, const Session& session) {
  Json json = {{"well", mesh.well()}, {"services", Json::array()}, {"groups", Json::array()}};
  for (const ServiceStatus& service : mesh.services) {
    Json item = {{"name", service.name}, {"address", service.address}, {"serving", service.health.ok()}};
    if (!service.health.ok()) {
      item["problem"] = MessageOf(service.health);
    }
    json["services"].push_back(item);
  }
  json["kafka"] = {{"brokers", session.config.kafka.brokers}, {"reachable", mesh.kafka.ok()}};
  if (mesh.kafka.ok()) {
    json["kafka"]["cluster_id"] = mesh.cluster_id;
  } else {
    json["kafka"]["problem"] = MessageOf(mesh.kafka);
  }
  for (const GroupStatus& group : mesh.groups) {
    Json item = {{"name", group.name}};
    if (!group.status.ok()) {
      item["problem"] = MessageOf(group.status);
    } else if (group.committed) {
      item["lag"] = group.lag;
    }
    for (const auto& [name, count] : {std::pair("dead", group.dead), {"parked", group.parked}, {"held", group.held}}) {
      if (count.has_value()) {
        item[name] = *count;
      }
    }
    if (group.outbox_full.has_value()) {
      item["outbox_full"] = *group.outbox_full;
    }
    json["groups"].push_back(item);
  }
  for (const Problem& problem : mesh.problems) {
    json["problems"].push_back({{"where", problem.where}, {"what", problem.what}, {"remedy", problem.remedy}});
  }
  session.out << JsonDocument(json) << '\n';
}

// What is not well, in one line.
absl::Status Verdict(const MeshStatus& mesh) {
  std::vector<std::string> ill;
  for (const ServiceStatus& service : mesh.services) {
    if (!service.health.ok()) {
      ill.push_back(service.name);
    }
  }
  if (!mesh.kafka.ok()) {
    ill.push_back("kafka");
  }
  for (const GroupStatus& group : mesh.groups) {
    if (mesh.kafka.ok() && !group.status.ok()) {
      ill.push_back(fmt::format("the lag of group {}", group.name));
    }
  }
  for (const Problem& problem : mesh.problems) {
    if (std::find(ill.begin(), ill.end(), problem.where) == ill.end()) {
      ill.push_back(problem.where);
    }
  }
  return absl::UnavailableError(fmt::format("not well: {}", fmt::join(ill, ", ")));
}

}  // namespace

void PrintStatus(const MeshStatus& mesh, bool json, const Session& session) {
  json ? PrintJson(mesh, session) : PrintTables(mesh, session);
}

int RunStatus(const StatusOptions& options, const Session& session) {
  const MeshStatus mesh = GatherStatus(session.config, options.timeout);
  PrintStatus(mesh, options.json, session);
  return mesh.well() ? kExitOk : Fail(session, Verdict(mesh));
}

}  // namespace tradewind::cli
