// How a service answers a direct method that has to change something: it sends itself a command, which takes its place
// in the log and is decided, committed and answered like any other, and gives the outcome to its caller.
#pragma once

#include <atomic>
#include <functional>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "google/protobuf/message.h"
#include "google/rpc/status.pb.h"

#include "tradewind/commands/command_link.h"

namespace tradewind {

// What became of a command.
struct CommandOutcome {
  bool ok() const { return error.code() == 0; }
  // Of an error: as the decider, or the way there, put it.
  google::rpc::Status error;
  // Otherwise: type name and bytes of the resource it was answered with.
  std::string type;
  std::string resource;
};

// Thread-safe.
class CommandClient {
 public:
  struct Options {
    std::string caller;
    // Scope of the request_id: the full method that is answered.
    std::string method;
    // Makes a repeated call safe; may be empty.
    std::string request_id;
    std::string traceparent;
    absl::Duration wait = absl::Seconds(10);
  };
  using Done = absl::AnyInvocable<void(CommandOutcome)>;

  // `link` is open, knows the topic of every command that is sent, and outlives the client.
  explicit CommandClient(commands::CommandLink& link) : link_(link) {}

  // `done` is called once, by a thread of the link or by this one, and should not block. Topic and key of `command`
  // come from its options; one without them is a mistake in the program and throws.
  void Call(const google::protobuf::Message& command, Options options, Done done);

  // From now on calls end at once with UNAVAILABLE. Blocks until those under way have ended, or for `at_most`.
  void Drain(absl::Duration at_most);

 private:
  commands::CommandLink& link_;
  std::atomic<bool> draining_ = false;
};

}  // namespace tradewind
