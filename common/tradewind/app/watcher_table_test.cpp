#include "tradewind/app/watcher_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tradewind/app/fake_event_feed.h"
#include "tradewind/order/v1/events.pb.h"
#include "tradewind/telemetry/metrics.h"

namespace tradewind {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class WatcherTableTest : public ::testing::Test {
 protected:
  std::unique_ptr<EventFeed::Subscription> Watch(const std::string& key, std::vector<std::string>& seen) {
    return table_.Watch(key, [&seen](const bus::Envelope& envelope, const bus::Record& record) {
      order::v1::OrderCancelled event;
      ASSERT_EQ(envelope.type, event.GetDescriptor()->full_name());
      ASSERT_TRUE(event.ParseFromArray(record.value().data(), static_cast<int>(record.value().size())));
      seen.push_back(event.reason());
    });
  }

  void Publish(const std::string& key, const std::string& reason, bus::Sequence sequence,
               const std::string& source = "order/0") {
    order::v1::OrderCancelled event;
    event.set_order_id(key);
    event.set_reason(reason);
    table_.Dispatch(testing::MakeEventRecord(event, source, sequence));
  }

  WatcherTable table_{"cluster-1/", /*accept_unmarked=*/true};
};

TEST_F(WatcherTableTest, ShowsAnEventToThoseWhoWatchItsKey) {
  std::vector<std::string> first, second, other;
  const auto watching_first = Watch("o-1", first);
  const auto watching_second = Watch("o-1", second);
  const auto watching_other = Watch("o-2", other);
  Publish("o-1", "a", {1, 1});
  Publish("o-1", "b", {1, 2});
  Publish("o-3", "c", {1, 3});
  EXPECT_THAT(first, ElementsAre("a", "b"));
  EXPECT_THAT(second, ElementsAre("a", "b"));
  EXPECT_THAT(other, IsEmpty());
}

TEST_F(WatcherTableTest, ShowsAnEventThatWasPublishedAgainOnce) {
  std::vector<std::string> seen;
  const auto watching = Watch("o-1", seen);
  Publish("o-1", "a", {1, 1});
  Publish("o-1", "b", {1, 2});
  Publish("o-1", "a", {1, 1});
  Publish("o-1", "b", {1, 2});
  // The source after a restart, and another source.
  Publish("o-1", "c", {2, 1});
  Publish("o-1", "d", {1, 1}, "order/7");
  EXPECT_THAT(seen, ElementsAre("a", "b", "c", "d"));
}

TEST_F(WatcherTableTest, ShowsNothingAfterTheSubscriptionEnded) {
  std::vector<std::string> ended, going_on;
  auto ending = Watch("o-1", ended);
  const auto watching = Watch("o-1", going_on);
  EXPECT_EQ(table_.size(), 2);
  Publish("o-1", "a", {1, 1});
  ending.reset();
  EXPECT_EQ(table_.size(), 1);
  Publish("o-1", "b", {1, 2});
  EXPECT_THAT(ended, ElementsAre("a"));
  EXPECT_THAT(going_on, ElementsAre("a", "b"));
}

TEST_F(WatcherTableTest, EndingASubscriptionWaitsForItsWatcher) {
  std::promise<void> entered;
  std::promise<void> leave;
  std::atomic<bool> left = false;
  auto subscription = table_.Watch("o-1", [&](const bus::Envelope&, const bus::Record&) {
    entered.set_value();
    leave.get_future().wait();
    left = true;
  });
  std::thread publisher([&] { Publish("o-1", "a", {1, 1}); });
  entered.get_future().wait();

  std::promise<bool> left_when_ended;
  std::thread ender([&] {
    subscription.reset();
    left_when_ended.set_value(left);
  });
  // The subscription leaves the table first, then waits.
  while (table_.size() > 0) std::this_thread::yield();
  leave.set_value();
  EXPECT_TRUE(left_when_ended.get_future().get());
  publisher.join();
  ender.join();
}

TEST_F(WatcherTableTest, OthersComeAndGoWhileAWatcherRuns) {
  std::vector<std::string> seen;
  std::unique_ptr<EventFeed::Subscription> late;
  std::unique_ptr<EventFeed::Subscription> early = Watch("o-2", seen);
  const auto subscription = table_.Watch("o-1", [&](const bus::Envelope&, const bus::Record&) {
    late = Watch("o-1", seen);
    early.reset();
  });
  Publish("o-1", "a", {1, 1});
  EXPECT_THAT(seen, IsEmpty());
  EXPECT_EQ(table_.size(), 2);
}

TEST_F(WatcherTableTest, SkipsARecordThatIsNoEvent) {
  std::vector<std::string> seen;
  const auto watching = Watch("o-1", seen);
  bus::RecordContent content;
  content.topic = "order.events.v1";
  content.key = "o-1";
  content.value = "no event";
  table_.Dispatch(bus::Record::FromContent(std::move(content)));
  Publish("o-1", "a", {1, 1});
  EXPECT_THAT(seen, ElementsAre("a"));
}

TEST(WatcherTableLifeTest, ASubscriptionMayOutliveTheTable) {
  auto table = std::make_unique<WatcherTable>("cluster-1/", true);
  auto subscription = table->Watch("o-1", [](const bus::Envelope&, const bus::Record&) {});
  table.reset();
  subscription.reset();
}

TEST_F(WatcherTableTest, PassesOverWhatIsNotAnEventOfThisMesh) {
  std::vector<std::string> seen;
  const auto watching = Watch("o-1", seen);
  order::v1::OrderCancelled event;
  event.set_order_id("o-1");
  event.set_reason("copied");
  bus::RecordContent content{.topic = "order.events.v1",
                             .key = "o-1",
                             .value = event.SerializeAsString(),
                             .headers = {{"ce_specversion", "1.0"},
                                         {"ce_id", "x"},
                                         {"ce_source", "/order/0"},
                                         {"ce_type", event.GetDescriptor()->full_name()},
                                         {"tradewind-mesh", "another/"}}};
  table_.Dispatch(bus::Record::FromContent(content));
  content.headers.pop_back();
  content.has_value = false;
  table_.Dispatch(bus::Record::FromContent(content));
  content.headers.clear();
  table_.Dispatch(bus::Record::FromContent(content));
  Publish("o-1", "ours", {1, 1});
  EXPECT_THAT(seen, ElementsAre("ours"));
}

double Skipped() { return telemetry::NewCounter("tradewind_records_skipped_total", "", {{"reader", "watch"}}).value(); }

TEST_F(WatcherTableTest, PassesOverWhatATaskWouldTakeForDead) {
  std::vector<std::string> seen;
  const auto watching = Watch("o-1", seen);
  const double before = Skipped();
  order::v1::OrderCancelled event;
  event.set_order_id("o-2");
  event.set_reason("of another order");
  bus::RecordContent content{.topic = "order.events.v1",
                             .key = "o-1",
                             .value = event.SerializeAsString(),
                             .headers = {{"ce_specversion", "1.0"},
                                         {"ce_id", "x"},
                                         {"ce_source", "/order/0"},
                                         {"ce_type", event.GetDescriptor()->full_name()}}};
  table_.Dispatch(bus::Record::FromContent(content));
  content.value = "no OrderCancelled";
  table_.Dispatch(bus::Record::FromContent(content));
  EXPECT_EQ(Skipped(), before + 2);
  Publish("o-1", "ours", {1, 1});
  EXPECT_THAT(seen, ElementsAre("ours"));
}

// Whose they were nobody can tell.
TEST_F(WatcherTableTest, CountsWhatCannotBeReadUnderAnyKey) {
  const double before = Skipped();
  table_.Dispatch(bus::Record::Unreadable("order.events.v1", 0, 7, "its batch is too large"));
  EXPECT_EQ(Skipped(), before + 1);
}

TEST_F(WatcherTableTest, PassesOverWhatNamesNoMeshUnlessThatIsAccepted) {
  WatcherTable strict("cluster-1/", /*accept_unmarked=*/false);
  int shown = 0;
  const auto watching = strict.Watch("o-1", [&](const bus::Envelope&, const bus::Record&) { ++shown; });
  order::v1::OrderCancelled event;
  event.set_order_id("o-1");
  const double before = Skipped();
  strict.Dispatch(testing::MakeEventRecord(event, "order/0", {9, 9}));
  EXPECT_EQ(shown, 0);
  EXPECT_EQ(Skipped(), before + 1);
}

}  // namespace
}  // namespace tradewind
