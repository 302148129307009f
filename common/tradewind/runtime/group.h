// What a consumer group does with what it reads: handlers by message type, and how its aggregates are indexed. Filled
// in at start-up by tradewind::App (or a test), then only read.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

#include "tradewind/runtime/context.h"
#include "tradewind/runtime/outcome.h"
#include "tradewind/store/store.h"

namespace google::protobuf {
class Descriptor;
class Message;
}  // namespace google::protobuf

namespace tradewind::runtime {

struct Handler {
  // Given the message, already parsed.
  std::function<Outcome(const google::protobuf::Message&, Context&)> run;
  const google::protobuf::Message* prototype = nullptr;
  // Type of the aggregate under the message's own key, loaded together with those of the whole batch; null where the
  // handler does not need one.
  const google::protobuf::Message* own_state = nullptr;
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
  void AddCommand(const Handler& handler);
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
  const std::vector<std::string>& output_topics() const { return output_topics_; }
  bool is_command_topic(std::string_view topic) const;
  // Null where the type has none.
  const Handler* Find(std::string_view type) const;
  const Indexer* FindIndexer(std::string_view kind) const;

 private:
  // Empty where it could not be added.
  std::string AddInput(const Handler& handler);
  std::string TopicOf(const google::protobuf::Descriptor* type);

  std::string name_;
  absl::Status status_;
  std::string lead_topic_;
  std::vector<std::string> input_topics_;
  std::vector<std::string> output_topics_;
  std::vector<std::string> command_topics_;
  std::map<std::string, Handler, std::less<>> handlers_;
  std::map<std::string, Indexer, std::less<>> indexers_;
};

}  // namespace tradewind::runtime
