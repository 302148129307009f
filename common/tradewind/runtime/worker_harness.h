// For the tests of the worker: a mesh of one group, with its topics in memory and its store in a folder of its own, and
// workers that can be started, killed and left behind as zombies.
#pragma once

#include <atomic>
#include <filesystem>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/time/clock.h"
#include "google/protobuf/message.h"

#include "tradewind/bus/envelope.h"
#include "tradewind/mesh/v1/envelope.pb.h"
#include "tradewind/runtime/worker.h"
#include "tradewind/store/store.h"
#include "tradewind/testing/in_memory_kafka.h"

namespace tradewind::runtime {

inline constexpr char kCommands[] = "order.commands.v1";
inline constexpr char kEvents[] = "order.events.v1";
inline constexpr char kUserEvents[] = "user.events.v1";
inline constexpr char kReplies[] = "mesh.replies.v1";
inline constexpr char kDead[] = "mesh.dead.v1";
inline constexpr int32_t kPartitions = 4;
inline constexpr char kClusterId[] = "cluster-1";

// Retries and timers that a test need not wait for.
inline const WorkerConfig kQuick{.max_attempts = 3,
                                 .first_retry = absl::Milliseconds(1),
                                 .longest_retry = absl::Milliseconds(5),
                                 .effect_threads = 8,
                                 .timer_tick = absl::Milliseconds(1)};
// Never gives a message up.
inline WorkerConfig Patient() {
  WorkerConfig config = kQuick;
  config.max_attempts = 1'000'000;
  return config;
}

// What a command carries besides itself.
struct CommandHeaders {
  std::string request_id;
  uint64_t correlation_id = 0;
  std::string traceparent;
  // Of the record; 0 for now.
  int64_t timestamp_ms = 0;
};

class Mesh;

// Puts something between a worker and its session.
using SessionWrapper = std::function<std::unique_ptr<store::Session>(std::unique_ptr<store::Session>)>;

// A worker on a thread of its own, with its own session and sinks.
class RunningWorker {
 public:
  RunningWorker(Mesh& mesh, const Group& group, const std::vector<int32_t>& partitions, const WorkerConfig& config,
                const SessionWrapper& wrap_session);
  ~RunningWorker();

  // Stops in order; the result of Run.
  absl::Status Stop();
  // Waits for Run to return by itself, which it does only with an error; stops it after ten seconds.
  absl::Status WaitForError();
  bool ready() const { return worker_->ready(); }

  testing::InMemorySource& source() { return *source_; }
  testing::InMemorySink& events() { return *events_; }

 private:
  // Of Mesh::passed, when the steady clock was last looked at: the wall clock never shows more, which would be a step.
  std::atomic<int64_t> passed_ns_{0};
  std::unique_ptr<store::Session> session_;
  std::unique_ptr<testing::InMemorySink> events_;
  std::unique_ptr<testing::InMemorySink> replies_;
  testing::InMemorySource* source_ = nullptr;
  std::unique_ptr<Worker> worker_;
  std::future<absl::Status> result_;
};

class Mesh {
 public:
  // With a SQLite store.
  Mesh();
  explicit Mesh(std::unique_ptr<store::Store> store);
  ~Mesh();

  std::unique_ptr<RunningWorker> Start(const Group& group, const std::vector<int32_t>& partitions = {0, 1, 2, 3},
                                       const WorkerConfig& config = {}, const SessionWrapper& wrap_session = nullptr);

  // Closes the store and opens the one in the folder of that name, new where there is none. No worker may be running.
  void OpenStore(const std::string& name);
  void CopyStore(const std::string& from, const std::string& to);

  // Puts a message on the topic that its options name, as the gateway does.
  int64_t Send(const google::protobuf::Message& message, const std::string& key, const CommandHeaders& headers = {});
  // Puts an event of another service's task there.
  int64_t SendChained(const google::protobuf::Message& message, const std::string& key, const std::string& source,
                      bus::Sequence sequence, bus::Sequence previous);
  // All replies so far, after waiting for `count` of them.
  std::vector<mesh::v1::Reply> WaitForReplies(size_t count);

  // What the workers take for the wall clock. Any thread.
  absl::Time wall_now() const { return absl::Now() + absl::Nanoseconds(wall_lead_ns_.load()); }
  // Sets it ahead, or back where `by` is negative.
  void StepWallClock(absl::Duration by) { wall_lead_ns_ += absl::ToInt64Nanoseconds(by); }
  // Has the workers' clocks go on by so much at once, the steady one too: they take it for time that has passed.
  void PassTime(absl::Duration by) { passed_ns_ += absl::ToInt64Nanoseconds(by); }
  absl::Duration passed() const { return absl::Nanoseconds(passed_ns_.load()); }

  testing::InMemoryKafka& kafka() { return kafka_; }
  store::Store& store() { return *store_; }

 private:
  std::atomic<int64_t> wall_lead_ns_{0};
  std::atomic<int64_t> passed_ns_{0};
  testing::InMemoryKafka kafka_;
  std::filesystem::path folder_;
  std::unique_ptr<store::Store> store_;
};

// The task of the messages under `key` of a group with a task for each of kPartitions.
store::TaskId TaskOf(const Group& group, const std::string& key);

// Commits for the task as an owner does that takes it and leaves at once: `fill` puts in what is new. No worker may be
// running.
void CommitForTask(Mesh& mesh, const store::TaskId& task,
                   absl::FunctionRef<void(const store::TakenTask&, store::TaskCommit&)> fill);

// Header of a record, or "".
std::string HeaderOf(const bus::RecordContent& record, std::string_view name);

}  // namespace tradewind::runtime
