// What a consumer group does with what it reads: handlers by message type, and how its aggregates are indexed. Filled
// in at start-up by tradewind::App (or a test), then only read.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"

#include "tradewind/runtime/context.h"
#include "tradewind/runtime/effect_context.h"
#include "tradewind/runtime/outcome.h"
#include "tradewind/store/store.h"

namespace google::protobuf {
class Descriptor;
class FieldDescriptor;
class Message;
}  // namespace google::protobuf

namespace tradewind::runtime {

// A handler of messages, or an effect: one of `run` and `effect` is set.
struct Handler {
  // Given the message, already parsed.
  std::function<Outcome(const google::protobuf::Message&, Context&)> run;
  std::function<Outcome(const google::protobuf::Message&, EffectContext&)> effect;
  const google::protobuf::Message* prototype = nullptr;
  // The field that its options name as the key of its records; set by Group. Null for what comes from no topic.
  const google::protobuf::FieldDescriptor* key = nullptr;
  // Types of the aggregates under the message's own key that the handler needs, loaded together with those of the whole
  // batch.
  std::vector<const google::protobuf::Message*> own_states;
  // Its messages come from a topic of commands; set by Group.
  bool is_command = false;
  // How often a message may fail; 0 for WorkerConfig::max_attempts.
  int32_t max_attempts = 0;
  // A message that is dead does not hold back its key.
  bool pass_over_dead = false;
  // An event without a place in its source's chain is taken once for each ce_source and ce_id within
  // WorkerConfig::request_retention.
  bool inbox = false;
  // Where set: the message is first put under this key on the group's own topic, and handled from there.
  std::function<std::string(const google::protobuf::Message&)> rekey;
  // Of an effect: how many run at once in each task, and how long an attempt may take.
  int32_t concurrency = 16;
  absl::Duration timeout = absl::Seconds(30);
};

// Its places in the secondary indexes, from the state of an aggregate.
using Indexer = std::function<std::vector<store::IndexEntry>(const google::protobuf::Message& state)>;

class Group {
 public:
  explicit Group(std::string name) : name_(std::move(name)) {}

  // Topic and key of the message come from its options; status() tells where they are missing, or the type already has
  // a handler. The topic of the first handler added becomes the lead topic unless SetLeadTopic says otherwise: versions
  // of a service that run side by side must agree on it.
  void Add(const Handler& handler);
  // As Add, for a command: on its topic, a type without a handler is dead instead of skipped.
  void AddCommand(Handler handler);
  // Makes the handler for `type`, added before, take its messages under another key, in the order of that key. They
  // travel through the topic RekeyedTopic().
  void Rekey(std::string_view type, std::function<std::string(const google::protobuf::Message&)> key);
  // As Add, for an effect. A group has either effects or other handlers: their progress is kept differently.
  void AddEffect(const Handler& handler);
  // For what Context::SetTimer sends: any message type, from no topic.
  void AddTimer(const Handler& handler);
  void SetLeadTopic(std::string topic) { lead_topic_ = std::move(topic); }
  void AddIndex(std::string kind, Indexer indexer) { indexers_[std::move(kind)] = std::move(indexer); }
  // Of an event type that a handler may emit: its topic is made at start. A handler can emit only to topics named here.
  void AddOutput(const google::protobuf::Descriptor* event);

  // The first thing that was wrong with what was added.
  const absl::Status& status() const { return status_; }
  const std::string& name() const { return name_; }
  const std::string& lead_topic() const { return lead_topic_; }
  // Without prefix.
  const std::vector<std::string>& input_topics() const { return input_topics_; }
  // Without prefix.
  std::string RekeyedTopic() const { return name_ + ".rekeyed.v1"; }
  const std::vector<std::string>& output_topics() const { return output_topics_; }
  // Full names of the message types that it takes from topics, and of those that it may emit, in the order in which
  // they were added.
  const std::vector<std::string>& input_types() const { return input_types_; }
  const std::vector<std::string>& output_types() const { return output_types_; }
  const std::vector<std::string>& command_topics() const { return command_topics_; }
  bool runs_effects() const { return runs_effects_; }
  bool is_command_topic(std::string_view topic) const;
  // Null where the type has none.
  const Handler* Find(std::string_view type) const;
  // The one for `type` as it was added, to change its settings before the group is used; null where there is none.
  Handler* FindToChange(std::string_view type);
  const Indexer* FindIndexer(std::string_view kind) const;

 private:
  void AddHandler(const Handler& handler);
  // Empty where it could not be added.
  std::string AddInput(Handler handler);
  std::string TopicOf(const google::protobuf::Descriptor* type);

  std::string name_;
  absl::Status status_;
  std::string lead_topic_;
  std::vector<std::string> input_topics_;
  std::vector<std::string> output_topics_;
  std::vector<std::string> input_types_;
  std::vector<std::string> output_types_;
  std::vector<std::string> command_topics_;
  bool runs_effects_ = false;
  std::map<std::string, Handler, std::less<>> handlers_;
  std::map<std::string, Indexer, std::less<>> indexers_;
};

}  // namespace tradewind::runtime
