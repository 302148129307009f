#include "tradewind/app/app.h"

#include <fmt/format.h>

#include <cstdio>
#include <map>
#include <optional>
#include <thread>
#include <vector>

#include "grpcpp/impl/service_type.h"

#include "tradewind/app/kafka_start.h"
#include "tradewind/app/logger.h"
#include "tradewind/app/process.h"
#include "tradewind/app/shutdown.h"
#include "tradewind/bus/envelope.h"
#include "tradewind/bus/kafka_config.h"
#include "tradewind/bus/kafka_sink.h"
#include "tradewind/bus/kafka_source.h"
#include "tradewind/rpc/server.h"
#include "tradewind/runtime/worker.h"
#include "tradewind/store/sqlite_store.h"
#include "tradewind/telemetry/logger.h"
#include "tradewind/telemetry/metrics.h"

namespace tradewind {
namespace {

// From the signal to the end of the process.
constexpr absl::Duration kShutdownDeadline = absl::Seconds(15);
constexpr absl::Duration kCallDeadline = absl::Seconds(3);

struct Settings {
  telemetry::LogConfig log;
  telemetry::MetricsConfig metrics;
  rpc::ServerConfig grpc;
  bus::KafkaConfig kafka;
  store::SqliteConfig store;
  runtime::WorkerConfig runtime;
};

}  // namespace

class App::Impl {
 public:
  Impl(std::string name, int argc, char** argv) : group_(std::move(name)), argc_(argc), argv_(argv) {}

  int Run();

  runtime::Group group_;
  Settings settings_;
  std::vector<std::function<void(config::Schema&)>> describers_;
  // Full name of each gRPC service and how it is made.
  std::vector<std::pair<std::string, MakeService>> service_makers_;

 private:
  absl::StatusOr<config::Command> ReadCommandLine();
  int CheckOwnHealth() const;
  absl::Status Start();
  absl::Status OpenStore();
  absl::Status MeetKafka();
  absl::Status StartServer();
  absl::Status StartWorker();
  void WorkerThread();
  EventFeed& FeedOf(std::string_view topic);
  int Stop();

