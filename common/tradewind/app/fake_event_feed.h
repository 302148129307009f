// An EventFeed without Kafka, for testing watch streams: events are published by the test, on the test's thread.
#pragma once

#include <memory>
#include <string>

#include "google/protobuf/message.h"

#include "tradewind/app/event_feed.h"
#include "tradewind/app/watcher_table.h"

namespace tradewind::testing {

// Watch is thread-safe; Publish is called by one thread at a time.
class FakeEventFeed final : public EventFeed {
 public:
  std::unique_ptr<Subscription> Watch(std::string key, Watcher watcher) override;

  // Shows the event to everyone who watches the key that its message options name. Each call is a new event of one
  // source.
  void Publish(const google::protobuf::Message& event);

  // How many watch.
  size_t watchers() const { return table_.size(); }

 private:
  WatcherTable table_{"", /*accept_unmarked=*/true};
  uint64_t published_ = 0;
};

// A record as the runtime puts it on the topic: CloudEvents headers around the serialized event.
bus::Record MakeEventRecord(const google::protobuf::Message& event, const std::string& source,
                            const bus::Sequence& sequence);

}  // namespace tradewind::testing
