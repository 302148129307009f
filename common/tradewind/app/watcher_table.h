// Who watches which key of a topic: the part of an EventFeed that knows nothing of Kafka. Filled by any thread, asked
// by the one that reads the topic.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "tradewind/app/event_feed.h"
#include "tradewind/bus/record.h"
#include "tradewind/bus/skipped_records.h"

namespace tradewind {

// Thread-safe; Dispatch is called by one thread at a time. Subscriptions may outlive the table.
class WatcherTable {
 public:
  // `mesh`: the one whose events are shown, as bus::MeshName puts it. `accept_unmarked`: those that name no mesh are,
  // too.
  WatcherTable(std::string mesh, bool accept_unmarked);
  ~WatcherTable();
  WatcherTable(const WatcherTable&) = delete;
  WatcherTable& operator=(const WatcherTable&) = delete;

  // As EventFeed::Watch.
  std::unique_ptr<EventFeed::Subscription> Watch(std::string key, EventFeed::Watcher watcher);

  // Hands the record to everyone who watches its key. An event that was put on the topic again (a publisher repeats
  // what it cannot know to have arrived) is handed to each watcher once. What a task would take for dead is counted and
  // skipped: a record that is not an event, one of another mesh, one whose value is not of its type or is of another
  // key.
  void Dispatch(const bus::Record& record);

  // Watchers there are.
  size_t size() const;

 private:
  class Entry;
  class Keys;
  class Registration;
  std::shared_ptr<Keys> keys_;
  const std::string mesh_;
  const bool accept_unmarked_;
  bus::SkippedRecords skipped_{"watch"};
};

}  // namespace tradewind
