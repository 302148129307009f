#include "tradewind/app/app.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <optional>
#include <stdexcept>
#include <vector>

#include "grpcpp/impl/service_type.h"

#include "tradewind/app/admin_service.h"
#include "tradewind/app/command_client.h"
#include "tradewind/app/group_runner.h"
#include "tradewind/app/kafka_start.h"
#include "tradewind/app/kafka_watch.h"
#include "tradewind/app/logger.h"
#include "tradewind/app/process.h"
#include "tradewind/app/query_config.h"
#include "tradewind/app/shutdown.h"
#include "tradewind/app/topology.h"
#include "tradewind/app/unread_partitions.h"
#include "tradewind/app/wait_for_part.h"
#include "tradewind/bus/envelope.h"
#include "tradewind/bus/kafka_config.h"
#include "tradewind/commands/command_link.h"
#include "tradewind/rpc/server.h"
#include "tradewind/rpc/work_pool.h"
#include "tradewind/runtime/event_router.h"
#include "tradewind/runtime/worker.h"
#include "tradewind/seal/keys.h"
#include "tradewind/store/open_store.h"
#include "tradewind/telemetry/logger.h"
#include "tradewind/telemetry/metrics.h"

namespace tradewind {
namespace {

// From the signal to the end of the process: below the 30 s that Kubernetes gives one, above what an end takes where
// Kafka is away: commands 3 s, the workers 6 s and 8 s for leaving their groups, calls 3 s.
constexpr absl::Duration kShutdownDeadline = absl::Seconds(25);
constexpr absl::Duration kCallDeadline = absl::Seconds(3);

struct Settings {
  telemetry::LogConfig log;
  telemetry::MetricsConfig metrics;
  rpc::ServerConfig grpc;
  QueryConfig queries;
  bus::KafkaConfig kafka;
  store::StoreConfig store;
  runtime::WorkerConfig runtime;
  seal::KeysConfig keys;
};

// Carries a status through the makers of services.
class StartFailed : public std::runtime_error {
 public:
  explicit StartFailed(absl::Status status)
      : std::runtime_error(std::string(status.message())), status_(std::move(status)) {}
  const absl::Status& status() const { return status_; }

 private:
  absl::Status status_;
};

}  // namespace

class App::Impl {
 public:
  Impl(const std::string& name, int argc, char** argv)
      : group_(name), effects_(name + ".effects"), argc_(argc), argv_(argv) {}

  int Run();

  runtime::Group group_;
  // A group of their own, so that a slow outside world holds up nobody's state.
  runtime::Group effects_;
  Settings settings_;
  std::vector<std::function<void(config::Schema&)>> describers_;
  // Full name of each gRPC service and how it is made.
  std::vector<std::pair<std::string, MakeService>> service_makers_;
  // Null where nothing sealed is opened.
  std::shared_ptr<seal::Keys> keys_;

 private:
  absl::StatusOr<config::Command> ReadCommandLine();
  int PrintTopology() const;
  int CheckOwnHealth() const;
  absl::Status Start();
  // The first thing that was wrong with what was declared.
  absl::Status CheckDeclared() const;
  absl::Status OpenStore();
  absl::Status MeetKafka();
  absl::Status ReadKeys();
  absl::Status StartServer();
  absl::Status StartGroups();
  absl::Status WatchKafka();
  std::vector<GroupReads> WhatIsRead() const;
  // Blocks until the first assignment of every group has settled; false where the process is to end first.
  bool AwaitGroups();
  // Those that have something to read.
  std::vector<const runtime::Group*> Groups() const;
  EventFeed& FeedOf(std::string_view topic);
  CommandClient& Commands();
  int Stop();

