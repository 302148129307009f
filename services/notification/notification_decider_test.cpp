// What becomes of notifications, of what users choose, and of webhook endpoints.
#include "services/notification/notification_decider.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "google/protobuf/util/time_util.h"

#include "services/notification/recipient_decider.h"
#include "services/notification/seal_for_test.h"
#include "services/notification/webhook_endpoint_decider.h"
#include "tradewind/auth/webhook_signature.h"
#include "tradewind/testing/fake_context.h"

namespace tradewind::notification {
namespace {

using internal::v1::Recipient;
using internal::v1::WebhookEndpointRecord;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using Kind = Outcome::Kind;
using Report = v1::ReportDeliveryRequest;

v1::Notification Pending() {
  v1::Notification notification;
  notification.set_id("n-1");
  notification.set_user_id("u-1");
  notification.set_delivery_state(v1::DELIVERY_STATE_PENDING);
  return notification;
}

Report Reported(Report::Result result) {
  Report report;
  report.set_notification_id("n-1");
  report.set_endpoint_id("w-1");
  report.set_result(result);
  report.set_detail("so it is");
  return report;
}

TEST(NotificationDeciderTest, IsReadOnce) {
  testing::FakeContext context;
  context.Put("n-1", Pending());
  v1::MarkNotificationReadRequest command;
  command.set_id("n-1");
  ASSERT_EQ(context.Decide<NotificationDecider>(command).kind(), Kind::kAck);
  EXPECT_TRUE(context.Answer<v1::Notification>()->read());
  EXPECT_TRUE(context.Find<v1::Notification>("n-1")->read());
  ASSERT_EQ(context.Events<v1::NotificationRead>().size(), 1);
  EXPECT_EQ(context.Events<v1::NotificationRead>()[0].user_id(), "u-1");

  ASSERT_EQ(context.Decide<NotificationDecider>(command).kind(), Kind::kAck);
  EXPECT_TRUE(context.Answer<v1::Notification>()->read());
  EXPECT_THAT(context.events(), IsEmpty());

  command.set_id("n-2");
  EXPECT_EQ(context.Decide<NotificationDecider>(command).problem().reason, "NOTIFICATION_NOT_FOUND");
}

TEST(NotificationDeciderTest, TheFirstReportCounts) {
  testing::FakeContext context;
  context.Put("n-1", Pending());
  ASSERT_EQ(context.Decide<NotificationDecider>(Reported(Report::RESULT_DELIVERED)).kind(), Kind::kAck);
  const auto* notification = context.Find<v1::Notification>("n-1");
  EXPECT_EQ(notification->delivery_state(), v1::DELIVERY_STATE_DELIVERED);
  EXPECT_EQ(notification->delivery_detail(), "so it is");
  EXPECT_TRUE(notification->has_delivery_time());
  ASSERT_EQ(context.Decide<NotificationDecider>(Reported(Report::RESULT_REFUSED)).kind(), Kind::kAck);
  EXPECT_EQ(context.Find<v1::Notification>("n-1")->delivery_state(), v1::DELIVERY_STATE_DELIVERED);
}

TEST(NotificationDeciderTest, AReceiverThatIsGoneIsDisabled) {
  testing::FakeContext context;
  context.Put("n-1", Pending());
  WebhookEndpointRecord record;
  record.mutable_endpoint()->set_state(v1::WEBHOOK_ENDPOINT_STATE_ACTIVE);
  context.Put("w-1", record);
  ASSERT_EQ(context.Decide<NotificationDecider>(Reported(Report::RESULT_GONE)).kind(), Kind::kAck);
  EXPECT_EQ(context.Find<v1::Notification>("n-1")->delivery_state(), v1::DELIVERY_STATE_FAILED);
  EXPECT_EQ(context.Find<WebhookEndpointRecord>("w-1")->endpoint().state(), v1::WEBHOOK_ENDPOINT_STATE_DISABLED);
}

TEST(NotificationDeciderTest, AReportOfWhatIsNotThereMakesNothing) {
  testing::FakeContext context;
  ASSERT_EQ(context.Decide<NotificationDecider>(Reported(Report::RESULT_GONE)).kind(), Kind::kAck);
  EXPECT_EQ(context.Count<v1::Notification>(), 0);
  EXPECT_EQ(context.Count<WebhookEndpointRecord>(), 0);
}

TEST(RecipientDeciderTest, ChangesWhatIsGivenAndNothingElse) {
  testing::FakeContext context;
  v1::UpdatePreferencesRequest command;
  command.set_user_id("u-1");
  ASSERT_EQ(context.Decide<RecipientDecider>(command).kind(), Kind::kAck);
  const v1::Preferences defaults = *context.Answer<v1::Preferences>();
  EXPECT_TRUE(defaults.email() && defaults.webhook());
  EXPECT_EQ(defaults.user_id(), "u-1");

  command.set_email(false);
  ASSERT_EQ(context.Decide<RecipientDecider>(command).kind(), Kind::kAck);
  EXPECT_FALSE(context.Answer<v1::Preferences>()->email());
  EXPECT_TRUE(context.Answer<v1::Preferences>()->webhook());

  command.clear_email();
  command.set_webhook(false);
  ASSERT_EQ(context.Decide<RecipientDecider>(command).kind(), Kind::kAck);
  EXPECT_FALSE(context.Answer<v1::Preferences>()->email());
  EXPECT_FALSE(context.Answer<v1::Preferences>()->webhook());
  EXPECT_TRUE(context.Answer<v1::Preferences>()->has_update_time());
}

TEST(RecipientDeciderTest, LetsNobodyChooseForAUserWhoWasDeleted) {
  testing::FakeContext context;
  Recipient erased;
  erased.set_erased(true);
  context.Put("u-1", erased);
  v1::UpdatePreferencesRequest command;
  command.set_user_id("u-1");
  EXPECT_EQ(context.Decide<RecipientDecider>(command).problem().reason, "USER_NOT_FOUND");
}

class WebhookEndpointDeciderTest : public ::testing::Test {
 protected:
  WebhookEndpointDeciderTest() { keys_->StartInMemory(); }

