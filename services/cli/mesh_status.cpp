#include "services/cli/mesh_status.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <future>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"

#include "services/cli/event_schema.h"
#include "services/cli/metrics_scrape.h"
#include "tradewind/bus/envelope.h"
#include "tradewind/clock/steady_now.h"
#include "tradewind/rpc/server.h"

namespace tradewind::cli {
namespace {

// For the counting of what the groups have still to take.
constexpr absl::Duration kCountingPatience = absl::Seconds(3);
// Between two looks at a transaction that is open.
constexpr absl::Duration kLookAgain = absl::Milliseconds(500);

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

// What of its topics a group has still to take; sets whether it has committed anything.
absl::StatusOr<std::vector<Behind>> GatherGroup(const CliConfig& config, const std::vector<std::string>& topics,
                                                bus::KafkaAdmin& admin, GroupStatus& group) {
  const auto lags = admin.Lag(bus::FullTopic(config.kafka, group.name), topics);
  if (!lags.ok()) {
    return lags.status();
  }
  const std::set<std::string> own = TopicsWithCommits(*lags);
  group.committed = !own.empty();
  std::map<Place, int64_t> lows;
  for (const bus::GroupLag& lag : *lags) {
    if (lag.committed >= 0 || lag.end == 0 || own.count(lag.topic) == 0) {
      continue;
    }
    const auto range = admin.Range(lag.topic, lag.partition);
    if (!range.ok()) {
      return range.status();
    }
    lows[{lag.topic, lag.partition}] = range->low;
  }
  return FindBehind(*lags, lows);
}

void GatherLags(const CliConfig& config, const EventSchema& schema, absl::Span<const bus::TopicInfo> topics,
                bus::KafkaAdmin& admin, std::vector<GroupStatus>& groups) {
  std::vector<std::vector<Behind>> behind(groups.size());
  std::map<Place, LogPiece> pieces;
  for (size_t i = 0; i < groups.size(); ++i) {
    auto gathered = GatherGroup(config, InputsOf(config, groups[i].name, schema, topics), admin, groups[i]);
    groups[i].status = gathered.status();
    if (!gathered.ok()) {
      continue;
    }
    behind[i] = *std::move(gathered);
    for (const Behind& one : behind[i]) {
      const auto [piece, added] = pieces.try_emplace(one.place, LogPiece{one.next, one.end, {}});
      piece->second.from = std::min(piece->second.from, one.next);
      piece->second.to = std::max(piece->second.to, one.end);
    }
  }
  if (const absl::Status read = ReadPieces(config.kafka, pieces, kCountingPatience); !read.ok()) {
    for (GroupStatus& group : groups) {
      group.status.Update(read);
    }
    return;
  }
  for (size_t i = 0; i < groups.size(); ++i) {
    groups[i].lag = SumLag(behind[i], pieces);
  }
}

// Every topic that the mesh reads.
std::vector<std::string> TopicsOf(const CliConfig& config, const EventSchema& schema,
                                  absl::Span<const bus::TopicInfo> existing) {
  std::set<std::string> topics;
  for (const auto& [group, address] : config.groups) {
    const auto inputs = InputsOf(config, group, schema, existing);
    topics.insert(inputs.begin(), inputs.end());
  }
  for (const bus::TopicInfo& topic : existing) {
    if (topic.name == bus::FullTopic(config.kafka, bus::kKeysTopic)) {
      topics.insert(topic.name);
    }
  }
  return {topics.begin(), topics.end()};
}

// Keeps of `open` what `ends` shows in the same place still.
void KeepStillOpen(absl::Span<const bus::LogEnd> ends, std::vector<bus::LogEnd>& open) {
  std::erase_if(open, [&](const bus::LogEnd& one) {
    return std::none_of(ends.begin(), ends.end(), [&](const bus::LogEnd& end) {
      return end.HasOpenTransaction() && end.topic == one.topic && end.partition == one.partition &&
             end.stable == one.stable;
    });
  });
}

// Finds transactions that have been open for kOpenTransactionBound, by what the services say or by waiting that long.
absl::Status GatherTransactions(const CliConfig& config, absl::Span<const std::string> topics, bus::KafkaAdmin& admin,
                                absl::Span<const std::string> pages, std::vector<Problem>& problems) {
  const absl::Time begun = clock::SteadyNow();
  auto ends = admin.LogEnds(topics);
  if (!ends.ok()) {
    return ends.status();
  }
  std::vector<bus::LogEnd> open;
  for (const bus::LogEnd& end : *ends) {
    if (!end.HasOpenTransaction()) {
      continue;
    }
    absl::Duration age;
    for (const std::string& page : pages) {
      age = std::max(age, OpenTransactionAge(end, page));
    }
    if (age >= kOpenTransactionBound) {
      problems.push_back(JudgeOpenTransaction(end, age, config.kafka.brokers));
    } else {
      open.push_back(end);
    }
  }
  while (!open.empty() && clock::SteadyNow() - begun < kOpenTransactionBound) {
    absl::SleepFor(kLookAgain);  // Between two looks; the condition ends the wait.
    ends = admin.LogEnds(topics);
    if (!ends.ok()) {
      return ends.status();
    }
    KeepStillOpen(*ends, open);
  }
  for (const bus::LogEnd& end : open) {
    problems.push_back(JudgeOpenTransaction(end, clock::SteadyNow() - begun, config.kafka.brokers));
  }
  return absl::OkStatus();
}

void GatherKafka(const CliConfig& config, absl::Span<const std::string> pages, MeshStatus& status,
                 bus::ClusterBrokers& brokers) {
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
  if (auto known = (*admin)->Brokers(); known.ok()) {
    brokers = *std::move(known);
  }
  const auto schema = EventSchema::Load(config.descriptors);
  if (!schema.ok()) {
    for (GroupStatus& group : status.groups) {
      group.status = schema.status();
    }
    return;
  }
  GatherLags(config, **schema, *topics, **admin, status.groups);
  status.kafka = GatherTransactions(config, TopicsOf(config, **schema, *topics), **admin, pages, status.problems);
}

// host:port of each that kafka.brokers names.
std::vector<std::string> NamedBrokers(const std::string& brokers) {
  std::vector<std::string> addresses;
  for (const absl::string_view address : absl::StrSplit(brokers, ',', absl::SkipWhitespace())) {
    // A list of librdkafka's may name the protocol: "PLAINTEXT://host:port".
    const size_t scheme = address.find("://");
    const std::string bare(
        absl::StripAsciiWhitespace(scheme == absl::string_view::npos ? address : address.substr(scheme + 3)));
    addresses.push_back(bare.find(':') == std::string::npos ? bare + ":9092" : bare);
  }
  return addresses;
}

std::vector<BrokerAnswer> ProbeBrokers(absl::Span<const std::string> addresses, absl::Duration timeout) {
  std::vector<std::future<BrokerAnswer>> probes;
  for (const std::string& address : addresses) {
    probes.push_back(std::async(std::launch::async, [address, timeout] {
      return BrokerAnswer{address, CheckConnects(address, timeout)};
    }));
  }
  std::vector<BrokerAnswer> answers;
  answers.reserve(probes.size());
  for (auto& probe : probes) {
    answers.push_back(probe.get());
  }
  return answers;
}

// The page of each address that the settings name, asked for at the same time.
std::map<std::string, absl::StatusOr<std::string>> FetchPages(const CliConfig& config, absl::Duration timeout) {
  std::map<std::string, std::future<absl::StatusOr<std::string>>> asked;
  for (const auto* named : {&config.groups, &config.pages}) {
    for (const auto& [name, address] : *named) {
      if (!asked.contains(address)) {
        asked.emplace(address, std::async(std::launch::async,
                                          [address = address, timeout] { return FetchMetrics(address, timeout); }));
      }
    }
  }
  std::map<std::string, absl::StatusOr<std::string>> pages;
  for (auto& [address, page] : asked) {
    pages.emplace(address, page.get());
  }
  return pages;
}

void JudgePages(const CliConfig& config, const std::map<std::string, absl::StatusOr<std::string>>& pages,
                MeshStatus& status) {
  for (GroupStatus& group : status.groups) {
    const absl::StatusOr<std::string>& page = pages.at(config.groups.at(group.name));
    if (!page.ok()) {
      continue;
    }
    ReadMetrics(*page, group);
    for (Problem& problem : JudgeMetrics(group.name, *page)) {
      status.problems.push_back(std::move(problem));
    }
  }
  std::map<std::string, std::vector<std::string>> silent;
  std::set<std::string> judged;
  for (const auto* named : {&config.groups, &config.pages}) {
    for (const auto& [name, address] : *named) {
      const absl::StatusOr<std::string>& page = pages.at(address);
      if (!page.ok()) {
        silent[address].push_back(name);
        continue;
      }
      // Of the groups that share a process the first has the service's name.
      if (!judged.insert(address).second) {
        continue;
      }
      for (Problem& problem : JudgeProcess(name, *page)) {
        status.problems.push_back(std::move(problem));
      }
    }
  }
  for (const auto& [address, groups] : silent) {
    status.problems.push_back(JudgeSilentPage(groups, address, pages.at(address).status()));
  }
}

}  // namespace

bool MeshStatus::well() const {
  return kafka.ok() && problems.empty() &&
         std::all_of(services.begin(), services.end(), [](const ServiceStatus& one) { return one.health.ok(); }) &&
         std::all_of(groups.begin(), groups.end(), [](const GroupStatus& group) { return group.status.ok(); });
}

std::vector<Behind> FindBehind(absl::Span<const bus::GroupLag> lags, const std::map<Place, int64_t>& lows) {
  const std::set<std::string> own = TopicsWithCommits(lags);
  std::vector<Behind> behind;
  for (const bus::GroupLag& lag : lags) {
    if (own.count(lag.topic) == 0) {
      continue;
    }
    const auto low = lows.find({lag.topic, lag.partition});
    const int64_t begin = low == lows.end() ? 0 : low->second;
    const int64_t next = lag.committed >= 0 ? lag.committed : begin;
    if (next < lag.end) {
      behind.push_back({{lag.topic, lag.partition}, next, lag.end});
    }
  }
  return behind;
}

int64_t SumLag(absl::Span<const Behind> behind, const std::map<Place, LogPiece>& pieces) {
  int64_t lag = 0;
  for (const Behind& one : behind) {
    const auto piece = pieces.find(one.place);
    lag += RecordsFrom(one.next, one.end, piece != pieces.end() ? piece->second : LogPiece{one.next, one.next, {}});
  }
  return lag;
}

void ReadMetrics(std::string_view exposition, GroupStatus& group) {
  // One page may tell of two groups: a service's handlers and its effects.
  const auto count = [&](std::string_view metric) {
    const auto sum = SumSamples(exposition, metric, group.name);
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
  const std::vector<std::string> named = NamedBrokers(config.kafka.brokers);
  auto probed = std::async(std::launch::async, [&] { return ProbeBrokers(named, timeout); });
  const auto pages = FetchPages(config, timeout);
  std::vector<std::string> answered;
  for (const auto& [address, page] : pages) {
    if (page.ok()) {
      answered.push_back(*page);
    }
  }
  MeshStatus status;
  bus::ClusterBrokers cluster;
  GatherKafka(config, answered, status, cluster);
  size_t i = 0;
  for (const auto& [name, address] : config.services) {
    status.services.push_back({.name = name, .address = address, .health = answers[i++].get()});
  }
  JudgePages(config, pages, status);
  std::vector<BrokerAnswer> brokers = probed.get();
  // kafka.brokers need not name all of them.
  std::erase_if(cluster.addresses, [&](const std::string& address) {
    return std::find(named.begin(), named.end(), address) != named.end();
  });
  for (BrokerAnswer& broker : ProbeBrokers(cluster.addresses, timeout)) {
    brokers.push_back(std::move(broker));
  }
  for (Problem& problem : JudgeBrokers(brokers, status.kafka, cluster.missing)) {
    status.problems.push_back(std::move(problem));
  }
  return status;
}

}  // namespace tradewind::cli
