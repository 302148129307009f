#include "services/notification/notification_queries.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "google/protobuf/util/time_util.h"

#include "services/notification/notification_subscriber.h"
#include "services/notification/seal_for_test.h"
#include "tradewind/app/fake_event_feed.h"
#include "tradewind/app/hanging_store.h"
#include "tradewind/app/in_process_server.h"
#include "tradewind/notification/v1/events.pb.h"
#include "tradewind/testing/eventually.h"
#include "tradewind/testing/fake_reader.h"

namespace tradewind::notification {
namespace {

using ::testing::ElementsAre;

std::shared_ptr<seal::Keys> StartedKeys() {
  auto keys = std::make_shared<seal::Keys>();
  keys->StartInMemory();
  return keys;
}

v1::Notification Make(const std::string& id, const std::string& user, int64_t created_us = 0) {
  v1::Notification notification;
  notification.set_id(id);
  notification.set_user_id(user);
  *notification.mutable_create_time() = google::protobuf::util::TimeUtil::MicrosecondsToTimestamp(created_us);
  return notification;
}

class NotificationQueriesTest : public ::testing::Test {
 protected:
  void Given(const std::string& id, const std::string& user, int64_t created_us, const std::string& subject = "") {
    v1::Notification notification = Make(id, user, created_us);
    notification.set_subject(subject);
    reader_.Put(notification.GetDescriptor()->full_name(), id, notification.SerializeAsString(),
                IndexNotification(notification));
  }

  void Publish(const std::string& id, const std::string& user, const std::string& subject = "") {
    v1::NotificationCreated event;
    event.set_user_id(user);
    *event.mutable_notification() = Make(id, user);
    event.mutable_notification()->set_subject(subject);
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

  static std::vector<std::string> ReadSubjects(grpc::ClientReader<v1::Notification>& reader, size_t count) {
    std::vector<std::string> subjects;
    v1::Notification notification;
    while (subjects.size() < count && reader.Read(&notification)) subjects.push_back(notification.subject());
    return subjects;
  }

  grpc::Status List(const std::string& user, v1::ListNotificationsResponse& response) {
    v1::ListNotificationsRequest request;
    request.set_user_id(user);
    return stub_->ListNotifications(testing::MakeClientContext().get(), request, &response);
  }
  std::vector<std::string> List(const std::string& user) {
    v1::ListNotificationsResponse response;
    const grpc::Status status = List(user, response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    std::vector<std::string> ids;
    for (const auto& notification : response.notifications()) ids.push_back(notification.id());
    return ids;
  }

  testing::FakeReader reader_;
  testing::FakeEventFeed feed_;
  const std::shared_ptr<seal::Keys> keys_ = StartedKeys();
  rpc::WorkPool pool_{{.name = "test", .threads = 2, .max_waiting = 4}};
  NotificationQueries queries_{reader_, feed_, pool_, keys_};
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

TEST_F(NotificationQueriesTest, GoesWithoutANotificationThatDoesNotParse) {
  Given("n-1", "ada", 10);
  const v1::Notification damaged = Make("n-2", "ada", 20);
  reader_.Put(damaged.GetDescriptor()->full_name(), "n-2", "\xff", IndexNotification(damaged));
  Given("n-3", "ada", 30);
  EXPECT_THAT(List("ada"), ElementsAre("n-3", "n-1"));
  const auto reader = Watch("ada");
  EXPECT_THAT(Read(*reader, 2), ElementsAre("n-1", "n-3"));
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

TEST_F(NotificationQueriesTest, OpensWhatIsSealedInListsAndStreams) {
  const std::string sealed = "Welcome, " + Sealed(*keys_, "ada", "Ada") + "!";
  Given("n-1", "ada", 10, sealed);
  v1::ListNotificationsResponse response;
  ASSERT_TRUE(List("ada", response).ok());
  EXPECT_EQ(response.notifications(0).subject(), "Welcome, Ada!");
  const auto reader = Watch("ada");
  Publish("n-2", "ada", sealed);
  EXPECT_THAT(ReadSubjects(*reader, 2), ElementsAre("Welcome, Ada!", "Welcome, Ada!"));

  ASSERT_TRUE(keys_->Erase("ada", absl::InfiniteFuture()).ok());
  Publish("n-3", "ada", sealed);
  EXPECT_THAT(ReadSubjects(*reader, 1), ElementsAre("Welcome, [erased]!"));
  ASSERT_TRUE(List("ada", response).ok());
  EXPECT_EQ(response.notifications(0).subject(), "Welcome, [erased]!");
}

TEST_F(NotificationQueriesTest, SaysSoWhereWhatIsSealedIsDamaged) {
  std::string damaged = Sealed(*keys_, "ada", "Ada");
  char& flipped = damaged[damaged.size() - 10];
  flipped = flipped == 'A' ? 'B' : 'A';
  Given("n-1", "ada", 10, damaged);
  v1::ListNotificationsResponse response;
  EXPECT_EQ(List("ada", response).error_code(), grpc::StatusCode::INTERNAL);
  v1::WatchNotificationsRequest request;
  request.set_user_id("ada");
  const auto reader = stub_->WatchNotifications(context_.get(), request);
  EXPECT_THAT(Read(*reader, 1), ElementsAre());
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::INTERNAL);
}

TEST_F(NotificationQueriesTest, EndsAStreamRatherThanLeaveOutWhatItCannotOpenYet) {
  const auto reader = Watch("ada");
  Publish("n-1", "ada");
  Publish("n-2", "ada", Sealed(*StartedKeys(), "ada", "Ada"));
  Publish("n-3", "ada");
  EXPECT_THAT(Read(*reader, 3), ElementsAre("n-1"));
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(NotificationQueriesTest, EndsStreamsWhenTheServiceDrains) {
  const auto reader = Watch("ada");
  queries_.EndStreams();
  EXPECT_THAT(Read(*reader, 1), ElementsAre());
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(NotificationQueriesTest, AnswersHealthWhileTheStoreHangs) {
  rpc::WorkPool pool({.name = "test", .threads = 4, .max_waiting = 100});
  NotificationQueries queries(reader_, feed_, pool, keys_);
  const std::string service = "/tradewind.notification.v1.NotificationService/";
  EXPECT_TRUE(testing::AnswersHealthWhileItsStoreHangs(queries, reader_, pool, 4,
                                                       {{service + "ListNotifications"},
                                                        {service + "WatchNotifications"},
                                                        {service + "GetPreferences"},
                                                        {service + "ListWebhookEndpoints"}}));
}

}  // namespace
}  // namespace tradewind::notification