  const int argc_;
  char** const argv_;
  std::optional<ShutdownSignal> shutdown_;
  std::unique_ptr<telemetry::MetricsServer> metrics_;
  std::unique_ptr<store::Store> store_;
  std::string cluster_id_;
  // By full topic name; those over which keys are spread.
  std::map<std::string, int32_t> partition_counts_;
  // Empty until Kafka has answered.
  std::optional<PartitionCounter> counter_;
  std::map<std::string, std::unique_ptr<EventFeed>, std::less<>> feeds_;
  // Null until a service asks for them.
  std::unique_ptr<commands::CommandLink> command_link_;
  std::unique_ptr<CommandClient> command_client_;
  // Of the services' queries, and of the operator's calls, which must come through while those hang.
  std::unique_ptr<rpc::WorkPool> queries_;
  std::unique_ptr<PartitionAdmin> partitions_;
  std::unique_ptr<rpc::WorkPool> admin_calls_;
  std::vector<std::unique_ptr<grpc::Service>> services_;
  std::vector<std::function<void()>> drain_callbacks_;
  std::unique_ptr<rpc::Server> server_;
  std::vector<std::unique_ptr<GroupRunner>> runners_;
  std::unique_ptr<KafkaWatch> watch_;
};

Subscription& Subscription::Attempts(int32_t most) {
  group_.FindToChange(type_)->max_attempts = std::max(most, 1);
  return *this;
}

Subscription& Subscription::PassOverDead() {
  group_.FindToChange(type_)->pass_over_dead = true;
  return *this;
}

Subscription& Subscription::Inbox() {
  group_.FindToChange(type_)->inbox = true;
  return *this;
}

EffectSubscription& EffectSubscription::Concurrency(int32_t most) {
  group_.FindToChange(type_)->concurrency = std::max(most, 1);
  return *this;
}

EffectSubscription& EffectSubscription::Timeout(absl::Duration timeout) {
  group_.FindToChange(type_)->timeout = timeout;
  return *this;
}

App::App(std::string name, int argc, char** argv) : impl_(std::make_unique<Impl>(name, argc, argv)) {}
App::~App() = default;
App::App(App&&) noexcept = default;

App& App::ListenOn(std::string grpc_address, std::string metrics_address) {
  impl_->settings_.grpc.address = std::move(grpc_address);
  impl_->settings_.metrics.address = std::move(metrics_address);
  return *this;
}

void App::Configure(std::function<void(config::Schema&)> describe) {
  impl_->describers_.push_back(std::move(describe));
}

void App::Serve(std::string full_name, MakeService make) {
  impl_->service_makers_.emplace_back(std::move(full_name), std::move(make));
}

std::shared_ptr<seal::Keys> App::Keys() {
  if (impl_->keys_ == nullptr) impl_->keys_ = std::make_shared<seal::Keys>();
  return impl_->keys_;
}

void App::ShareKeys(std::shared_ptr<seal::Keys> keys) { impl_->keys_ = std::move(keys); }

runtime::Group& App::group() { return impl_->group_; }
runtime::Group& App::effects() { return impl_->effects_; }
const runtime::Group& App::handlers() const { return impl_->group_; }
const runtime::Group& App::effect_handlers() const { return impl_->effects_; }

int App::Run() { return impl_->Run(); }

absl::StatusOr<config::Command> App::Impl::ReadCommandLine() {
  config::Schema schema;
  Describe(schema, settings_.kafka);
  Describe(schema, settings_.store);
  Describe(schema, settings_.runtime);
  Describe(schema, settings_.grpc);
  Describe(schema, settings_.queries);
  Describe(schema, settings_.metrics);
  Describe(schema, settings_.log);
  if (keys_ != nullptr) Describe(schema, settings_.keys);
  for (const auto& describe : describers_) describe(schema);
  return config::Load(schema,
                      {.name = "tradewind-" + group_.name(),
                       .summary = fmt::format("The {} service of a Tradewind mesh.", group_.name())},
                      argc_, argv_);
}

int App::Impl::CheckOwnHealth() const {
  if (settings_.grpc.address.empty()) {
    fmt::print(stderr, "tradewind-{}: there is no health to ask for; set grpc.address\n", group_.name());
    return 1;
  }
  const absl::Status health = rpc::CheckHealth(settings_.grpc.address, absl::Seconds(2));
  fmt::print(health.ok() ? stdout : stderr, "{}\n", health.ok() ? "SERVING" : std::string(health.message()));
  return health.ok() ? 0 : 1;
}

int App::Impl::PrintTopology() const {
  if (const absl::Status declared = CheckDeclared(); !declared.ok()) {
    fmt::print(stderr, "tradewind-{}: {}\n", group_.name(), std::string(declared.message()));
    return 1;
  }
  fmt::print("{}", TopologyText(Groups()));
  return 0;
}

int App::Impl::Run() {
  // What was declared follows from no setting, so none is read.
  if (argc_ == 2 && argv_[1] == kPrintTopologyFlag) return PrintTopology();
  const auto command = ReadCommandLine();
  if (!command.ok()) {
    fmt::print(stderr, "tradewind-{}: {}\n", group_.name(), std::string(command.status().message()));
    return 2;
  }
  if (command->verb == config::Verb::kHealth) return CheckOwnHealth();
  if (command->verb != config::Verb::kRun) {
    fmt::print("{}", command->output);
    return 0;
  }
  SetUpProcess();
  shutdown_.emplace();
  telemetry::InitLogging(settings_.log, group_.name());
  if (const absl::Status started = Start(); absl::IsCancelled(started)) {
    ExitNow(0);
  } else if (!started.ok()) {
    kLog.Error(std::string(started.message()));
    ExitNow(1);
  }
  if (AwaitGroups()) {
    if (server_ != nullptr) server_->SetServing(true);
    kLog.Info("ready", {{"grpc", settings_.grpc.address}, {"metrics", settings_.metrics.address}});
    shutdown_->WaitFor(absl::InfiniteDuration());
  }
  ExitNow(Stop());
}

absl::Status App::Impl::CheckDeclared() const {
  for (const runtime::Group* group : {&group_, &effects_}) {
    if (!group->status().ok()) return group->status();
  }
  return absl::OkStatus();
}

absl::Status App::Impl::Start() {
  if (absl::Status declared = CheckDeclared(); !declared.ok()) return declared;
  if (keys_ != nullptr) {
    if (absl::Status checked = seal::Check(settings_.keys); !checked.ok()) return checked;
  }
  auto metrics = telemetry::MetricsServer::Start(settings_.metrics);
  if (!metrics.ok()) return metrics.status();
  metrics_ = *std::move(metrics);
  for (const auto step : {&Impl::OpenStore, &Impl::MeetKafka, &Impl::ReadKeys, &Impl::StartServer, &Impl::WatchKafka,
                          &Impl::StartGroups}) {
    if (absl::Status done = (this->*step)(); !done.ok()) return done;
  }
  return absl::OkStatus();
}

absl::Status App::Impl::OpenStore() {
  const auto open = [this] { return store::OpenStore(settings_.store, group_.name()); };
  // A database may come up later; a file that cannot be opened stays so until someone looks at it.
  auto store = settings_.store.kind == "postgres"
                   ? WaitForPart<std::unique_ptr<store::Store>>("PostgreSQL", open, *shutdown_)
                   : open();
  if (!store.ok()) return store.status();
  store_ = *std::move(store);
  return absl::OkStatus();
}

absl::Status App::Impl::MeetKafka() {
  std::vector<std::string> topics;
  for (const runtime::Group* group : Groups()) {
    for (const auto* names : {&group->input_topics(), &group->output_topics()}) {
      for (const std::string& name : *names) topics.push_back(bus::FullTopic(settings_.kafka, name));
    }
  }
  topics.push_back(bus::FullTopic(settings_.kafka, bus::kDeadTopic));
  // A group's own topic is both its input and its output, and Kafka must not be asked twice about one.
  std::sort(topics.begin(), topics.end());
  topics.erase(std::unique(topics.begin(), topics.end()), topics.end());
  auto mesh = MeetKafkaMesh(settings_.kafka, "tradewind-" + group_.name(), topics, *shutdown_);
  if (!mesh.ok()) return mesh.status();
  cluster_id_ = std::move(mesh->cluster_id);
  // No keys are spread over the topic of replies.
  partition_counts_.insert(mesh->partition_counts.extract(bus::FullTopic(settings_.kafka, bus::kRepliesTopic)));
  auto pinned = WaitForPart<std::map<std::string, int32_t>>(
      "the store", [&] { return PinPartitions(settings_.kafka, *store_, mesh->partition_counts); }, *shutdown_);
  if (!pinned.ok()) return pinned.status();
  partition_counts_.merge(*pinned);
  counter_.emplace(settings_.kafka, "tradewind-" + group_.name() + "-partitions");
  return absl::OkStatus();
}

absl::Status App::Impl::ReadKeys() {
  if (keys_ == nullptr) return absl::OkStatus();
  return WaitForPart(
      "Kafka", [this] { return keys_->Start(settings_.keys, settings_.kafka, "tradewind-" + group_.name() + "-keys"); },
      *shutdown_);
}

EventFeed& App::Impl::FeedOf(std::string_view topic) {
  const std::string full = bus::FullTopic(settings_.kafka, topic);
  auto& feed = feeds_[full];
  if (feed == nullptr) {
    const auto partitions = partition_counts_.find(full);
    if (partitions == partition_counts_.end()) {
      throw std::invalid_argument(fmt::format("{} is not a topic of this service", topic));
    }
    auto started = WaitForPart<std::unique_ptr<EventFeed>>(
        "Kafka",
        [&] {
          return StartEventFeed(settings_.kafka, "tradewind-" + group_.name() + "-feed",
                                {.mesh = bus::MeshName(cluster_id_, settings_.kafka.topic_prefix),
                                 .accept_unmarked = AcceptsUnmarkedEvents(settings_.runtime, *store_)},
                                full, partitions->second);
        },
        *shutdown_);
    if (!started.ok()) throw StartFailed(started.status());
    feed = *std::move(started);
  }
  return *feed;
}

CommandClient& App::Impl::Commands() {
  if (command_client_ == nullptr) {
    const std::string name = "tradewind-" + group_.name();
    command_link_ = std::make_unique<commands::CommandLink>(
        commands::LinkConfig{.client_id = name + "-commands", .source = "/" + group_.name() + "/direct"},
        settings_.kafka,
        telemetry::NewGauge("tradewind_direct_pending_commands",
                            "Commands of direct methods that wait for their outcome."));
    const absl::Status opened = WaitForPart(
        "Kafka", [this] { return command_link_->Open(group_.command_topics(), partition_counts_); }, *shutdown_);
    if (!opened.ok()) throw StartFailed(opened);
    command_client_ = std::make_unique<CommandClient>(*command_link_);
  }
  return *command_client_;
}

absl::Status App::Impl::StartServer() {
  queries_ = std::make_unique<rpc::WorkPool>(PoolOptions(settings_.queries));
  admin_calls_ = std::make_unique<rpc::WorkPool>(AdminService::PoolOptions());
  const Ports ports{
      .reader = store_->reader(),
      .pool = *queries_,
      .feed = [this](std::string_view topic) -> EventFeed& { return FeedOf(topic); },
      .commands = [this]() -> CommandClient& { return Commands(); },
      .on_drain = [this](std::function<void()> callback) { drain_callbacks_.push_back(std::move(callback)); }};
  rpc::ServerParts parts;
  try {
    for (const auto& [full_name, make] : service_makers_) {
      services_.push_back(make(ports));
      parts.services.push_back(services_.back().get());
      parts.listed_services.push_back(full_name);
    }
  } catch (const StartFailed& failed) {
    return failed.status();
  } catch (const std::exception& error) {
    return absl::UnavailableError(error.what());
  }
  if (settings_.grpc.address.empty()) return absl::OkStatus();
  partitions_ =
      std::make_unique<PartitionAdmin>(*store_, Groups(), settings_.kafka.topic_prefix,
                                       KafkaLogViewer(settings_.kafka, "tradewind-" + group_.name() + "-admin"));
  services_.push_back(std::make_unique<AdminService>(*store_, *partitions_, *admin_calls_));
  parts.services.push_back(services_.back().get());
  parts.listed_services.emplace_back(mesh::v1::AdminService::service_full_name());
  auto server = rpc::Server::Start(settings_.grpc, parts);
  if (!server.ok()) return server.status();
  server_ = *std::move(server);
  return absl::OkStatus();
}

std::vector<const runtime::Group*> App::Impl::Groups() const {
  std::vector<const runtime::Group*> groups;
  for (const runtime::Group* group : {&group_, &effects_}) {
    if (!group->input_topics().empty()) groups.push_back(group);
  }
  return groups;
}

absl::Status App::Impl::StartGroups() {
  const GroupRunner::Surroundings surroundings{settings_.kafka, settings_.runtime, *store_,
                                               cluster_id_,     partition_counts_, *counter_};
  for (const runtime::Group* group : Groups()) {
    auto runner = GroupRunner::Start(*group, surroundings, [this] { shutdown_->Request(); });
    if (!runner.ok()) return runner.status();
    runners_.push_back(*std::move(runner));
  }
  return absl::OkStatus();
}

bool App::Impl::AwaitGroups() {
  const auto ready = [](const auto& runner) { return runner->ready(); };
  while (!std::all_of(runners_.begin(), runners_.end(), ready)) {
    if (shutdown_->WaitFor(absl::Milliseconds(10))) return false;
  }
  // A worker that ended has asked for it before.
  return !shutdown_->WaitFor(absl::ZeroDuration());
}

std::vector<GroupReads> App::Impl::WhatIsRead() const {
  const runtime::EventRouter router(settings_.kafka.topic_prefix, partition_counts_);
  std::vector<GroupReads> all;
  for (const runtime::Group* group : Groups()) {
    GroupReads& reads =
        all.emplace_back(GroupReads{.group = group->name(), .partitions = runtime::TaskCount(*group, router)});
    for (const std::string& name : group->input_topics()) reads.topics.push_back(router.FullTopic(name));
  }
  return all;
}

absl::Status App::Impl::WatchKafka() {
  std::vector<std::string> topics;
  for (const auto& [topic, partitions] : partition_counts_) topics.push_back(topic);
  if (keys_ != nullptr) topics.push_back(bus::FullTopic(settings_.kafka, bus::kKeysTopic));
  const LogViewer log = KafkaLogViewer(settings_.kafka, "tradewind-" + group_.name() + "-ends");
  auto unread = std::make_shared<UnreadPartitions>(WhatIsRead(), settings_.kafka.pinned_partitions != 0, log.range);
  auto watch = KafkaWatch::Start(settings_.kafka, "tradewind-" + group_.name() + "-ends", std::move(topics),
                                 [unread](absl::Span<const bus::LogEnd> ends) { unread->Note(ends); });
  if (!watch.ok()) return watch.status();
  watch_ = *std::move(watch);
  return absl::OkStatus();
}

int App::Impl::Stop() {
  kLog.Info("stopping");
  StartWatchdog(kShutdownDeadline);
  if (server_ != nullptr) server_->SetServing(false);
  // They are decided by the runners.
  if (command_client_ != nullptr) command_client_->Drain(kCallDeadline);
  for (const auto& runner : runners_) runner->Stop();
  bool failed = false;
  for (const auto& runner : runners_) failed = !runner->Join().ok() || failed;
  for (const auto& callback : drain_callbacks_) callback();
  if (server_ != nullptr) server_->Shutdown(kCallDeadline);
  feeds_.clear();
  command_client_.reset();
  command_link_.reset();
  kLog.Info("stopped");
  return failed ? 1 : 0;
}

}  // namespace tradewind
