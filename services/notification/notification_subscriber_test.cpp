#include "services/notification/notification_subscriber.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "google/protobuf/util/message_differencer.h"
#include "google/protobuf/util/time_util.h"

#include "services/notification/seal_for_test.h"
#include "tradewind/testing/fake_context.h"

namespace tradewind::notification {
namespace {

using google::protobuf::util::MessageDifferencer;
using google::protobuf::util::TimeUtil;
using ::testing::ElementsAre;
using ::testing::MatchesRegex;
using v1::Notification;
using v1::NotificationCreated;
using Kind = Outcome::Kind;

const NotificationSubscriber kTell(std::make_shared<NotificationSettings>());

order::v1::OrderConfirmed Confirmed() {
  order::v1::OrderConfirmed event;
  event.set_order_id("o-1");
  event.set_user_id("u-1");
  event.mutable_total()->set_currency_code("EUR");
  event.mutable_total()->set_units(20);
  *event.mutable_confirm_time() = TimeUtil::MicrosecondsToTimestamp(5'000'000);
  return event;
}

// That the last run told u-1 one thing, of the sixth second.
void ExpectTold(const testing::FakeContext& context, v1::NotificationKind kind, const std::string& subject) {
  const auto events = context.Events<NotificationCreated>();
  ASSERT_EQ(events.size(), 1);
  EXPECT_EQ(events[0].user_id(), "u-1");
  const Notification& notification = events[0].notification();
  EXPECT_EQ(notification.user_id(), "u-1");
  EXPECT_EQ(notification.kind(), kind);
  EXPECT_EQ(notification.subject(), subject);
  EXPECT_FALSE(notification.body().empty());
  EXPECT_EQ(TimeUtil::TimestampToMicroseconds(notification.create_time()), 6'000'000);
  const auto* kept = context.Find<Notification>(notification.id());
  ASSERT_NE(kept, nullptr);
  EXPECT_TRUE(MessageDifferencer::Equals(*kept, notification));
}

TEST(NotificationSubscriberTest, TellsTheBuyerOfAConfirmedOrder) {
  testing::FakeContext context;
  context.set_event_id("order/3/17");
  ASSERT_EQ(context.Handle(Confirmed(), kTell).kind(), Kind::kAck);

  const std::string id = NotificationId("order/3/17", "u-1", v1::NOTIFICATION_CHANNEL_IN_APP);
  const auto* notification = context.Find<Notification>(id);
  ASSERT_NE(notification, nullptr);
  EXPECT_EQ(notification->id(), id);
  EXPECT_EQ(notification->user_id(), "u-1");
  EXPECT_EQ(notification->channel(), v1::NOTIFICATION_CHANNEL_IN_APP);
  EXPECT_EQ(notification->kind(), v1::NOTIFICATION_KIND_ORDER_CONFIRMED);
  EXPECT_EQ(notification->event_id(), "order/3/17");
  EXPECT_FALSE(notification->subject().empty());
  EXPECT_FALSE(notification->body().empty());
  EXPECT_FALSE(notification->read());
  EXPECT_EQ(TimeUtil::TimestampToMicroseconds(notification->create_time()), 5'000'000);

  const auto events = context.Events<NotificationCreated>();
  ASSERT_EQ(events.size(), 1);
  EXPECT_EQ(events[0].user_id(), "u-1");
  EXPECT_TRUE(MessageDifferencer::Equals(events[0].notification(), *notification));
}

TEST(NotificationSubscriberTest, TellsOnceHoweverOftenAnEventIsHandled) {
  testing::FakeContext context;
  ASSERT_EQ(context.Handle(Confirmed(), kTell).kind(), Kind::kAck);
  ASSERT_EQ(context.Handle(Confirmed(), kTell).kind(), Kind::kAck);
  EXPECT_TRUE(context.events().empty());
  EXPECT_EQ(context.Count<Notification>(), 1);
}

TEST(NotificationSubscriberTest, TellsAgainOfAnotherEvent) {
  testing::FakeContext context;
  ASSERT_EQ(context.Handle(Confirmed(), kTell).kind(), Kind::kAck);
  context.set_event_id("event-2");
  ASSERT_EQ(context.Handle(Confirmed(), kTell).kind(), Kind::kAck);
  EXPECT_EQ(context.events().size(), 1);
  EXPECT_EQ(context.Count<Notification>(), 2);
}

TEST(NotificationSubscriberTest, WelcomesANewUser) {
  testing::FakeContext context;
  user::v1::UserRegistered event;
  event.set_user_id("u-1");
  event.set_display_name("Ada");
  ASSERT_EQ(context.Handle(event, kTell).kind(), Kind::kAck);

  const auto events = context.Events<NotificationCreated>();
  ASSERT_EQ(events.size(), 1);
  EXPECT_EQ(events[0].notification().kind(), v1::NOTIFICATION_KIND_WELCOME);
  EXPECT_EQ(events[0].notification().subject(), "Welcome, Ada");
  // The event does not say when: then it is now.
  EXPECT_EQ(TimeUtil::TimestampToMicroseconds(events[0].notification().create_time()),
            absl::ToUnixMicros(context.now()));
}

TEST(NotificationSubscriberTest, LeavesWhatIsSealedSealed) {
  seal::Keys keys;
  keys.StartInMemory();
  testing::FakeContext context;
  user::v1::UserRegistered event;
  event.set_user_id("u-1");
  event.set_display_name(Sealed(keys, "u-1", "Ada"));
  event.set_email(Sealed(keys, "u-1", "ada@example.org"));
  ASSERT_EQ(context.Handle(event, kTell).kind(), Kind::kAck);
  const auto events = context.Events<NotificationCreated>();
  ASSERT_EQ(events.size(), 1);
  const Notification& told = events[0].notification();
  EXPECT_EQ(told.subject(), "Welcome, " + event.display_name());
  EXPECT_EQ(*keys.Open(told.subject()), "Welcome, Ada");
  EXPECT_EQ(*keys.Open(told.body()), "Your account for ada@example.org is ready.");
}

TEST(NotificationSubscriberTest, ForgetsAUserWhoWasDeletedAndTellsNothingAnyMore) {
  testing::FakeContext context;
  internal::v1::Recipient recipient;
  recipient.set_registered(true);
  recipient.set_email("sealed");
  recipient.set_display_name("sealed");
  recipient.set_locale("zh");
  recipient.set_webhook_off(true);
  recipient.add_endpoint_ids("w-1");
  recipient.add_endpoint_ids("w-2");
  recipient.add_waiting()->set_event_id("e-1");
  context.Put("u-1", recipient);
  for (const char* id : {"w-1", "w-2", "w-3"}) {
    internal::v1::WebhookEndpointRecord record;
    record.mutable_endpoint()->set_id(id);
    context.Put(id, record);
  }
  ASSERT_EQ(context.Handle(Confirmed(), kTell).kind(), Kind::kAck);

  user::v1::UserDeleted deleted;
  deleted.set_user_id("u-1");
  for (int i = 0; i < 2; ++i) {
    ASSERT_EQ(context.Handle(deleted, kTell).kind(), Kind::kAck);
    EXPECT_TRUE(context.events().empty());
    internal::v1::Recipient erased;
    erased.set_erased(true);
    EXPECT_TRUE(MessageDifferencer::Equals(*context.Find<internal::v1::Recipient>("u-1"), erased));
    EXPECT_EQ(context.Count<internal::v1::WebhookEndpointRecord>(), 1);
    EXPECT_NE(context.Find<internal::v1::WebhookEndpointRecord>("w-3"), nullptr);
    EXPECT_EQ(context.Count<Notification>(), 1);

    // What was on its way comes to nothing, and brings nobody back.
    context.set_event_id("late");
    user::v1::UserRegistered registered;
    registered.set_user_id("u-1");
    user::v1::UserUpdated updated;
    updated.set_user_id("u-1");
    ASSERT_EQ(context.Handle(Confirmed(), kTell).kind(), Kind::kAck);
    ASSERT_EQ(context.Handle(registered, kTell).kind(), Kind::kAck);
    ASSERT_EQ(context.Handle(updated, kTell).kind(), Kind::kAck);
  }
}

TEST(NotificationSubscriberTest, TellsOfACancellation) {
  testing::FakeContext context;
  order::v1::OrderCancelled event;
  event.set_order_id("o-1");
  event.set_user_id("u-1");
  ASSERT_EQ(context.Handle(event, kTell).kind(), Kind::kAck);
  ASSERT_EQ(context.Events<NotificationCreated>().size(), 1);
  EXPECT_EQ(context.Events<NotificationCreated>()[0].notification().kind(), v1::NOTIFICATION_KIND_ORDER_CANCELLED);
}

TEST(NotificationSubscriberTest, TellsOfARejection) {
  testing::FakeContext context;
  order::v1::OrderRejected event;
  event.set_order_id("o-1");
  event.set_user_id("u-1");
  *event.mutable_reject_time() = TimeUtil::MicrosecondsToTimestamp(6'000'000);
  ASSERT_EQ(context.Handle(event, kTell).kind(), Kind::kAck);
  ExpectTold(context, v1::NOTIFICATION_KIND_ORDER_REJECTED, "Your order could not be accepted");
}

TEST(NotificationSubscriberTest, TellsOfAParcelOnItsWay) {
  testing::FakeContext context;
  order::v1::OrderShipped event;
  event.set_order_id("o-1");
  event.set_user_id("u-1");
  *event.mutable_ship_time() = TimeUtil::MicrosecondsToTimestamp(6'000'000);
  ASSERT_EQ(context.Handle(event, kTell).kind(), Kind::kAck);
  ExpectTold(context, v1::NOTIFICATION_KIND_ORDER_SHIPPED, "Your order is on its way");
}

TEST(NotificationSubscriberTest, TellsOfAnArrival) {
  testing::FakeContext context;
  order::v1::OrderDelivered event;
  event.set_order_id("o-1");
  event.set_user_id("u-1");
  *event.mutable_deliver_time() = TimeUtil::MicrosecondsToTimestamp(6'000'000);
  ASSERT_EQ(context.Handle(event, kTell).kind(), Kind::kAck);
  ExpectTold(context, v1::NOTIFICATION_KIND_ORDER_DELIVERED, "Your order has arrived");
}

TEST(NotificationSubscriberTest, TellsOfARefund) {
  testing::FakeContext context;
  payment::v1::PaymentRefunded event;
  event.set_order_id("o-1");
  event.set_user_id("u-1");
  *event.mutable_refund_time() = TimeUtil::MicrosecondsToTimestamp(6'000'000);
  ASSERT_EQ(context.Handle(event, kTell).kind(), Kind::kAck);
  ExpectTold(context, v1::NOTIFICATION_KIND_PAYMENT_REFUNDED, "Your payment was refunded");
}

TEST(NotificationSubscriberTest, SetsAsideAnEventThatNamesNobody) {
  testing::FakeContext context;
  order::v1::OrderConfirmed event = Confirmed();
  event.clear_user_id();
  EXPECT_EQ(context.Handle(event, kTell).kind(), Kind::kDead);
  EXPECT_EQ(context.Count<Notification>(), 0);
}

TEST(NotificationIdTest, IsAUuidThatDependsOnAllThree) {
  const auto channel = v1::NOTIFICATION_CHANNEL_IN_APP;
  const std::string id = NotificationId("e-1", "u-1", channel);
  EXPECT_THAT(id, MatchesRegex("[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"));
  EXPECT_EQ(NotificationId("e-1", "u-1", channel), id);
  const std::set<std::string> ids = {id, NotificationId("e-2", "u-1", channel), NotificationId("e-1", "u-2", channel),
                                     NotificationId("e-1", "u-1", v1::NOTIFICATION_CHANNEL_UNSPECIFIED),
                                     NotificationId("e-1u", "-1", channel)};
  EXPECT_EQ(ids.size(), 5);
}

TEST(NotificationIdTest, StaysTheSameFromVersionToVersion) {
  // A store holds ids made by earlier versions: a changed recipe would tell everyone again when events are replayed.
  EXPECT_EQ(NotificationId("e-1", "u-1", v1::NOTIFICATION_CHANNEL_IN_APP), "7029c8c2-9af9-8f7c-9908-332d06b7f80d");
}

TEST(NotificationIndexTest, ListsANotificationWithAllAndWithItsUser) {
  Notification notification;
  notification.set_user_id("u-1");
  *notification.mutable_create_time() = TimeUtil::MicrosecondsToTimestamp(42);
  EXPECT_THAT(IndexNotification(notification),
              ElementsAre(store::IndexEntry{.index = "all", .value = "", .order = 42},
                          store::IndexEntry{.index = "user", .value = "u-1", .order = 42}));
}

}  // namespace
}  // namespace tradewind::notification
