#include "services/cli/parked_targets.h"

#include <fmt/format.h>

#include <set>
#include <string_view>
#include <utility>

#include "services/cli/record_format.h"
#include "services/cli/text.h"
#include "tradewind/rpc/channel.h"

namespace tradewind::cli {
namespace {

// Consumes nothing but replies, which are not retried.
constexpr std::string_view kGateway = "gateway";

absl::Status UnknownService(const std::string& name, const std::vector<std::string>& known) {
  const std::vector<std::string> near = NearNames(name, known);
  return absl::NotFoundError(fmt::format("there is no service '{}'; {}", Printable(name),
                                         near.empty() ? fmt::format("cli.services has {}", fmt::join(known, ", "))
                                                      : fmt::format("did you mean {}?", fmt::join(near, ", "))));
}

}  // namespace

absl::StatusOr<std::vector<std::unique_ptr<AdminClient>>> ChooseServices(const CliConfig& config,
                                                                         const std::optional<std::string>& name,
                                                                         absl::Duration timeout) {
  std::vector<std::string> known;
  std::vector<std::unique_ptr<AdminClient>> chosen;
  for (const auto& [service, address] : config.services) {
    if (service == kGateway) {
      continue;
    }
    known.push_back(service);
    if (!name.has_value() || *name == service) {
      chosen.push_back(std::make_unique<AdminClient>(service, address, rpc::MakeChannel(address), timeout));
    }
  }
  if (name == kGateway) {
    return absl::FailedPreconditionError("the gateway handles no events, so nothing is parked there");
  }
  if (known.empty()) {
    return absl::FailedPreconditionError("cli.services names no service but the gateway: add NAME=HOST:PORT to it");
  }
  if (chosen.empty()) {
    return UnknownService(*name, known);
  }
  return chosen;
}

absl::StatusOr<std::string> ResolveType(const EventSchema& schema, const std::string& type) {
  const RecordFilter filter{.type = type};
  std::set<std::string> matching;
  std::vector<std::string> known;
  for (const auto& [topic, types] : schema.topics()) {
    for (const std::string& full : types) {
      known.push_back(full.substr(full.rfind('.') + 1));
      if (full == type) {
        return type;
      }
      if (filter.Matches("", full)) {
        matching.insert(full);
      }
    }
  }
  if (matching.size() == 1) {
    return *matching.begin();
  }
  if (matching.size() > 1) {
    return absl::InvalidArgumentError(
        fmt::format("type '{}' may be any of {}: give the full name", Printable(type), fmt::join(matching, ", ")));
  }
  if (type.find('.') != std::string::npos) {
    return type;
  }
  const std::vector<std::string> near = NearNames(type, known);
  return absl::NotFoundError(
      fmt::format("no type is called '{}': {}", Printable(type),
                  near.empty() ? "give the full name" : fmt::format("did you mean {}?", fmt::join(near, ", "))));
}

absl::StatusOr<mesh::v1::ParkedFilter> MakeFilter(const CliConfig& config, const ParkedQuery& query) {
  mesh::v1::ParkedFilter filter;
  if (query.id.has_value()) {
    filter.set_id(*query.id);
  }
  if (query.key.has_value()) {
    filter.set_key(*query.key);
  }
  if (query.state.has_value()) {
    filter.set_state(*query.state == "dead"   ? mesh::v1::PARKED_STATE_DEAD
                     : *query.state == "held" ? mesh::v1::PARKED_STATE_HELD
                                              : mesh::v1::PARKED_STATE_PARKED);
  }
  if (query.type.has_value()) {
    const auto schema = EventSchema::Load(config.descriptors);
    if (!schema.ok()) {
      return schema.status();
    }
    auto type = ResolveType(**schema, *query.type);
    if (!type.ok()) {
      return type.status();
    }
    filter.set_type(*std::move(type));
  }
  return filter;
}

}  // namespace tradewind::cli
