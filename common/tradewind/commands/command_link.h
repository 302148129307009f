// The way to the log and back: one producer, one partition of mesh.replies.v1, a table of who waits, and their
// deadlines. The gateway sends every command of its callers through one, a service with direct methods those of its own
// (command_client.h).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"

#include "tradewind/bus/kafka_config.h"
#include "tradewind/commands/command_publisher.h"
#include "tradewind/commands/deadline_wheel.h"
#include "tradewind/commands/outcome_listener.h"
#include "tradewind/commands/pending_table.h"
#include "tradewind/commands/reply_reader.h"
#include "tradewind/telemetry/metrics.h"

namespace tradewind::commands {

struct LinkConfig {
  // Kafka's client.id.
  std::string client_id;
  // ce_source is this, a slash and the instance.
  std::string source;
  // How long a command may wait for Kafka's acknowledgement.
  absl::Duration delivery_timeout = absl::Seconds(1);
  absl::Duration linger = absl::ZeroDuration();
  // Commands in the producer's queue, in flight included.
  int32_t queue_limit = 100'000;
  // Calls that wait for their outcome, and half of them for one topic's.
  int32_t max_pending = 50'000;
  // No call waits longer.
  absl::Duration longest_wait = absl::Seconds(60);
};

// One command as it goes on the log. Views, used during Send alone.
struct Command {
  // Without prefix; one of those that Open was given.
  std::string_view topic;
  std::string_view key;
  std::string_view value;
  // Full name of the message in `value`.
  std::string_view type;
  // Who calls; empty where that is not known.
  std::string_view caller;
  // Scope of the request_id: "/tradewind.order.v1.OrderService/CreateOrder".
  std::string_view method;
  std::string_view request_id;
  std::string_view traceparent;
  absl::Time now;
};

// Thread-safe once it is open.
class CommandLink {
 public:
  // `pending` shows how many calls wait. `listener` may be null, and outlives the link.
  CommandLink(LinkConfig config, bus::KafkaConfig kafka, telemetry::Gauge pending, OutcomeListener* listener = nullptr);
  ~CommandLink();

  // One attempt: makes the topics (named without prefix), reads replies, and has a first record acknowledged, so that
  // no caller's second is spent on waking up a producer. Unavailable when Kafka is away; it may then be called again.
  // Any other error means that what Kafka has there cannot be used. Blocks for some requests to Kafka. `pinned`, by
  // full topic name, says over how many partitions the keys of a topic are spread, and the settings do for all others.
  absl::Status Open(const std::vector<std::string>& command_topics, const std::map<std::string, int32_t>& pinned = {});

  // For tests: the same over a sink of the test's own, with topics and their partition counts as they are given. No
  // replies are read.
  void OpenOver(std::unique_ptr<bus::EventSink> sink, const std::map<std::string, int32_t>& partition_counts);

  // For a call that is about to be sent: known before, so that it can be taken back by a cancellation.
  uint64_t NextId() { return pending_.NextId(); }

  // Hands the command over; does not block. When this returns OK the call is the table's and may have ended already; it
  // ends `wait` from now at the latest. Otherwise it is the caller's again, as CommandPublisher::Publish says.
  absl::Status Send(const Command& command, uint64_t id, PendingCall& call, Await await, absl::Duration wait);

  // Out of the table, to be ended by whoever gets it. Null when somebody else has it.
  PendingCall* Take(uint64_t id) { return pending_.Take(id); }

  // Calls that wait.
  size_t pending() const { return pending_.size(); }

  // Reports what is still to be reported, then ends. No call may be sent any more.
  void Close();

  const std::string& instance_id() const { return instance_id_; }
  int32_t reply_partition() const { return reply_partition_; }

 private:
  struct Target {
    // Full name.
    std::string topic;
    // Those over which keys are spread.
    int32_t partitions = 0;
    // Never null.
    std::unique_ptr<PendingShare> share = std::make_unique<PendingShare>();
  };
  absl::Status MakeTopics(const std::vector<std::string>& command_topics, const std::map<std::string, int32_t>& pinned);

  const LinkConfig config_;
  const bus::KafkaConfig kafka_;
  const std::string instance_id_;
  // ce_source.
  const std::string source_;
  // What every command names as its mesh. Written by Open, then only read.
  std::string mesh_;
  // By name without prefix.
  std::map<std::string, Target, std::less<>> targets_;
  int32_t reply_partition_ = 0;
  // From here on in the order in which they need one another: destroyed the other way round.
  PendingTable pending_;
  DeadlineThread deadlines_;
  std::unique_ptr<CommandPublisher> publisher_;
  std::unique_ptr<ReplyReader> replies_;
};

}  // namespace tradewind::commands
