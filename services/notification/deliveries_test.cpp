// The effects where they cannot open what they are to deliver.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>

#include "services/notification/mail_effect.h"
#include "services/notification/notification_record.pb.h"
#include "services/notification/seal_for_test.h"
#include "services/notification/webhook_effect.h"
#include "tradewind/testing/fake_reader.h"

namespace tradewind::notification {
namespace {

using Kind = Outcome::Kind;

struct CountingSender final : MailSender, HttpPoster {
  absl::Status Send(const Envelope& /*envelope*/) override {
    ++sent;
    return absl::OkStatus();
  }
  absl::StatusOr<int> Post(const HttpPost& /*post*/) override {
    ++sent;
    return 204;
  }
  int sent = 0;
};

constexpr char kSecret[] = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

class DeliveriesTest : public ::testing::Test {
 protected:
  DeliveriesTest() {
    settings_->smtp_url = "smtp://127.0.0.1:1025";
    keys_->StartInMemory();
    view_->Open(reader_);
    notification_.set_id("n-1");
    notification_.set_user_id("u-1");
    notification_.set_delivery_state(v1::DELIVERY_STATE_PENDING);
    notification_.set_subject("Welcome, " + Sealed(*keys_, "u-1", "Ada"));
    recipient_.set_registered(true);
    recipient_.set_email(Sealed(*keys_, "u-1", "ada@example.org"));
    endpoint_.mutable_endpoint()->set_id("w-1");
    endpoint_.mutable_endpoint()->set_user_id("u-1");
    endpoint_.mutable_endpoint()->set_state(v1::WEBHOOK_ENDPOINT_STATE_ACTIVE);
    endpoint_.set_secret("whsec_" + Sealed(*keys_, "u-1", kSecret));
    body_ = "{\"subject\":\"Welcome, " + Sealed(*keys_, "u-1", "Ada") + "\"}";
  }

  void Put(const std::string& key, const google::protobuf::Message& state) {
    reader_.Put(state.GetDescriptor()->full_name(), key, state.SerializeAsString(), {});
  }
  // Where a report was made, `reported_` has it.
  Outcome Mail(std::shared_ptr<const seal::Keys> keys) {
    Put("n-1", notification_);
    Put("u-1", recipient_);
    v1::MailRequested requested;
    requested.set_user_id("u-1");
    requested.set_notification_id("n-1");
    return Run(MailEffect(settings_, view_, std::move(keys), sender_), requested);
  }
  Outcome Post(std::shared_ptr<const seal::Keys> keys) {
    Put("n-1", notification_);
    Put("w-1", endpoint_);
    v1::WebhookRequested requested;
    requested.set_endpoint_id("w-1");
    requested.set_notification_id("n-1");
    requested.set_body(body_);
    return Run(WebhookEffect(view_, std::move(keys), sender_), requested);
  }
  template <typename Effect, typename Event>
  Outcome Run(const Effect& effect, const Event& event) {
    const std::atomic<bool> stopping = false;
    EffectContext context({.key = "k", .event_id = "e-1", .traceparent = "", .attempt = 1}, absl::InfiniteFuture(),
                          stopping);
    Outcome outcome = effect(event, context);
    const auto events = context.TakeEvents();
    reported_ = v1::ReportDeliveryRequest();
    if (!events.empty()) reported_.CopyFrom(*events[0]);
    return outcome;
  }
  static void Damage(std::string& text) {
    char& flipped = text[text.rfind(';') - 10];
    flipped = flipped == 'A' ? 'B' : 'A';
  }

  testing::FakeReader reader_;
  const std::shared_ptr<NotificationSettings> settings_ = std::make_shared<NotificationSettings>();
  const std::shared_ptr<StoreView> view_ = std::make_shared<StoreView>();
  const std::shared_ptr<CountingSender> sender_ = std::make_shared<CountingSender>();
  const std::shared_ptr<seal::Keys> keys_ = std::make_shared<seal::Keys>();
  v1::Notification notification_;
  internal::v1::Recipient recipient_;
  internal::v1::WebhookEndpointRecord endpoint_;
  std::string body_;
  v1::ReportDeliveryRequest reported_;
};

TEST_F(DeliveriesTest, WaitForKeysThatCannotBeReadNow) {
  const auto away = std::make_shared<seal::Keys>();
  EXPECT_EQ(Mail(away).kind(), Kind::kRetry);
  EXPECT_EQ(Post(away).kind(), Kind::kRetry);
  EXPECT_EQ(sender_->sent, 0);
  EXPECT_EQ(Mail(keys_).kind(), Kind::kAck);
  EXPECT_EQ(Post(keys_).kind(), Kind::kAck);
  EXPECT_EQ(sender_->sent, 2);
}

TEST_F(DeliveriesTest, GiveUpWhatIsDamaged) {
  Damage(*recipient_.mutable_email());
  ASSERT_EQ(Mail(keys_).kind(), Kind::kAck);
  EXPECT_EQ(reported_.result(), v1::ReportDeliveryRequest::RESULT_REFUSED);
  Damage(body_);
  ASSERT_EQ(Post(keys_).kind(), Kind::kAck);
  EXPECT_EQ(reported_.result(), v1::ReportDeliveryRequest::RESULT_REFUSED);
  EXPECT_EQ(sender_->sent, 0);
}

// Which was sealed with a key of the endpoint's own.
TEST_F(DeliveriesTest, PostWithASecretOfAnEarlierVersion) {
  endpoint_.set_secret("whsec_" + Sealed(*keys_, "w-1", kSecret));
  ASSERT_EQ(Post(keys_).kind(), Kind::kAck);
  EXPECT_EQ(reported_.result(), v1::ReportDeliveryRequest::RESULT_DELIVERED);
  EXPECT_EQ(sender_->sent, 1);
}

TEST_F(DeliveriesTest, PostNothingUnsigned) {
  ASSERT_TRUE(keys_->Erase("u-1", absl::InfiniteFuture()).ok());
  ASSERT_EQ(Post(keys_).kind(), Kind::kAck);
  EXPECT_EQ(reported_.result(), v1::ReportDeliveryRequest::RESULT_REFUSED);
  EXPECT_EQ(reported_.detail(), "the endpoint's secret cannot be read");
  EXPECT_EQ(sender_->sent, 0);
}

}  // namespace
}  // namespace tradewind::notification
