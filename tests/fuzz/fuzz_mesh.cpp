#include "tests/fuzz/fuzz_mesh.h"

#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <stdexcept>
#include <utility>
#include <vector>

#include "google/protobuf/empty.pb.h"

#include "tradewind/bus/envelope.h"
#include "tradewind/order/v1/events.pb.h"
#include "tradewind/order/v1/order.pb.h"
#include "tradewind/runtime/worker.h"
#include "tradewind/store/sqlite_store.h"

namespace tradewind::fuzz {
namespace {

using google::protobuf::Message;
using order::v1::CreateOrderRequest;
using order::v1::Order;
using order::v1::OrderConfirmed;
using order::v1::OrderCreated;
using runtime::Context;
using runtime::Outcome;

// Long beside what anything takes, on a busy machine too.
constexpr auto kPatience = std::chrono::seconds(20);

constexpr char kTimer[] = "reminder";
// Of the harness's own records.
constexpr char kOwnUser[] = "own";
// Effects of the harness's own events that have run.
std::atomic<int> own_effects = 0;

// Retries that come at once, and a few of them.
const runtime::WorkerConfig kConfig{.max_attempts = 3,
                                    .first_retry = absl::Milliseconds(1),
                                    .longest_retry = absl::Milliseconds(5),
                                    .effect_threads = 2,
                                    .timer_tick = absl::Milliseconds(1)};

std::FILE* kept_standard_error = stderr;

// Ends the process in the way by which libFuzzer keeps the input. Who comes second waits for that.
[[noreturn]] void Fail(const std::string& why) {
  static std::atomic_flag failed;
  while (failed.test_and_set()) pause();
  std::fprintf(kept_standard_error, "worker_fuzz: %s\n", why.c_str());
  std::fflush(kept_standard_error);
  std::abort();
}

[[noreturn]] void FailWithTheException() {
  try {
    if (const std::exception_ptr exception = std::current_exception()) std::rethrow_exception(exception);
  } catch (const std::exception& exception) {
    Fail(std::string("an exception that nobody caught: ") + exception.what());
  } catch (...) {
  }
  Fail("std::terminate was called");
}

void OrFail(const absl::Status& status, std::string_view what) {
  if (!status.ok()) Fail(fmt::format("{}: {}", what, status.ToString()));
}

// What a handler does follows from the user's id, so that a script has a say in it.
Outcome ActOn(const std::string& user) {
  if (user.starts_with("retry")) return runtime::Retry({}, user);
  if (user.starts_with("dead")) return runtime::Dead(user);
  if (user.starts_with("throw")) throw std::runtime_error(user);
  return runtime::Ack();
}

Outcome Decide(const Message& message, Context& context) {
  const auto& command = static_cast<const CreateOrderRequest&>(message);
  const auto order = context.Load<Order>(command.id());
  order->set_id(command.id());
  order->set_user_id(command.user_id());
  order->set_revision(order->revision() + 1);
  OrderCreated created;
  created.set_order_id(command.id());
  created.set_user_id(command.user_id());
  context.Emit(created);
  if (command.user_id().starts_with("timer")) context.SetTimer(kTimer, context.now(), google::protobuf::Empty());
  context.Reply(*order);
  return ActOn(command.user_id());
}

Outcome Follow(const Message& message, Context& context) {
  const auto& event = static_cast<const OrderCreated&>(message);
  const auto order = context.Load<Order>(event.user_id());
  order->set_revision(order->revision() + 1);
  return ActOn(event.user_id());
}

Outcome Confirm(const Message& message, Context& context) {
  const auto& event = static_cast<const OrderConfirmed&>(message);
  context.Load<Order>(context.key())->set_state(order::v1::ORDER_STATE_CONFIRMED);
  return ActOn(event.user_id());
}

runtime::Group Deciders() {
  runtime::Group group("order");
  group.AddCommand({.run = Decide,
                    .prototype = &CreateOrderRequest::default_instance(),
                    .own_states = {&Order::default_instance()}});
  group.Add({.run = Confirm, .prototype = &OrderConfirmed::default_instance(), .inbox = true});
  group.Add({.run = Follow, .prototype = &OrderCreated::default_instance()});
  group.Rekey(OrderCreated::descriptor()->full_name(),
              [](const Message& message) { return static_cast<const OrderCreated&>(message).user_id(); });
  group.AddTimer({.run = [](const Message&, Context&) { return runtime::Ack(); },
                  .prototype = &google::protobuf::Empty::default_instance()});
  group.AddOutput(OrderCreated::descriptor());
  OrFail(group.status(), "the group of deciders");
  return group;
}

runtime::Group Effects() {
  runtime::Group group("order.effects");
  group.AddEffect({.effect =
                       [](const Message& message, runtime::EffectContext&) {
                         const std::string& user = static_cast<const OrderConfirmed&>(message).user_id();
                         if (user == kOwnUser) ++own_effects;
                         return ActOn(user);
                       },
                   .prototype = &OrderConfirmed::default_instance()});
  OrFail(group.status(), "the group of effects");
  return group;
}

// In memory where the machine has such a folder.
std::filesystem::path NewFolder() {
  const std::filesystem::path memory = "/dev/shm";
  const auto parent = std::filesystem::exists(memory) ? memory : std::filesystem::temp_directory_path();
  std::string name = (parent / "tradewind-fuzz-XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) Fail("no folder for the store");
  return name;
}

}  // namespace

void PrepareProcess() {
  if (std::FILE* kept = fdopen(dup(STDERR_FILENO), "w")) kept_standard_error = kept;
  std::set_terminate(FailWithTheException);
}

// A worker on a thread of its own, with its own session and sinks.
class RunningGroup {
 public:
  RunningGroup(testing::InMemoryKafka& kafka, store::Store& store, const runtime::Group& group)
      : events_(kafka.MakeSink()), replies_(kafka.MakeSink()) {
    auto session = store.OpenSession();
    OrFail(session.status(), "a session of the store");
    session_ = *std::move(session);
    worker_ = std::make_unique<runtime::Worker>(
        runtime::WorkerPorts{.group = &group,
                             .session = session_.get(),
                             .store_id = store.id(),
                             .cluster_id = "cluster-1",
                             .partition_counts = kafka.partition_counts(),
                             .make_source = [this, &kafka, &group](bus::AssignmentListener& listener)
                                 -> absl::StatusOr<std::unique_ptr<bus::EventSource>> {
                               auto source = kafka.MakeSource(group.input_topics(), listener, group.name());
                               source->Assign({0, 1});
                               source_.store(source.get(), std::memory_order_release);
                               return source;
                             },
                             .events = events_.get(),
                             .make_events = [&kafka] { return kafka.MakeSink(); },
                             .replies = replies_.get()},
        kConfig);
    thread_ = std::thread([this] {
      result_ = worker_->Run();
      ended_.store(true, std::memory_order_release);
    });
  }

