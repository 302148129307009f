#include "tradewind/app/group_runner.h"

#include <utility>

#include "tradewind/app/logger.h"
#include "tradewind/app/watched_session.h"
#include "tradewind/bus/kafka_source.h"

namespace tradewind {
namespace {

bus::KafkaSourceOptions SourceOptions(const runtime::Group& group, const bus::KafkaConfig& kafka,
                                      const std::string& client_id) {
  bus::KafkaSourceOptions source{.client_id = client_id,
                                 .group = bus::FullTopic(kafka, group.name()),
                                 .lead_topic = bus::FullTopic(kafka, group.lead_topic())};
  for (const std::string& name : group.input_topics()) {
    if (name != group.lead_topic()) source.other_topics.push_back(bus::FullTopic(kafka, name));
  }
  return source;
}

}  // namespace

bool AcceptsUnmarkedEvents(const runtime::WorkerConfig& config, const store::Store& store) {
  return config.accept_unmarked_events == "auto" ? store.predates_mesh_names()
                                                 : config.accept_unmarked_events == "true";
}

absl::StatusOr<std::unique_ptr<GroupRunner>> GroupRunner::Start(const runtime::Group& group,
                                                                const Surroundings& surroundings,
                                                                std::function<void()> on_end) {
  std::unique_ptr<GroupRunner> runner(new GroupRunner());
  auto session = surroundings.store.OpenSession();
  if (!session.ok()) return session.status();
  runner->session_ = std::make_unique<WatchedSession>(*std::move(session), group.name());

  const bus::KafkaConfig& kafka = surroundings.kafka;
  const std::string client_id = "tradewind-" + group.name();
  const auto make_events = [&kafka, client_id]() -> absl::StatusOr<std::unique_ptr<bus::EventSink>> {
    return bus::KafkaSink::Create(kafka, {.client_id = client_id + "-outbox", .gapless = true});
  };
  auto events = make_events();
  if (!events.ok()) return events.status();
  runner->events_ = *std::move(events);
  auto replies = bus::KafkaSink::Create(
      kafka, {.client_id = client_id + "-replies", .delivery_timeout = absl::Seconds(5), .all_acknowledge = false});
  if (!replies.ok()) return replies.status();
  runner->replies_ = *std::move(replies);

  const bus::KafkaSourceOptions source = SourceOptions(group, kafka, client_id);
  runner->worker_ = std::make_unique<runtime::Worker>(
      runtime::WorkerPorts{
          .group = &group,
          .session = runner->session_.get(),
          .store_id = surroundings.store.id(),
          .cluster_id = surroundings.cluster_id,
          .topic_prefix = kafka.topic_prefix,
          .accept_unmarked_events = AcceptsUnmarkedEvents(surroundings.worker, surroundings.store),
          .partition_counts = surroundings.partition_counts,
          .ask_partitions = [&counter = surroundings.counter](const std::string& topic) { return counter.Ask(topic); },
          .make_source =
              [&kafka, source](bus::AssignmentListener& listener) -> absl::StatusOr<std::unique_ptr<bus::EventSource>> {
            auto made = bus::KafkaSource::Create(kafka, source, listener);
            if (!made.ok()) return made.status();
            return *std::move(made);
          },
          .events = runner->events_.get(),
          .make_events = make_events,
          .replies = runner->replies_.get()},
      surroundings.worker);
  runner->thread_ = std::thread([self = runner.get(), on_end = std::move(on_end)] {
    self->result_ = self->worker_->Run();
    if (!self->result_.ok()) kLog.Error(std::string(self->result_.message()));
    on_end();
  });
  return runner;
}

GroupRunner::~GroupRunner() {
  if (!thread_.joinable()) return;
  Stop();
  thread_.join();
}

absl::Status GroupRunner::Join() {
  if (thread_.joinable()) thread_.join();
  return result_;
}

}  // namespace tradewind
