// The decide loop: commands through one task of the real runtime and the real SQLite store, as many a second as go.
// With --brokers the commands lie on a Kafka topic and the events go back there; without, source and sink are in memory
// and what is measured is the loop alone. Prints one line of JSON.
//
// Timed from the acknowledgement of the last event of the first pass over all keys to that of the last event of all:
// read, parsed, loaded, decided, committed and published.
#include <unistd.h>

#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "CLI/CLI.hpp"
#include "fmt/format.h"
#include "nlohmann/json.hpp"

#include "tests/bench/decide/bench.pb.h"
#include "tests/bench/decide/measured.h"
#include "tests/bench/decide/memory_bus.h"
#include "tests/bench/decide/workload.h"
#include "tests/bench/must.h"
#include "tradewind/bus/envelope.h"
#include "tradewind/bus/kafka_admin.h"
#include "tradewind/bus/kafka_sink.h"
#include "tradewind/bus/kafka_source.h"
#include "tradewind/runtime/group.h"
#include "tradewind/runtime/worker.h"
#include "tradewind/store/sqlite_store.h"

namespace bench {
namespace {

namespace bus = tradewind::bus;
namespace runtime = tradewind::runtime;
namespace store = tradewind::store;
using tradewind::bench::v1::AddRequest;
using tradewind::bench::v1::Entry;
using tradewind::bench::v1::EntryChanged;

constexpr char kCommands[] = "bench.commands.v1";
constexpr char kEvents[] = "bench.events.v1";
// Longest part of a run before it is given up.
constexpr absl::Duration kPatience = absl::Seconds(120);

struct Options {
  std::string directory = ".";
  // Empty: no Kafka.
  std::string brokers;
  Workload workload;
};

runtime::Outcome Add(const AddRequest& command, runtime::Context& context) {
  const auto entry = context.Load<Entry>(context.key());
  if (!entry.exists()) {
    entry->set_id(command.id());
    entry->mutable_filler()->assign(kStateBytes - (2 + command.id().size()) - 9 - 3, 's');
  }
  entry->set_total(entry->total() + command.amount());
  EntryChanged event;
  event.set_id(entry->id());
  event.set_total(entry->total());
  context.Emit(event);
  return runtime::Ack();
}

runtime::Group MakeGroup() {
  runtime::Group group("bench");
  runtime::Handler handler;
  handler.run = [](const google::protobuf::Message& message, runtime::Context& context) {
    return Add(static_cast<const AddRequest&>(message), context);
  };
  handler.prototype = &AddRequest::default_instance();
  handler.own_states = {&Entry::default_instance()};
  group.AddCommand(std::move(handler));
  group.AddOutput(EntryChanged::descriptor());
  return group;
}

std::vector<PreparedRecord> PrepareRecords(const Workload& workload) {
  std::vector<PreparedRecord> records(workload.size());
  AddRequest command;
  for (size_t i = 0; i < records.size(); ++i) {
    command.set_id(workload.Key(i));
    command.set_amount(i + 1);
    if (i == 0) command.set_filler(std::string(kCommandBytes - command.ByteSizeLong() - 3, 'c'));
    records[i] = {.key = command.id(), .value = command.SerializeAsString(), .id = fmt::format("command-{:012}", i)};
  }
  return records;
}

// What the worker stands on. In memory, or on topics of one partition made for this run alone.
struct Bus {
  std::string prefix;
  std::string cluster_id = "memory";
  std::function<absl::StatusOr<std::unique_ptr<bus::EventSource>>(bus::AssignmentListener&)> make_source;
  bus::MakeSink make_events;
  std::unique_ptr<bus::EventSink> events;
  std::unique_ptr<bus::EventSink> replies;
};

Bus MakeMemoryBus(const std::vector<PreparedRecord>& records) {
  Bus made;
  made.make_source =
      [&records](bus::AssignmentListener& listener) -> absl::StatusOr<std::unique_ptr<bus::EventSource>> {
    return std::make_unique<MemorySource>(kCommands, records, listener, records.size());
  };
  made.make_events = [] { return std::make_unique<MemorySink>(); };
  made.events = Must(made.make_events(), "sink");
  made.replies = std::make_unique<MemorySink>();
  return made;
}

void Preload(const bus::KafkaConfig& config, const std::string& topic, const std::vector<PreparedRecord>& records) {
  const auto sink =
      Must(bus::KafkaSink::Create(config, {.client_id = "bench-preload", .linger = absl::Milliseconds(5)}),
           "producer for the commands");
  const absl::Time deadline = absl::Now() + kPatience;
  size_t delivered = 0;
  const auto on_delivery = [&](const bus::Delivery& delivery) {
    Check(delivery.status, "preloading the commands");
    ++delivered;
  };
  for (const PreparedRecord& record : records) {
    const std::vector<bus::HeaderView> headers = CommandHeaders(record.id);
    const bus::OutgoingRecord out{
        .topic = topic, .partition = 0, .key = record.key, .value = record.value, .headers = headers};
    for (;;) {
      const absl::Status status = sink->Produce(out, 0);
      if (status.ok()) break;
      if (!absl::IsResourceExhausted(status)) Check(status, "preloading the commands");
      sink->Poll(absl::Milliseconds(10), on_delivery);
    }
  }
  while (delivered < records.size()) {
    sink->Poll(absl::Milliseconds(100), on_delivery);
    if (absl::Now() > deadline) Die(fmt::format("only {} of {} commands were preloaded", delivered, records.size()));
  }
}

Bus MakeKafkaBus(const Options& options, const std::vector<PreparedRecord>& records) {
  Bus made;
  made.prefix = fmt::format("decide-{}-{}.", getpid(), absl::ToUnixMillis(absl::Now()));
  bus::KafkaConfig config;
  config.brokers = options.brokers;
  config.topic_prefix = made.prefix;
  config.partitions = 1;
  const std::vector<std::string> topics{made.prefix + kCommands, made.prefix + kEvents,
                                        made.prefix + std::string(bus::kRepliesTopic),
                                        made.prefix + std::string(bus::kDeadTopic)};
  const auto admin = Must(bus::KafkaAdmin::Create(config, "bench-decide"), "Kafka");
  made.cluster_id = Must(admin->ClusterId(), "Kafka");
  Must(admin->EnsureTopics(topics), "topics");
  Preload(config, topics[0], records);
  made.make_source = [config, lead = topics[0]](
                         bus::AssignmentListener& listener) -> absl::StatusOr<std::unique_ptr<bus::EventSource>> {
    return bus::KafkaSource::Create(
        config, {.client_id = "bench-decide", .group = config.topic_prefix + "bench", .lead_topic = lead}, listener);
  };
  made.make_events = [config]() -> absl::StatusOr<std::unique_ptr<bus::EventSink>> {
    return bus::KafkaSink::Create(config, {.client_id = "bench-events", .gapless = true});
  };
  made.events = Must(made.make_events(), "producer");
  made.replies = Must(bus::KafkaSink::Create(config, {.client_id = "bench-replies", .all_acknowledge = false}),
                      "producer of replies");
  return made;
}

int Main(int argc, char** argv) {
  Options options;
  CLI::App app("Commands a second through one task of the runtime.");
  app.add_option("--directory", options.directory, "a folder of its own; the store is made in it");
  app.add_option("--brokers", options.brokers, "host:port; without, the bus is in memory");
  app.add_option("--keys", options.workload.keys);
  app.add_option("--events", options.workload.timed);
  CLI11_PARSE(app, argc, argv);

  const std::vector<PreparedRecord> records = PrepareRecords(options.workload);
  const Bus made = options.brokers.empty() ? MakeMemoryBus(records) : MakeKafkaBus(options, records);
  const runtime::Group group = MakeGroup();
  const auto database = Must(store::OpenSqliteStore({.directory = options.directory}, "decide"), "store");
  const auto session = Must(database->OpenSession(), "store");
  MeasuredSession measured_session(*session);
  MeasuredSink events(*made.events, options.workload.keys, options.workload.size());

  runtime::WorkerPorts ports;
  ports.group = &group;
  ports.session = &measured_session;
  ports.store_id = database->id();
  ports.cluster_id = made.cluster_id;
  ports.topic_prefix = made.prefix;
  for (const std::string& topic :
       {std::string(kCommands), std::string(kEvents), std::string(bus::kRepliesTopic), std::string(bus::kDeadTopic)}) {
    ports.partition_counts[made.prefix + topic] = 1;
  }
  ports.make_source = made.make_source;
  ports.events = &events;
  ports.make_events = made.make_events;
  ports.replies = made.replies.get();
  runtime::Worker worker(std::move(ports), {});
  absl::Status ended;
  std::thread thread([&] { ended = worker.Run(); });
  const bool finished = events.Wait(kPatience);
  worker.Stop();
  thread.join();
  Check(ended, "worker");
  if (!finished) Die("the events did not all come out");

  const MeasuredSession::Totals& totals = measured_session.totals();
  const auto all = static_cast<double>(options.workload.size());
  const nlohmann::json result{{"events", options.workload.timed},
                              {"seconds", events.seconds()},
                              {"rate", static_cast<double>(options.workload.timed) / events.seconds()},
                              {"events_per_commit", all / static_cast<double>(totals.commits)},
                              {"outbox_bytes_per_event", static_cast<double>(totals.outbox_bytes) / all}};
  std::printf("%s\n", result.dump().c_str());
  return 0;
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) { return bench::Main(argc, argv); }
