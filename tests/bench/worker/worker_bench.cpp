// The worker where things go wrong, take long, or have grown: source and sink in memory, the real runtime on the real
// SQLite store, one task. Prints one line of JSON.
//
//   failing   commands a second while one key in a hundred commands fails for ever (--bad 0: while none does)
//   lanes     seconds for messages of 0 to 5 ms of work through 20 keys: as effects, or in the order of the partition
//   restart   seconds from opening a store with many aggregates and parked records to the first command handled
//   soak      memory over millions of events
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "fmt/format.h"
#include "nlohmann/json.hpp"

#include "tests/bench/decide/bench.pb.h"
#include "tests/bench/decide/memory_bus.h"
#include "tests/bench/decide/workload.h"
#include "tests/bench/must.h"
#include "tradewind/bus/envelope.h"
#include "tradewind/mesh/v1/state.pb.h"
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
using Clock = std::chrono::steady_clock;
using Json = nlohmann::json;

constexpr char kGroup[] = "bench";
constexpr char kCommands[] = "bench.commands.v1";
constexpr char kEvents[] = "bench.events.v1";
constexpr absl::Duration kPatience = absl::Minutes(20);

double SecondsSince(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

// Counts down what a handler has done.
class Countdown {
 public:
  explicit Countdown(int64_t count) : left_(count) {}
  void Done() {
    if (--left_ == 0) done_.Notify();
  }
  int64_t left() const { return left_; }
  void Wait() {
    if (!done_.WaitForNotificationWithTimeout(kPatience)) Die(fmt::format("{} were not handled", left_.load()));
  }

 private:
  std::atomic<int64_t> left_;
  absl::Notification done_;
};

runtime::Handler CommandHandler(std::function<runtime::Outcome(const AddRequest&, runtime::Context&)> run) {
  runtime::Handler handler;
  handler.run = [run = std::move(run)](const google::protobuf::Message& message, runtime::Context& context) {
    return run(static_cast<const AddRequest&>(message), context);
  };
  handler.prototype = &AddRequest::default_instance();
  handler.own_states = {&Entry::default_instance()};
  return handler;
}

runtime::Outcome Add(const AddRequest& command, runtime::Context& context) {
  const auto entry = context.Load<Entry>(context.key());
  entry->set_id(command.id());
  if (entry->filler().empty()) entry->mutable_filler()->assign(kStateBytes - 50, 's');
  entry->set_total(entry->total() + command.amount());
  EntryChanged event;
  event.set_id(entry->id());
  event.set_total(entry->total());
  context.Emit(event);
  return runtime::Ack();
}

PreparedRecord Prepare(const std::string& key, size_t number) {
  AddRequest command;
  command.set_id(key);
  command.set_amount(number + 1);
  command.set_filler(std::string(kCommandBytes - 60, 'c'));
  return {.key = key, .value = command.SerializeAsString(), .id = fmt::format("command-{:012}", number)};
}

// A worker on a thread of its own.
class Running {
 public:
  Running(const runtime::Group& group, store::Store& database, const std::vector<PreparedRecord>& records, size_t total,
          runtime::WorkerConfig config = {})
      : session_(Must(database.OpenSession(), "store")) {
    runtime::WorkerPorts ports;
    ports.group = &group;
    ports.session = session_.get();
    ports.store_id = database.id();
    ports.cluster_id = "memory";
    for (const std::string& topic : {std::string(kCommands), std::string(kEvents), std::string(bus::kRepliesTopic),
                                     std::string(bus::kDeadTopic)}) {
      ports.partition_counts[topic] = 1;
    }
    ports.make_source =
        [&records, total](bus::AssignmentListener& listener) -> absl::StatusOr<std::unique_ptr<bus::EventSource>> {
      return std::make_unique<MemorySource>(kCommands, records, listener, total);
    };
    ports.events = &events_;
    ports.make_events = [] { return std::make_unique<MemorySink>(); };
    ports.replies = &replies_;
    worker_ = std::make_unique<runtime::Worker>(std::move(ports), config);
    thread_ = std::thread([this] { Check(worker_->Run(), "worker"); });
  }
  ~Running() {
    worker_->Stop();
    thread_.join();
  }

 private:
  const std::unique_ptr<store::Session> session_;
  MemorySink events_;
  MemorySink replies_;
  std::unique_ptr<runtime::Worker> worker_;
  std::thread thread_;
};

struct Options {
  std::string directory = ".";
  size_t events = 200'000;
  size_t keys = 10'000;
  // Every how many commands go to the key that fails; 0 for none.
  size_t bad_every = 100;
  // In the order of the partition, without lanes.
  bool sequential = false;
  size_t aggregates = 1'000'000;
  size_t parked = 100'000;
};

std::unique_ptr<store::Store> Open(const Options& options) {
  return Must(store::OpenSqliteStore({.directory = options.directory}, "worker"), "store");
}

Json Failing(const Options& options) {
  std::vector<PreparedRecord> records;
  size_t good = 0;
  for (size_t i = 0; i < options.events; ++i) {
    const bool bad = options.bad_every > 0 && i % options.bad_every == 0;
    good += bad ? 0 : 1;
    records.push_back(Prepare(bad ? "bad" : fmt::format("key-{:032}", i * 7919 % options.keys), i));
  }
  Countdown handled(static_cast<int64_t>(good));
  runtime::Group group(kGroup);
  group.AddCommand(CommandHandler([&](const AddRequest& command, runtime::Context& context) {
    if (context.key() == "bad") return runtime::Retry(absl::ZeroDuration(), "fails for ever");
    const runtime::Outcome outcome = Add(command, context);
    handled.Done();
    return outcome;
  }));
  group.AddOutput(EntryChanged::descriptor());
  const auto database = Open(options);
  const auto begin = Clock::now();
  const Running worker(group, *database, records, records.size());
  handled.Wait();
  return {{"rate", static_cast<double>(good) / SecondsSince(begin)}};
}

// 0 to 5 ms, the same for a message in every run.
std::chrono::microseconds WorkOf(uint64_t amount) {
  return std::chrono::microseconds((amount * 2654435761U >> 8) % 5001);
}

Json Lanes(const Options& options) {
  std::vector<PreparedRecord> records;
  for (size_t i = 0; i < options.events; ++i) records.push_back(Prepare(fmt::format("key-{}", i * 7919 % 20), i));
  Countdown handled(static_cast<int64_t>(options.events));
  std::mutex mutex;
  std::map<std::string, uint64_t> last;
  const auto work = [&](const AddRequest& message) {
    std::this_thread::sleep_for(WorkOf(message.amount()));
    {
      const std::lock_guard lock(mutex);
      uint64_t& before = last[message.id()];
      if (message.amount() <= before) Die(fmt::format("{}: {} after {}", message.id(), message.amount(), before));
      before = message.amount();
    }
    handled.Done();
    return runtime::Ack();
  };
  runtime::Group group(kGroup);
  if (options.sequential) {
    group.Add(CommandHandler([&](const AddRequest& message, runtime::Context&) { return work(message); }));
  } else {
    runtime::Handler handler;
    handler.effect = [&](const google::protobuf::Message& message, runtime::EffectContext&) {
      return work(static_cast<const AddRequest&>(message));
    };
    handler.prototype = &AddRequest::default_instance();
    handler.concurrency = 64;
    group.AddEffect(handler);
  }
  const auto database = Open(options);
  const auto begin = Clock::now();
  const Running worker(group, *database, records, records.size());
  handled.Wait();
  return {{"seconds", SecondsSince(begin)}};
}

void FillAggregates(store::Session& session, size_t count) {
  constexpr size_t kBatch = 1000;
  Entry entry;
  entry.set_filler(std::string(kStateBytes - 50, 's'));
  for (size_t begin = 0; begin < count; begin += kBatch) {
    std::vector<std::string> keys;
    std::vector<std::string> values;
    store::Batch batch;
    for (size_t i = begin; i < std::min(count, begin + kBatch); ++i) {
      keys.push_back(fmt::format("key-{:032}", i * 7919 % count));
      entry.set_id(keys.back());
      values.push_back(entry.SerializeAsString());
    }
    for (size_t i = 0; i < keys.size(); ++i) {
      batch.aggregates.push_back({.kind = Entry::descriptor()->full_name(), .key = keys[i], .value = values[i]});
    }
    Must(session.Commit(batch), "filling the store");
  }
}

// Each in a queue of its own, not due for long.
void FillParked(store::Session& session, size_t count) {
  constexpr size_t kBatch = 1000;
  for (size_t begin = 0; begin < count; begin += kBatch) {
    store::Batch batch;
    for (size_t i = begin; i < std::min(count, begin + kBatch); ++i) {
      tradewind::mesh::v1::KeptRecord record;
      record.set_topic(kCommands);
      record.set_key(fmt::format("parked-{:032}", i));
      record.set_value(std::string(kCommandBytes, 'p'));
      store::KeptRecord kept;
      kept.task = {kGroup, 0};
      kept.state = store::KeptState::kParked;
      kept.queued = true;
      kept.key = record.key();
      kept.type = AddRequest::descriptor()->full_name();
      kept.record = record.SerializeAsString();
      kept.attempts = 5;
      kept.due = absl::Now() + absl::Hours(10);
      batch.kept.push_back(std::move(kept));
    }
    Must(session.Commit(batch), "filling the store");
  }
}

Json Restart(const Options& options) {
  {
    const auto database = Open(options);
    const auto session = Must(database->OpenSession(), "store");
    FillAggregates(*session, options.aggregates);
    FillParked(*session, options.parked);
  }
  const std::vector<PreparedRecord> records{Prepare("key-one", 0)};
  Countdown handled(1);
  runtime::Group group(kGroup);
  group.AddCommand(CommandHandler([&](const AddRequest& command, runtime::Context& context) {
    const runtime::Outcome outcome = Add(command, context);
    handled.Done();
    return outcome;
  }));
  group.AddOutput(EntryChanged::descriptor());
  const auto begin = Clock::now();
  const auto database = Open(options);
  const Running worker(group, *database, records, records.size());
  handled.Wait();
  return {{"seconds", SecondsSince(begin)}};
}

double ResidentMebibytes() {
  std::ifstream statm("/proc/self/statm");
  int64_t total = 0;
  int64_t resident = 0;
  statm >> total >> resident;
  return static_cast<double>(resident) * static_cast<double>(sysconf(_SC_PAGESIZE)) / (1 << 20);
}

Json Soak(const Options& options) {
  std::vector<PreparedRecord> records;
  for (size_t i = 0; i < options.keys; ++i) records.push_back(Prepare(fmt::format("key-{:032}", i), i));
  Countdown handled(static_cast<int64_t>(options.events));
  runtime::Group group(kGroup);
  group.AddCommand(CommandHandler([&](const AddRequest& command, runtime::Context& context) {
    const runtime::Outcome outcome = Add(command, context);
    handled.Done();
    return outcome;
  }));
  group.AddOutput(EntryChanged::descriptor());
  const auto database = Open(options);
  const auto begin = Clock::now();
  const Running worker(group, *database, records, options.events);
  // A sample for each tenth; the first is the warm-up.
  std::vector<double> samples;
  for (int64_t tenth = 1; tenth <= 10; ++tenth) {
    while (static_cast<int64_t>(options.events) - handled.left() < static_cast<int64_t>(options.events) * tenth / 10) {
      absl::SleepFor(absl::Milliseconds(5));
    }
    samples.push_back(ResidentMebibytes());
  }
  return {{"rate", static_cast<double>(options.events) / SecondsSince(begin)}, {"resident_mebibytes", samples}};
}

int Main(int argc, char** argv) {
  Options options;
  CLI::App app("Measures one worker of the runtime.");
  app.require_subcommand(1);
  app.add_option("--directory", options.directory, "a folder of its own; the store is made in it");
  app.add_option("--events", options.events);
  app.add_option("--keys", options.keys);
  const CLI::App* failing = app.add_subcommand("failing");
  app.get_subcommand("failing")->add_option("--bad", options.bad_every, "every how many commands one fails; 0: none");
  const CLI::App* lanes = app.add_subcommand("lanes");
  app.get_subcommand("lanes")->add_flag("--sequential", options.sequential, "in the order of the partition");
  const CLI::App* restart = app.add_subcommand("restart");
  app.get_subcommand("restart")->add_option("--aggregates", options.aggregates);
  app.get_subcommand("restart")->add_option("--parked", options.parked);
  app.add_subcommand("soak");
  CLI11_PARSE(app, argc, argv);
  const Json result = failing->parsed()   ? Failing(options)
                      : lanes->parsed()   ? Lanes(options)
                      : restart->parsed() ? Restart(options)
                                          : Soak(options);
  std::printf("%s\n", result.dump().c_str());
  return 0;
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) { return bench::Main(argc, argv); }
