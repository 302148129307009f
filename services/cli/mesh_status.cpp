#include "services/cli/mesh_status.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <future>
#include <set>
#include <utility>

#include "services/cli/event_schema.h"
#include "services/cli/metrics_scrape.h"
#include "tradewind/rpc/server.h"

namespace tradewind::cli {
namespace {

using Place = std::pair<std::string, int32_t>;

std::set<std::string> TopicsWithCommits(absl::Span<const bus::GroupLag> lags) {
  std::set<std::string> topics;
  for (const bus::GroupLag& lag : lags) {
    if (lag.committed >= 0) {
      topics.insert(lag.topic);
    }
  }
  return topics;
}

// The existing topics that the group may read: the mesh's, and the group's own for events under another key.
std::vector<std::string> InputsOf(const CliConfig& config, const std::string& group, const EventSchema& schema,
                                  absl::Span<const bus::TopicInfo> existing) {
  std::set<std::string> names = {bus::FullTopic(config.kafka, group + ".rekeyed.v1")};
  for (const auto& [name, types] : schema.topics()) {
    names.insert(bus::FullTopic(config.kafka, name));
  }
  std::vector<std::string> inputs;
  for (const bus::TopicInfo& topic : existing) {
    if (names.count(topic.name) > 0) {
      inputs.push_back(topic.name);
    }
  }
  return inputs;
}

GroupStatus GatherGroup(const CliConfig& config, const std::string& name, const std::vector<std::string>& topics,
                        bus::KafkaAdmin& admin) {
  const auto lags = admin.Lag(bus::FullTopic(config.kafka, name), topics);
  if (!lags.ok()) {
    return {.name = name, .status = lags.status()};
  }
  const std::set<std::string> own = TopicsWithCommits(*lags);
  std::map<Place, int64_t> lows;
  for (const bus::GroupLag& lag : *lags) {
    if (lag.committed >= 0 || lag.end == 0 || own.count(lag.topic) == 0) {
      continue;
    }
    const auto range = admin.Range(lag.topic, lag.partition);
    if (!range.ok()) {
      return {.name = name, .status = range.status()};
    }
    lows[{lag.topic, lag.partition}] = range->low;
  }
  return SumLag(name, *lags, lows);
}

void GatherKafka(const CliConfig& config, MeshStatus& status) {
  for (const auto& [name, address] : config.groups) {
    status.groups.push_back({.name = name, .status = absl::UnavailableError("Kafka does not answer")});
  }
  const auto admin = bus::KafkaAdmin::Create(config.kafka, "tradewind-status");
  if (!admin.ok()) {
    status.kafka = admin.status();
    return;
  }
  auto cluster_id = (*admin)->ClusterId();
  const auto topics = cluster_id.ok() ? (*admin)->ListTopics() : cluster_id.status();
  if (!topics.ok()) {
    status.kafka = topics.status();
    return;
  }
  status.cluster_id = *std::move(cluster_id);
  const auto schema = EventSchema::Load(config.descriptors);
  for (GroupStatus& group : status.groups) {
    group = schema.ok() ? GatherGroup(config, group.name, InputsOf(config, group.name, **schema, *topics), **admin)
                        : GroupStatus{.name = group.name, .status = schema.status()};
  }
}

}  // namespace

bool MeshStatus::well() const {
  return kafka.ok() &&
         std::all_of(services.begin(), services.end(), [](const ServiceStatus& one) { return one.health.ok(); }) &&
         std::all_of(groups.begin(), groups.end(), [](const GroupStatus& group) { return group.status.ok(); });
}

GroupStatus SumLag(std::string name, absl::Span<const bus::GroupLag> lags, const std::map<Place, int64_t>& lows) {
  GroupStatus status{.name = std::move(name)};
  const std::set<std::string> own = TopicsWithCommits(lags);
  status.committed = !own.empty();
  for (const bus::GroupLag& lag : lags) {
    if (own.count(lag.topic) == 0) {
      continue;
    }
    const auto low = lows.find({lag.topic, lag.partition});
    const int64_t begin = low == lows.end() ? 0 : low->second;
    status.lag += std::max<int64_t>(0, lag.end - (lag.committed >= 0 ? lag.committed : begin));
  }
  return status;
}

void ReadMetrics(std::string_view exposition, GroupStatus& group) {
  // One page may tell of two groups: a service's handlers and its effects.
  const std::string own = fmt::format("group=\"{}\"", group.name);
  const auto count = [&](std::string_view metric) {
    const auto sum = SumSamples(exposition, metric, own);
    return sum.has_value() ? std::optional<int64_t>(std::llround(*sum)) : std::nullopt;
  };
  group.dead = count("tradewind_dead_records");
  group.parked = count("tradewind_parked_records");
  group.held = count("tradewind_held_records");
  const auto full = count("tradewind_outbox_full");
  group.outbox_full = full.has_value() ? std::optional<bool>(*full > 0) : std::nullopt;
}

MeshStatus GatherStatus(const CliConfig& config, absl::Duration timeout) {
  std::vector<std::future<absl::Status>> answers;
  for (const auto& [name, address] : config.services) {
    answers.push_back(
        std::async(std::launch::async, [address = address, timeout] { return rpc::CheckHealth(address, timeout); }));
  }
  std::vector<std::future<absl::StatusOr<std::string>>> metrics;
  for (const auto& [name, address] : config.groups) {
    metrics.push_back(
        std::async(std::launch::async, [address = address, timeout] { return FetchMetrics(address, timeout); }));
  }
  MeshStatus status;
  GatherKafka(config, status);
  size_t i = 0;
  for (const auto& [name, address] : config.services) {
    status.services.push_back({.name = name, .address = address, .health = answers[i++].get()});
  }
  for (size_t group = 0; group < metrics.size(); ++group) {
    if (const auto page = metrics[group].get(); page.ok()) {
      ReadMetrics(*page, status.groups[group]);
    }
  }
  return status;
}

}  // namespace tradewind::cli
