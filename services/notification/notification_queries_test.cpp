#include "services/notification/notification_queries.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "google/protobuf/util/time_util.h"

#include "services/notification/notification_subscriber.h"
#include "tradewind/app/fake_event_feed.h"
#include "tradewind/app/in_process_server.h"
#include "tradewind/notification/v1/events.pb.h"
#include "tradewind/testing/eventually.h"
#include "tradewind/testing/fake_reader.h"

namespace tradewind::notification {
namespace {

using ::testing::ElementsAre;

v1::Notification Make(const std::string& id, const std::string& user, int64_t created_us = 0) {
  v1::Notification notification;
  notification.set_id(id);
  notification.set_user_id(user);
  *notification.mutable_create_time() = google::protobuf::util::TimeUtil::MicrosecondsToTimestamp(created_us);
  return notification;
}

class NotificationQueriesTest : public ::testing::Test {
 protected:
  void Given(const std::string& id, const std::string& user, int64_t created_us) {
    const v1::Notification notification = Make(id, user, created_us);
    reader_.Put(notification.GetDescriptor()->full_name(), id, notification.SerializeAsString(),
                IndexNotification(notification));
  }

  void Publish(const std::string& id, const std::string& user) {
    v1::NotificationCreated event;
    event.set_user_id(user);
    *event.mutable_notification() = Make(id, user);
    feed_.Publish(event);
  }

  std::unique_ptr<grpc::ClientReader<v1::Notification>> Watch(const std::string& user, bool skip_existing = false) {
    v1::WatchNotificationsRequest request;
    request.set_user_id(user);
    request.set_skip_existing(skip_existing);
    auto reader = stub_->WatchNotifications(context_.get(), request);
    EXPECT_TRUE(testing::Eventually([&] { return feed_.watchers() == 1; }));
    return reader;
  }

  static std::vector<std::string> Read(grpc::ClientReader<v1::Notification>& reader, size_t count) {
    std::vector<std::string> ids;
    v1::Notification notification;
    while (ids.size() < count && reader.Read(&notification)) ids.push_back(notification.id());
    return ids;
  }

  std::vector<std::string> List(const std::string& user) {
    v1::ListNotificationsRequest request;
    request.set_user_id(user);
    v1::ListNotificationsResponse response;
    const grpc::Status status = stub_->ListNotifications(testing::MakeClientContext().get(), request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    std::vector<std::string> ids;
    for (const auto& notification : response.notifications()) ids.push_back(notification.id());
    return ids;
  }

  testing::FakeReader reader_;
  testing::FakeEventFeed feed_;
  NotificationQueries queries_{reader_, feed_};
  testing::InProcessServer server_{queries_};
  std::unique_ptr<v1::NotificationService::Stub> stub_ = v1::NotificationService::NewStub(server_.channel());
  std::unique_ptr<grpc::ClientContext> context_ = testing::MakeClientContext();
};

TEST_F(NotificationQueriesTest, ListsNewestFirstAndByUser) {
  Given("n-1", "ada", 10);
  Given("n-2", "bob", 20);
  Given("n-3", "ada", 30);
  EXPECT_THAT(List(""), ElementsAre("n-3", "n-2", "n-1"));
  EXPECT_THAT(List("ada"), ElementsAre("n-3", "n-1"));
}

TEST_F(NotificationQueriesTest, WatchesWhatIsThereOldestFirstThenWhatComes) {
  Given("n-1", "ada", 10);
  Given("n-2", "bob", 20);
  Given("n-3", "ada", 30);
  const auto reader = Watch("ada");
  EXPECT_THAT(Read(*reader, 2), ElementsAre("n-1", "n-3"));
  Publish("n-4", "bob");
  Publish("n-5", "ada");
  EXPECT_THAT(Read(*reader, 1), ElementsAre("n-5"));
}

TEST_F(NotificationQueriesTest, DoesNotShowAgainWhatTheStoreHad) {
  Given("n-1", "ada", 10);
  const auto reader = Watch("ada");
  // Its event was still on the way when the stream was opened.
  Publish("n-1", "ada");
  Publish("n-2", "ada");
  EXPECT_THAT(Read(*reader, 2), ElementsAre("n-1", "n-2"));
}

TEST_F(NotificationQueriesTest, SkipsWhatIsThereWhereAskedTo) {
  Given("n-1", "ada", 10);
  const auto reader = Watch("ada", /*skip_existing=*/true);
  Publish("n-2", "ada");
  EXPECT_THAT(Read(*reader, 1), ElementsAre("n-2"));
}

TEST_F(NotificationQueriesTest, ShowsTheNewestThousandOfALongPast) {
  for (int i = 0; i < 1100; ++i) Given("n-" + std::to_string(i), "ada", i);
  const auto reader = Watch("ada");
  const auto ids = Read(*reader, 1000);
  ASSERT_EQ(ids.size(), 1000);
  EXPECT_EQ(ids.front(), "n-100");
  EXPECT_EQ(ids.back(), "n-1099");
  Publish("n-1100", "ada");
  EXPECT_THAT(Read(*reader, 1), ElementsAre("n-1100"));
}

TEST_F(NotificationQueriesTest, EndsStreamsWhenTheServiceDrains) {
  const auto reader = Watch("ada");
  queries_.EndStreams();
  EXPECT_THAT(Read(*reader, 1), ElementsAre());
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
}

}  // namespace
}  // namespace tradewind::notification