  // Ends the process where the worker has ended by itself.
  void CheckThatItRuns() const {
    if (ended_.load(std::memory_order_acquire)) Fail("a worker has ended: " + result_.ToString());
  }

  void Stop() {
    worker_->Stop();
    // Wakes it where it waits for records.
    if (testing::InMemorySource* source = source_.load(std::memory_order_acquire)) source->Assign({});
    thread_.join();
    OrFail(result_, "a worker");
  }

 private:
  std::unique_ptr<testing::InMemorySink> events_;
  std::unique_ptr<testing::InMemorySink> replies_;
  std::unique_ptr<store::Session> session_;
  std::unique_ptr<runtime::Worker> worker_;
  // The worker's; null until it has one.
  std::atomic<testing::InMemorySource*> source_ = nullptr;
  absl::Status result_;
  std::atomic<bool> ended_ = false;
  std::thread thread_;
};

FuzzMesh::FuzzMesh() : deciders_(Deciders()), effects_(Effects()), folder_(NewFolder()) {
  for (const std::string_view topic : kTopics) kafka_.CreateTopic(std::string(topic), kPartitions);
  for (const std::string_view topic : {bus::kRepliesTopic, bus::kDeadTopic}) {
    kafka_.CreateTopic(std::string(topic), kPartitions);
  }
}

FuzzMesh::~FuzzMesh() {
  store_.reset();
  std::filesystem::remove_all(folder_);
}

void FuzzMesh::Start() {
  auto store = store::OpenSqliteStore({.directory = folder_.string(), .cache_bytes = 1 << 20}, "order");
  OrFail(store.status(), "the store");
  store_ = *std::move(store);
  running_[0] = std::make_unique<RunningGroup>(kafka_, *store_, deciders_);
  running_[1] = std::make_unique<RunningGroup>(kafka_, *store_, effects_);
}

void FuzzMesh::Stop() {
  for (auto& group : running_) {
    group->Stop();
    group.reset();
  }
  store_.reset();
}

void FuzzMesh::Append(const Step& step) {
  bus::RecordContent record{.topic = std::string(kTopics[step.topic % std::size(kTopics)]),
                            .partition = step.partition % kPartitions,
                            .timestamp_ms = step.timestamp_ms,
                            .key = step.key.Expand()};
  if (record.key.starts_with(kOwnKey)) return;
  record.has_value = step.value.has_value();
  if (step.value.has_value()) record.value = step.value->Expand();
  for (const auto& [name, value] : step.headers) record.headers.emplace_back(name.Expand(), value.Expand());
  // A topic that has Kafka's own settings takes no more.
  if (testing::WireSize(record) > kMaxTextBytes) return;
  kafka_.AppendGap(record.topic, record.partition, step.gap);
  kafka_.Append(std::move(record));
}

void FuzzMesh::Operate(const Step& step) {
  if (step.gap < kFirstRequest) return;
  store::KeptFilter filter{.failed_only = true};
  if (step.gap % 4 >= 2) filter = {.state = store::KeptState::kHeld};
  const auto action = step.gap % 2 == 0 ? store::KeptAction::kRetry : store::KeptAction::kSkip;
  OrFail(store_->Request(filter, action).status(), "a request");
}

void FuzzMesh::HandleGoodRecords(int32_t partition) {
  std::string id;
  do {
    id = fmt::format("{}{}", kOwnKey, ++sent_);
  } while (bus::PartitionOf(id, kPartitions) != partition);
  CreateOrderRequest command;
  command.set_id(id);
  command.set_user_id(kOwnUser);
  AppendGood(kTopics[kCommandTopic], partition, id, "own-command-" + std::to_string(sent_), command);
  const std::string events(kTopics[kEventTopic]);
  const auto is_published = [&](const bus::RecordContent& record) { return record.key == id; };
  WaitFor([&] { return kafka_.WaitForRecord(events, partition, is_published, absl::Milliseconds(50)); },
          "a good command of another key was not handled");
  const int before = own_effects;
  OrderConfirmed event;
  event.set_order_id(id);
  event.set_user_id(kOwnUser);
  AppendGood(events, partition, id, "own-event-" + std::to_string(sent_), event);
  WaitFor([&] { return own_effects > before; }, "a good effect of another key was not run");
}

void FuzzMesh::AppendGood(std::string_view topic, int32_t partition, const std::string& key, const std::string& id,
                          const Message& message) {
  kafka_.Append({.topic = std::string(topic),
                 .partition = partition,
                 .key = key,
                 .value = message.SerializeAsString(),
                 .headers = {{std::string(bus::kSpecVersionHeader), std::string(bus::kSpecVersion)},
                             {std::string(bus::kIdHeader), id},
                             {std::string(bus::kTypeHeader), message.GetDescriptor()->full_name()},
                             {std::string(bus::kSourceHeader), "/tradewind/gateway/own"}}});
}

void FuzzMesh::WaitFor(absl::FunctionRef<bool()> condition, std::string_view what) const {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (!condition()) {
    for (const auto& group : running_) group->CheckThatItRuns();
    if (std::chrono::steady_clock::now() > deadline) Fail(std::string(what));
    std::this_thread::yield();
  }
}

}  // namespace tradewind::fuzz
