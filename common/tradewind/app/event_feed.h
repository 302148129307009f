// Follows one topic from its end and hands each event to whoever watches its key: what watch streams are made of. No
// consumer group, no offsets: every instance of a service sees every event.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

#include "tradewind/bus/envelope.h"
#include "tradewind/bus/kafka_config.h"
#include "tradewind/bus/record.h"

namespace tradewind {

// Thread-safe.
class EventFeed {
 public:
  // Called on the feed's thread, in the order of the partition; must not block.
  using Watcher = std::function<void(const bus::Envelope& envelope, const bus::Record& record)>;

  // Stops watching when destroyed; once the destructor has returned, the watcher is not running and is not called
  // again. Not to be destroyed from within the watcher itself.
  class Subscription {
   public:
    virtual ~Subscription() = default;
  };

  virtual ~EventFeed() = default;

  // Events with this key that are produced after Watch has returned. One that a publisher put on the topic again is
  // handed over once.
  virtual std::unique_ptr<Subscription> Watch(std::string key, Watcher watcher) = 0;
};

// Whose events a feed shows.
struct FeedSource {
  // As bus::MeshName puts it.
  std::string mesh;
  // Events that name no mesh are shown, too: a mesh of an earlier version wrote them.
  bool accept_unmarked = false;
};

// Starts following all partitions of `topic` (full name); returns once their ends are known.
absl::StatusOr<std::unique_ptr<EventFeed>> StartEventFeed(const bus::KafkaConfig& config, std::string client_id,
                                                          FeedSource source, std::string topic, int32_t partitions);

}  // namespace tradewind
