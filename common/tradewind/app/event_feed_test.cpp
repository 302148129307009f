// Against a real broker: what a feed promises about the end of a topic cannot be shown without one.
#include "tradewind/app/event_feed.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/time/clock.h"

#include "tradewind/app/fake_event_feed.h"
#include "tradewind/app/in_process_server.h"
#include "tradewind/bus/kafka_admin.h"
#include "tradewind/bus/kafka_sink.h"
#include "tradewind/order/v1/events.pb.h"
#include "tradewind/testing/eventually.h"

namespace tradewind {
namespace {

using ::testing::ElementsAre;

constexpr int32_t kPartitions = 3;

// What a watcher saw, from the feed's thread to the test's.
class Seen {
 public:
  void Add(std::string reason) {
    const std::lock_guard lock(mutex_);
    reasons_.push_back(std::move(reason));
  }
  std::vector<std::string> reasons() const {
    const std::lock_guard lock(mutex_);
    return reasons_;
  }
  bool Has(size_t count) const {
    return testing::Eventually([&] { return reasons().size() >= count; });
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> reasons_;
};

EventFeed::Watcher Into(Seen& seen) {
  return [&seen](const bus::Envelope& envelope, const bus::Record& record) {
    EXPECT_EQ(envelope.type, order::v1::OrderCancelled::descriptor()->full_name());
    order::v1::OrderCancelled event;
    EXPECT_TRUE(event.ParseFromArray(record.value().data(), static_cast<int>(record.value().size())));
    seen.Add(event.reason());
  };
}

class EventFeedTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* brokers = std::getenv("TRADEWIND_TEST_KAFKA");
    ASSERT_NE(brokers, nullptr) << "set TRADEWIND_TEST_KAFKA to host:port of a broker";
    config_.brokers = brokers;
    config_.partitions = kPartitions;
    topic_ = "feed-test-" + std::to_string(getpid()) + "-" + std::to_string(absl::ToUnixMicros(absl::Now()));
    auto admin = bus::KafkaAdmin::Create(config_, "event-feed-test");
    ASSERT_TRUE(admin.ok()) << admin.status();
    const auto counts = (*admin)->EnsureTopics(std::vector<std::string>{topic_});
    ASSERT_TRUE(counts.ok()) << counts.status();
    auto sink = bus::KafkaSink::Create(config_, {.client_id = "event-feed-test"});
    ASSERT_TRUE(sink.ok()) << sink.status();
    sink_ = *std::move(sink);
  }

  std::unique_ptr<EventFeed> StartFeed() {
    auto feed = StartEventFeed(config_, "event-feed-test", {.mesh = "", .accept_unmarked = true}, topic_, kPartitions);
    EXPECT_TRUE(feed.ok()) << feed.status();
    return feed.ok() ? *std::move(feed) : nullptr;
  }

  // Returns once the broker has it.
  void Publish(const std::string& key, const std::string& reason) {
    order::v1::OrderCancelled event;
    event.set_order_id(key);
    event.set_reason(reason);
    const bus::Record record = testing::MakeEventRecord(event, "order/0", {.epoch = 1, .number = ++published_});
    bus::OutgoingRecord outgoing;
    outgoing.topic = topic_;
    outgoing.partition = bus::PartitionOf(key, kPartitions);
    outgoing.key = record.key();
    outgoing.value = record.value();
    outgoing.headers = record.headers();
    ASSERT_TRUE(sink_->Produce(outgoing, published_).ok());
    absl::Status delivered = absl::UnknownError("not delivered");
    ASSERT_TRUE(testing::Eventually([&] {
      return sink_->Poll(absl::Milliseconds(100), [&](const bus::Delivery& delivery) { delivered = delivery.status; }) >
             0;
    }));
    ASSERT_TRUE(delivered.ok()) << delivered;
  }

  bus::KafkaConfig config_;
  std::string topic_;
  std::unique_ptr<bus::KafkaSink> sink_;
  uint64_t published_ = 0;
};

TEST_F(EventFeedTest, ShowsEachEventOfAKeyProducedAfterWatchReturned) {
  Publish("o-1", "before the feed");
  const auto feed = StartFeed();
  ASSERT_NE(feed, nullptr);
  Publish("o-0", "before the watcher");

  Seen seen;
  Seen other;
  const auto watching = feed->Watch("o-1", Into(seen));
  const auto watching_other = feed->Watch("o-2", Into(other));
  Publish("o-1", "a");
  Publish("o-2", "b");
  Publish("o-3", "c");
  Publish("o-1", "d");
  ASSERT_TRUE(seen.Has(2));
  ASSERT_TRUE(other.Has(1));
  EXPECT_THAT(seen.reasons(), ElementsAre("a", "d"));
  EXPECT_THAT(other.reasons(), ElementsAre("b"));
}

TEST_F(EventFeedTest, FollowsEveryPartition) {
  const auto feed = StartFeed();
  ASSERT_NE(feed, nullptr);
  Seen seen;
  std::vector<std::unique_ptr<EventFeed::Subscription>> watching;
  for (int key = 0; key < 20; ++key) watching.push_back(feed->Watch("o-" + std::to_string(key), Into(seen)));
  for (int key = 0; key < 20; ++key) Publish("o-" + std::to_string(key), "a");
  EXPECT_TRUE(seen.Has(20));
}

TEST_F(EventFeedTest, ShowsNothingOnceASubscriptionHasEnded) {
  const auto feed = StartFeed();
  ASSERT_NE(feed, nullptr);
  Seen ended;
  Seen going_on;
  auto ending = feed->Watch("o-1", Into(ended));
  const auto watching = feed->Watch("o-1", Into(going_on));
  Publish("o-1", "a");
  ASSERT_TRUE(ended.Has(1));
  ending.reset();
  Publish("o-1", "b");
  ASSERT_TRUE(going_on.Has(2));
  EXPECT_THAT(ended.reasons(), ElementsAre("a"));
}

TEST_F(EventFeedTest, SaysThatTheBrokerCannotBeReached) {
  bus::KafkaConfig nowhere = config_;
  nowhere.brokers = "127.0.0.1:1";
  nowhere.request_timeout = absl::Milliseconds(300);
  EXPECT_FALSE(
      StartEventFeed(nowhere, "event-feed-test", {.mesh = "", .accept_unmarked = true}, topic_, kPartitions).ok());
}

}  // namespace
}  // namespace tradewind