  const int argc_;
  char** const argv_;
  std::optional<ShutdownSignal> shutdown_;
  std::unique_ptr<telemetry::MetricsServer> metrics_;
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<store::Session> session_;
  std::string cluster_id_;
  // By full topic name.
  std::map<std::string, int32_t> partition_counts_;
  std::map<std::string, std::unique_ptr<EventFeed>, std::less<>> feeds_;
  std::vector<std::unique_ptr<grpc::Service>> services_;
  std::vector<std::function<void()>> drain_callbacks_;
  std::unique_ptr<rpc::Server> server_;
  std::unique_ptr<bus::KafkaSink> events_;
  std::unique_ptr<bus::KafkaSink> replies_;
  std::unique_ptr<runtime::Worker> worker_;
  std::thread worker_thread_;
  // Written by the worker's thread before it asks for the shutdown, read after it was joined.
  absl::Status worker_result_;
};

App::App(std::string name, int argc, char** argv) : impl_(std::make_unique<Impl>(std::move(name), argc, argv)) {}
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

runtime::Group& App::group() { return impl_->group_; }

int App::Run() { return impl_->Run(); }

absl::StatusOr<config::Command> App::Impl::ReadCommandLine() {
  config::Schema schema;
  Describe(schema, settings_.kafka);
  Describe(schema, settings_.store);
  Describe(schema, settings_.runtime);
  Describe(schema, settings_.grpc);
  Describe(schema, settings_.metrics);
  Describe(schema, settings_.log);
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

int App::Impl::Run() {
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
  kLog.Info("ready", {{"grpc", settings_.grpc.address}, {"metrics", settings_.metrics.address}});
  shutdown_->WaitFor(absl::InfiniteDuration());
  ExitNow(Stop());
}

absl::Status App::Impl::Start() {
  if (!group_.status().ok()) return group_.status();
  auto metrics = telemetry::MetricsServer::Start(settings_.metrics);
  if (!metrics.ok()) return metrics.status();
  metrics_ = *std::move(metrics);
  for (const auto step : {&Impl::OpenStore, &Impl::MeetKafka, &Impl::StartServer, &Impl::StartWorker}) {
    if (absl::Status done = (this->*step)(); !done.ok()) return done;
  }
  return absl::OkStatus();
}

absl::Status App::Impl::OpenStore() {
  auto store = store::OpenSqliteStore(settings_.store, group_.name());
  if (!store.ok()) return store.status();
  store_ = *std::move(store);
  auto session = store_->OpenSession();
  if (!session.ok()) return session.status();
  session_ = *std::move(session);
  auto dead = store_->reader().CountKept(store::KeptState::kDead);
  if (!dead.ok()) return dead.status();
  telemetry::NewGauge("tradewind_dead_records", "Messages in the store that are kept as dead.",
                      {{"group", group_.name()}})
      .Set(static_cast<double>(*dead));
  return absl::OkStatus();
}

absl::Status App::Impl::MeetKafka() {
  std::vector<std::string> topics;
  for (const auto* names : {&group_.input_topics(), &group_.output_topics()}) {
    for (const std::string& name : *names) topics.push_back(bus::FullTopic(settings_.kafka, name));
  }
  for (const std::string_view name : {bus::kRepliesTopic, bus::kDeadTopic}) {
    topics.push_back(bus::FullTopic(settings_.kafka, name));
  }
  auto mesh = MeetKafkaMesh(settings_.kafka, "tradewind-" + group_.name(), topics, *shutdown_);
  if (!mesh.ok()) return mesh.status();
  cluster_id_ = std::move(mesh->cluster_id);
  partition_counts_ = std::move(mesh->partition_counts);
  return CheckCopartitioned(group_.name(), [this] {
    std::map<std::string, int32_t> inputs;
    for (const std::string& name : group_.input_topics()) {
      const std::string full = bus::FullTopic(settings_.kafka, name);
      inputs[full] = partition_counts_.at(full);
    }
    return inputs;
  }());
}

EventFeed& App::Impl::FeedOf(std::string_view topic) {
  const std::string full = bus::FullTopic(settings_.kafka, topic);
  auto& feed = feeds_[full];
  if (feed == nullptr) {
    const auto partitions = partition_counts_.find(full);
    if (partitions == partition_counts_.end()) {
      throw std::invalid_argument(fmt::format("{} is not a topic of this service", topic));
    }
    auto started = StartEventFeed(settings_.kafka, "tradewind-" + group_.name() + "-feed", full, partitions->second);
    if (!started.ok()) throw std::runtime_error(std::string(started.status().message()));
    feed = *std::move(started);
  }
  return *feed;
}

absl::Status App::Impl::StartServer() {
  const Ports ports{
      .reader = store_->reader(),
      .feed = [this](std::string_view topic) -> EventFeed& { return FeedOf(topic); },
      .on_drain = [this](std::function<void()> callback) { drain_callbacks_.push_back(std::move(callback)); }};
  rpc::ServerParts parts;
  try {
    for (const auto& [full_name, make] : service_makers_) {
      services_.push_back(make(ports));
      parts.services.push_back(services_.back().get());
      parts.listed_services.push_back(full_name);
    }
  } catch (const std::exception& error) {
    return absl::UnavailableError(error.what());
  }
  if (settings_.grpc.address.empty()) return absl::OkStatus();
  auto server = rpc::Server::Start(settings_.grpc, parts);
  if (!server.ok()) return server.status();
  server_ = *std::move(server);
  return absl::OkStatus();
}

absl::Status App::Impl::StartWorker() {
  const std::string client_id = "tradewind-" + group_.name();
  auto events = bus::KafkaSink::Create(settings_.kafka, {.client_id = client_id + "-outbox", .gapless = true});
  if (!events.ok()) return events.status();
  events_ = *std::move(events);
  auto replies = bus::KafkaSink::Create(
      settings_.kafka,
      {.client_id = client_id + "-replies", .delivery_timeout = absl::Seconds(5), .all_acknowledge = false});
  if (!replies.ok()) return replies.status();
  replies_ = *std::move(replies);

  bus::KafkaSourceOptions source{.client_id = client_id,
                                 .group = bus::FullTopic(settings_.kafka, group_.name()),
                                 .lead_topic = bus::FullTopic(settings_.kafka, group_.lead_topic())};
  for (const std::string& name : group_.input_topics()) {
    if (name != group_.lead_topic()) source.other_topics.push_back(bus::FullTopic(settings_.kafka, name));
  }
  worker_ = std::make_unique<runtime::Worker>(
      runtime::WorkerPorts{.group = &group_,
                           .session = session_.get(),
                           .store_id = store_->id(),
                           .cluster_id = cluster_id_,
                           .topic_prefix = settings_.kafka.topic_prefix,
                           .partition_counts = partition_counts_,
                           .make_source = [this, source](bus::AssignmentListener& listener)
                               -> absl::StatusOr<std::unique_ptr<bus::EventSource>> {
                             auto made = bus::KafkaSource::Create(settings_.kafka, source, listener);
                             if (!made.ok()) return made.status();
                             return *std::move(made);
                           },
                           .events = events_.get(),
                           .replies = replies_.get()},
      settings_.runtime);
  worker_thread_ = std::thread(&Impl::WorkerThread, this);
  while (!worker_->ready()) {
    if (shutdown_->WaitFor(absl::Milliseconds(10))) break;
  }
  if (server_ != nullptr) server_->SetServing(true);
  return absl::OkStatus();
}

void App::Impl::WorkerThread() {
  worker_result_ = worker_->Run();
  if (!worker_result_.ok()) kLog.Error(std::string(worker_result_.message()));
  shutdown_->Request();
}

int App::Impl::Stop() {
  kLog.Info("stopping");
  StartWatchdog(kShutdownDeadline);
  if (server_ != nullptr) server_->SetServing(false);
  worker_->Stop();
  worker_thread_.join();
  for (const auto& callback : drain_callbacks_) callback();
  if (server_ != nullptr) server_->Shutdown(kCallDeadline);
  feeds_.clear();
  kLog.Info("stopped");
  return worker_result_.ok() ? 0 : 1;
}

}  // namespace tradewind
