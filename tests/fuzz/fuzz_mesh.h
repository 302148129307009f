// One service with real SQLite stores and topics in memory, for the fuzzer of the worker: a group of deciders,
// subscribers and timers, and one of effects, as a service has them.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <thread>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "google/protobuf/message.h"

#include "tests/fuzz/record_script.h"
#include "tradewind/runtime/group.h"
#include "tradewind/store/store.h"
#include "tradewind/testing/in_memory_kafka.h"

namespace tradewind::fuzz {

inline constexpr int32_t kPartitions = 2;
// A key of the harness's own; a script has none that begins with it.
inline constexpr std::string_view kOwnKey = "good-";

// Call before anything else. Keeps standard error for what is to be told although libFuzzer closes it to the code under
// test (-close_fd_mask=2), and lets only one thread at a time end the process: of two, libFuzzer would keep no input.
void PrepareProcess();

class RunningGroup;

// Not thread-safe. What goes wrong ends the process.
class FuzzMesh {
 public:
  FuzzMesh();
  ~FuzzMesh();

  // Opens the store, which must load, and starts both groups.
  void Start();
  // Stops both in order; ends the process where one of them had failed.
  void Stop();

  void Append(const Step& step);
  // Has what was set aside handled again or dropped, as a person does, where the step says so.
  void Operate(const Step& step);
  // Sends a command with a key that nothing else has, and waits until what came of it is published; and an event, and
  // waits until its effect has run.
  void HandleGoodRecords(int32_t partition);

 private:
  const runtime::Group deciders_;
  const runtime::Group effects_;
  testing::InMemoryKafka kafka_;
  std::filesystem::path folder_;
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<RunningGroup> running_[2];
  void AppendGood(std::string_view topic, int32_t partition, const std::string& key, const std::string& id,
                  const google::protobuf::Message& message);
  void WaitFor(absl::FunctionRef<bool()> condition, std::string_view what) const;

  int sent_ = 0;
};

}  // namespace tradewind::fuzz
