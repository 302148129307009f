#include "tradewind/app/event_feed.h"

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <stop_token>
#include <thread>
#include <utility>
#include <vector>

#include "tradewind/app/logger.h"
#include "tradewind/app/watcher_table.h"
#include "tradewind/bus/partition_reader.h"

namespace tradewind {
namespace {

// How long the feed's thread sits in one poll: bounds the time that ending it takes.
constexpr absl::Duration kPollTimeout = absl::Milliseconds(100);
// Between attempts to read on after an error.
constexpr std::chrono::milliseconds kRetryDelay{1000};

class KafkaEventFeed final : public EventFeed {
 public:
  KafkaEventFeed(bus::KafkaConfig config, std::string client_id, FeedSource source, std::string topic,
                 std::unique_ptr<bus::PartitionReader> reader)
      : table_(std::move(source.mesh), source.accept_unmarked),
        config_(std::move(config)),
        client_id_(std::move(client_id)),
        topic_(std::move(topic)),
        reader_(std::move(reader)),
        thread_([this](const std::stop_token& stop) { Follow(stop); }) {}

  std::unique_ptr<Subscription> Watch(std::string key, Watcher watcher) override {
    return table_.Watch(std::move(key), std::move(watcher));
  }

 private:
  void Follow(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      auto record = reader_->Poll(kPollTimeout);
      if (!record.ok()) {
        Reopen(record.status(), stop);
        continue;
      }
      if (!record->has_value()) continue;
      table_.Dispatch(**record);
    }
  }

  // Only what cannot pass by itself gets here: a client that failed for good, a permission taken away. Reads on where
  // the reader was in each partition.
  void Reopen(const absl::Status& error, const std::stop_token& stop) {
    kLog.Error("watch streams cannot read their topic; trying again", {{"topic", topic_}, {"reason", error}});
    const std::vector<bus::Position> positions = reader_->Next();
    while (!stop.stop_requested()) {
      auto reader = bus::PartitionReader::Create(config_, client_id_, positions);
      if (reader.ok()) {
        reader_ = std::move(*reader);
        return;
      }
      std::mutex mutex;
      std::unique_lock lock(mutex);
      std::condition_variable_any().wait_for(lock, stop, kRetryDelay, [] { return false; });
    }
  }

  WatcherTable table_;
  const bus::KafkaConfig config_;
  const std::string client_id_;
  const std::string topic_;
  // The feed's thread only.
  std::unique_ptr<bus::PartitionReader> reader_;
  // Last: ends before what it uses.
  std::jthread thread_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<EventFeed>> StartEventFeed(const bus::KafkaConfig& config, std::string client_id,
                                                          FeedSource source, std::string topic, int32_t partitions) {
  std::vector<bus::Position> positions;
  positions.reserve(static_cast<size_t>(partitions));
  for (int32_t partition = 0; partition < partitions; ++partition) {
    positions.push_back({.topic = topic, .partition = partition, .offset = bus::kFromEnd});
  }
  auto reader = bus::PartitionReader::Create(config, client_id, positions);
  // The topic is there, since its partitions were counted: a broker that does not know it has yet to hear of it.
  if (absl::IsNotFound(reader.status())) return absl::UnavailableError(reader.status().message());
  if (!reader.ok()) return reader.status();
  return std::make_unique<KafkaEventFeed>(config, std::move(client_id), std::move(source), std::move(topic),
                                          std::move(*reader));
}

}  // namespace tradewind