  // As the gateway sends it.
  v1::CreateWebhookEndpointRequest CreateCommand(const std::string& id, const std::string& secret) {
    v1::CreateWebhookEndpointRequest command;
    command.set_id(id);
    command.set_user_id("u-1");
    command.set_url("https://example.org/hook");
    command.set_secret(secret);
    return command;
  }
  Outcome Create(const std::string& id, const std::string& url = "https://example.org/hook") {
    v1::CreateWebhookEndpointRequest command = CreateCommand(id, Sealed(*keys_, "u-1", "secret-1"));
    command.set_url(url);
    return context_.Decide(command, decider_);
  }
  Outcome Rotate(const std::string& id, const std::string& event_id = "rotation-1") {
    v1::RotateWebhookSecretRequest command;
    command.set_id(id);
    context_.set_event_id(event_id);
    return context_.Decide(command, decider_);
  }
  Outcome Delete(const std::string& id) {
    v1::DeleteWebhookEndpointRequest command;
    command.set_id(id);
    return context_.Decide(command, decider_);
  }

  std::string Opened(const std::string& text) { return *keys_->Open(text); }
  std::string OpenedOf(const std::string& subject, const std::string& text) { return *keys_->OpenOf(subject, text); }

  const std::shared_ptr<seal::Keys> keys_ = std::make_shared<seal::Keys>();
  WebhookEndpointDecider decider_{std::make_shared<NotificationSettings>(), keys_};
  testing::FakeContext context_;
};

TEST_F(WebhookEndpointDeciderTest, CreatesOneAndShowsItsSecretOnce) {
  ASSERT_EQ(Create("w-1").kind(), Kind::kAck);
  const auto& answer = *context_.Answer<v1::WebhookEndpoint>();
  EXPECT_THAT(answer.secret(), Not(HasSubstr("secret-1")));
  EXPECT_EQ(Opened(answer.secret()), "whsec_secret-1");
  EXPECT_EQ(answer.state(), v1::WEBHOOK_ENDPOINT_STATE_ACTIVE);
  EXPECT_THAT(context_.events(), IsEmpty());
  const auto* record = context_.Find<WebhookEndpointRecord>("w-1");
  EXPECT_EQ(record->secret(), answer.secret());
  EXPECT_EQ(record->endpoint().secret(), "");
  EXPECT_THAT(context_.Find<Recipient>("u-1")->endpoint_ids(), ElementsAre("w-1"));
  EXPECT_EQ(Create("w-1").problem().reason, "WEBHOOK_ENDPOINT_EXISTS");
}

TEST_F(WebhookEndpointDeciderTest, RefusesASecretThatIsNotSealedWithTheUsersKey) {
  const std::string sealed = Sealed(*keys_, "u-1", "secret-1");
  for (const std::string& secret : {std::string(), std::string("secret-1"), sealed.substr(0, sealed.size() - 1),
                                    "x" + sealed, sealed + "x", Sealed(*keys_, "u-2", "secret-1")}) {
    const Outcome refused = context_.Decide(CreateCommand("w-1", secret), decider_);
    ASSERT_EQ(refused.kind(), Kind::kReject) << secret;
    EXPECT_EQ(refused.problem().reason, "NOT_SEALED");
    EXPECT_THAT(refused.problem().message, Not(HasSubstr("secret-1")));
  }
  EXPECT_EQ(context_.Count<Recipient>(), 0);
}

// As a gateway of an earlier version sends it.
TEST_F(WebhookEndpointDeciderTest, TakesASecretThatIsSealedWithAKeyOfTheEndpoint) {
  ASSERT_EQ(context_.Decide(CreateCommand("w-1", Sealed(*keys_, "w-1", "secret-1")), decider_).kind(), Kind::kAck);
  EXPECT_EQ(Opened(context_.Find<WebhookEndpointRecord>("w-1")->secret()), "whsec_secret-1");
  ASSERT_EQ(Rotate("w-1").kind(), Kind::kAck);
  EXPECT_EQ(Opened(context_.Find<WebhookEndpointRecord>("w-1")->previous_secret()), "whsec_secret-1");
}

TEST_F(WebhookEndpointDeciderTest, KeepsNoneForAUserWhoWasDeleted) {
  Recipient erased;
  erased.set_erased(true);
  context_.Put("u-1", erased);
  EXPECT_EQ(Create("w-1").problem().reason, "USER_NOT_FOUND");
}

TEST_F(WebhookEndpointDeciderTest, RefusesAUrlThatWouldNotBeCalled) {
  const Outcome refused = Create("w-1", "http://example.org/");
  ASSERT_EQ(refused.kind(), Kind::kReject);
  EXPECT_EQ(refused.problem().reason, "INVALID_FIELD");
  EXPECT_EQ(context_.Count<Recipient>(), 0);
}

TEST_F(WebhookEndpointDeciderTest, KeepsTenForAUser) {
  for (int i = 0; i < kMostEndpoints; ++i) ASSERT_EQ(Create("w-" + std::to_string(i)).kind(), Kind::kAck);
  EXPECT_EQ(Create("w-10").problem().reason, "TOO_MANY_ENDPOINTS");
  ASSERT_EQ(Delete("w-3").kind(), Kind::kAck);
  EXPECT_EQ(Create("w-10").kind(), Kind::kAck);
}

TEST_F(WebhookEndpointDeciderTest, KeepsTheSecretBeforeTheNewestForAWhile) {
  Create("w-1");
  ASSERT_EQ(Rotate("w-1").kind(), Kind::kAck);
  const v1::WebhookEndpoint answer = *context_.Answer<v1::WebhookEndpoint>();
  const std::string second = OpenedOf("u-1", answer.secret());
  EXPECT_TRUE(auth::IsWebhookSecret(second));
  EXPECT_EQ(google::protobuf::util::TimeUtil::TimestampToMicroseconds(answer.previous_secret_expire_time()),
            absl::ToUnixMicros(context_.now() + absl::Hours(24)));
  EXPECT_EQ(Opened(context_.Find<WebhookEndpointRecord>("w-1")->previous_secret()), "whsec_secret-1");
  // Two are valid, never three.
  Rotate("w-1", "rotation-2");
  EXPECT_NE(Opened(context_.Find<WebhookEndpointRecord>("w-1")->secret()), second);
  EXPECT_EQ(Opened(context_.Find<WebhookEndpointRecord>("w-1")->previous_secret()), second);
  EXPECT_EQ(Rotate("w-2").problem().reason, "WEBHOOK_ENDPOINT_NOT_FOUND");
}

// Of an endpoint that was made for a user who never registered.
TEST_F(WebhookEndpointDeciderTest, RotatesWithTheEndpointsOwnKeyWhereTheUserHasNone) {
  ASSERT_EQ(context_.Decide(CreateCommand("w-1", Sealed(*keys_, "w-1", "secret-1")), decider_).kind(), Kind::kAck);
  ASSERT_EQ(Rotate("w-1").kind(), Kind::kAck);
  EXPECT_TRUE(auth::IsWebhookSecret(OpenedOf("w-1", context_.Answer<v1::WebhookEndpoint>()->secret())));
  WebhookEndpointRecord unsealed;
  unsealed.mutable_endpoint()->set_user_id("u-9");
  context_.Put("w-9", unsealed);
  EXPECT_EQ(Rotate("w-9").problem().reason, "USER_NOT_FOUND");
}

TEST_F(WebhookEndpointDeciderTest, GivesTheSameSecretWhereACommandIsHandledAgain) {
  Create("w-1");
  Rotate("w-1");
  const std::string first = context_.Answer<v1::WebhookEndpoint>()->secret();
  Rotate("w-1");
  EXPECT_EQ(context_.Answer<v1::WebhookEndpoint>()->secret(), first);
}

TEST_F(WebhookEndpointDeciderTest, DeletesAndShowsNoSecret) {
  Create("w-1");
  Rotate("w-1");
  ASSERT_EQ(Delete("w-1").kind(), Kind::kAck);
  EXPECT_EQ(context_.Answer<v1::WebhookEndpoint>()->id(), "w-1");
  EXPECT_EQ(context_.Answer<v1::WebhookEndpoint>()->secret(), "");
  EXPECT_EQ(context_.Find<WebhookEndpointRecord>("w-1"), nullptr);
  EXPECT_THAT(context_.Find<Recipient>("u-1")->endpoint_ids(), IsEmpty());
  EXPECT_EQ(Delete("w-1").problem().reason, "WEBHOOK_ENDPOINT_NOT_FOUND");
}

}  // namespace
}  // namespace tradewind::notification
