// The whole service over an InMemoryMesh, with a mail server and a receiver of webhooks that do as they are told.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "services/notification/notification_app.h"
#include "services/notification/notification_record.pb.h"
#include "services/notification/notification_subscriber.h"
#include "services/notification/seal_for_test.h"
#include "tradewind/app/in_memory_mesh.h"
#include "tradewind/auth/webhook_signature.h"

namespace tradewind::notification {
namespace {

using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// Reads what the service keeps in the mesh.
class MeshReader final : public store::Reader {
 public:
  explicit MeshReader(const testing::InMemoryMesh& mesh) : mesh_(mesh) {}

  absl::StatusOr<std::optional<store::Aggregate>> Get(std::string_view kind, std::string_view key) override {
    if (kind == v1::Notification::descriptor()->full_name()) return Find<v1::Notification>(key);
    if (kind == internal::v1::Recipient::descriptor()->full_name()) return Find<internal::v1::Recipient>(key);
    return Find<internal::v1::WebhookEndpointRecord>(key);
  }
  absl::StatusOr<std::vector<store::ListedAggregate>> List(const store::ListQuery&) override {
    return absl::UnimplementedError("not needed");
  }
  absl::StatusOr<std::vector<store::KeptRecord>> ListKept(const store::KeptFilter&, int64_t, int64_t,
                                                          int64_t) override {
    return absl::UnimplementedError("not needed");
  }
  absl::StatusOr<int64_t> CountKept(std::string_view, store::KeptState) override { return 0; }
  absl::StatusOr<std::string> ProgressOf(const store::TaskId&) override { return ""; }

 private:
  template <typename State>
  std::optional<store::Aggregate> Find(std::string_view key) {
    const State* state = mesh_.Find<State>("notification", key);
    if (state == nullptr) return std::nullopt;
    return store::Aggregate{.version = 1, .value = state->SerializeAsString()};
  }
  const testing::InMemoryMesh& mesh_;
};

struct FakeMailServer final : MailSender {
  absl::Status Send(const Envelope& envelope) override {
    if (!answers.empty()) {
      absl::Status answer = answers.front();
      answers.pop_front();
      if (!answer.ok()) return answer;
    }
    sent.push_back(envelope);
    return absl::OkStatus();
  }
  // One for each of the next mails; OK after that.
  std::deque<absl::Status> answers;
  std::vector<Envelope> sent;
};

struct FakeReceiver final : HttpPoster {
  absl::StatusOr<int> Post(const HttpPost& post) override {
    posts.push_back(post);
    if (answers.empty()) return 204;
    const Answer answer = answers.front();
    answers.pop_front();
    if (!answer.failure.ok()) return answer.failure;
    return answer.status;
  }
  struct Answer {
    Answer(int answered) : status(answered) {}                   // NOLINT(google-explicit-constructor)
    Answer(absl::Status failed) : failure(std::move(failed)) {}  // NOLINT(google-explicit-constructor)
    int status = 0;
    absl::Status failure;
  };
  std::deque<Answer> answers;
  std::vector<HttpPost> posts;
};

std::string Header(const HttpPost& post, const std::string& name) {
  for (const std::string& header : post.headers) {
    if (header.compare(0, name.size() + 2, name + ": ") == 0) return header.substr(name.size() + 2);
  }
  return "";
}

// As the gateway makes them.
constexpr char kFirstSecret[] = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=";

class NotificationMeshTest : public ::testing::Test {
 protected:
  NotificationMeshTest() {
    outside_.settings->smtp_url = "smtp://127.0.0.1:1025";
    outside_.settings->mail_from = "shop@example.org";
    outside_.store->Open(reader_);
    mesh_.Add("notification", [&](App& app) { DeclareWith(app, outside_); });
  }

  std::string OfUser(const std::string& clear) { return Sealed(mesh_.keys(), "u-1", clear); }
  std::string Opened(const std::string& text) { return *mesh_.keys().Open(text); }

  // Nothing is handled yet.
  void SendRegistration(const std::string& name = "Ada", const std::string& locale = "") {
    user::v1::UserRegistered event;
    event.set_user_id("u-1");
    event.set_email(OfUser("ada@example.org"));
    event.set_display_name(OfUser(name));
    event.set_locale(locale);
    mesh_.Send(event);
  }
  void Register(const std::string& locale = "") {
    SendRegistration("Ada", locale);
    mesh_.Settle();
  }
  void Delete() {
    user::v1::UserDeleted event;
    event.set_user_id("u-1");
    mesh_.Send(event);
  }
  // Of what waits, what a handler takes goes before effects.
  void Step() {
    ASSERT_TRUE(mesh_.Step([](size_t) { return 0; }, testing::InMemoryMesh::Choice::kMessages));
  }
  template <typename Event>
  void Happen(const std::string& order = "o-1") {
    Event event;
    event.set_order_id(order);
    event.set_user_id("u-1");
    mesh_.Send(event);
  }
  v1::WebhookEndpoint CreateEndpoint(const std::string& id = "w-1") {
    v1::CreateWebhookEndpointRequest command;
    command.set_id(id);
    command.set_user_id("u-1");
    command.set_url("https://example.org/" + id);
    command.set_secret(Sealed(mesh_.keys(), "u-1", kFirstSecret));
    v1::WebhookEndpoint endpoint = mesh_.Call<v1::WebhookEndpoint>(command).resource;
    endpoint.set_secret(Opened(endpoint.secret()));
    return endpoint;
  }
  // Returns the new secret.
  std::string Rotate(const std::string& id) {
    v1::RotateWebhookSecretRequest rotate;
    rotate.set_id(id);
    return Opened(mesh_.Call<v1::WebhookEndpoint>(rotate).resource.secret());
  }
  void Prefer(bool email, bool webhook) {
    v1::UpdatePreferencesRequest command;
    command.set_user_id("u-1");
    command.set_email(email);
    command.set_webhook(webhook);
    ASSERT_TRUE(mesh_.Call<v1::Preferences>(command).ok());
  }

  std::vector<std::string> DetailsOf(v1::NotificationChannel channel) const {
    std::vector<std::string> details;
    for (const v1::Notification& one : mesh_.All<v1::Notification>("notification")) {
      if (one.channel() == channel) details.push_back(one.delivery_detail());
    }
    return details;
  }

  std::vector<std::string> Subjects() const {
    std::vector<std::string> subjects;
    for (const Envelope& envelope : mail_->sent) {
      const size_t begin = envelope.message.find("Subject: ") + 9;
      subjects.push_back(envelope.message.substr(begin, envelope.message.find("\r\n", begin) - begin));
    }
    return subjects;
  }
  // Of the notifications of a channel, by kind in the order of kinds.
  std::vector<v1::DeliveryState> States(v1::NotificationChannel channel) const {
    std::map<int, v1::DeliveryState> states;
    for (const v1::Notification& one : mesh_.All<v1::Notification>("notification")) {
      if (one.channel() == channel) states[one.kind()] = one.delivery_state();
    }
    std::vector<v1::DeliveryState> list;
    for (const auto& [kind, state] : states) list.push_back(state);
    return list;
  }

  testing::InMemoryMesh mesh_;
  MeshReader reader_{mesh_};
  std::shared_ptr<FakeMailServer> mail_ = std::make_shared<FakeMailServer>();
  std::shared_ptr<FakeReceiver> receiver_ = std::make_shared<FakeReceiver>();
  Outside outside_{.settings = std::make_shared<NotificationSettings>(),
                   .store = std::make_shared<StoreView>(),
                   .mail = mail_,
                   .webhooks = receiver_};
};

constexpr auto kDelivered = v1::DELIVERY_STATE_DELIVERED;
constexpr auto kFailed = v1::DELIVERY_STATE_FAILED;
constexpr auto kEmail = v1::NOTIFICATION_CHANNEL_EMAIL;
constexpr auto kWebhook = v1::NOTIFICATION_CHANNEL_WEBHOOK;

TEST_F(NotificationMeshTest, MailsWhatHappens) {
  Register();
  Happen<order::v1::OrderShipped>();
  mesh_.Settle();
  EXPECT_THAT(Subjects(), ElementsAre("Welcome, Ada", "Your order is on its way"));
  EXPECT_EQ(mail_->sent[0].from, "shop@example.org");
  EXPECT_EQ(mail_->sent[0].to, "ada@example.org");
  EXPECT_THAT(States(kEmail), ElementsAre(kDelivered, kDelivered));
  EXPECT_THAT(mesh_.dead(), IsEmpty());
}

TEST_F(NotificationMeshTest, SpeaksTheLanguageOfTheUser) {
  Register("zh-CN");
  Happen<order::v1::OrderDelivered>();
  mesh_.Settle();
  const auto told = mesh_.Events<v1::NotificationCreated>();
  ASSERT_EQ(told.size(), 2);
  EXPECT_EQ(Opened(told[0].notification().subject()), "欢迎您，Ada");
  EXPECT_EQ(told[1].notification().subject(), "您的订单已送达");
}

TEST_F(NotificationMeshTest, MailsWhatHappenedBeforeTheRegistrationWasSeen) {
  Happen<order::v1::OrderConfirmed>();
  Happen<order::v1::OrderShipped>();
  mesh_.Settle();
  EXPECT_EQ(mesh_.Events<v1::NotificationCreated>().size(), 2);
  EXPECT_THAT(mail_->sent, IsEmpty());
  Register("zh");
  EXPECT_EQ(mesh_.Events<v1::NotificationCreated>().size(), 3);
  ASSERT_EQ(mail_->sent.size(), 3);
  // In the language that is known by now.
  EXPECT_THAT(Subjects()[1], HasSubstr("=?UTF-8?B?"));
  EXPECT_THAT(mesh_.Find<internal::v1::Recipient>("notification", "u-1")->waiting(), IsEmpty());
}

TEST_F(NotificationMeshTest, WritesToTheAddressThatAUserHasNow) {
  Register();
  user::v1::UserUpdated updated;
  updated.set_user_id("u-1");
  updated.set_email(OfUser("countess@example.org"));
  updated.set_locale("zh");
  mesh_.Send(updated);
  Happen<order::v1::OrderDelivered>();
  mesh_.Settle();
  ASSERT_EQ(mail_->sent.size(), 2);
  EXPECT_EQ(mail_->sent[0].to, "ada@example.org");
  EXPECT_EQ(mail_->sent[1].to, "countess@example.org");
  EXPECT_EQ(mesh_.Events<v1::NotificationCreated>().back().notification().subject(), "您的订单已送达");
  // To be told of it would be news of no interest.
  EXPECT_EQ(mesh_.Events<v1::NotificationCreated>().size(), 2);
}

TEST_F(NotificationMeshTest, BoundsWhatWaitsForARegistration) {
  for (int i = 0; i < kMostWaiting + 5; ++i) Happen<order::v1::OrderConfirmed>("o-" + std::to_string(i));
  mesh_.Settle();
  EXPECT_EQ(mesh_.Find<internal::v1::Recipient>("notification", "u-1")->waiting_size(), kMostWaiting);
}

TEST_F(NotificationMeshTest, MailsNothingToWhoDoesNotWantIt) {
  Register();
  Prefer(/*email=*/false, /*webhook=*/true);
  Happen<order::v1::OrderShipped>();
  mesh_.Settle();
  EXPECT_THAT(Subjects(), ElementsAre("Welcome, Ada"));
  Prefer(/*email=*/true, /*webhook=*/true);
  Happen<order::v1::OrderDelivered>();
  mesh_.Settle();
  EXPECT_THAT(Subjects(), ElementsAre("Welcome, Ada", "Your order has arrived"));
  EXPECT_EQ(mesh_.Events<v1::NotificationCreated>().size(), 3);
}

TEST_F(NotificationMeshTest, MailsNothingWhereThereIsNoServer) {
  outside_.settings->smtp_url.clear();
  Happen<order::v1::OrderConfirmed>();
  Register();
  mesh_.Settle();
  EXPECT_THAT(mail_->sent, IsEmpty());
  EXPECT_THAT(States(kEmail), IsEmpty());
  EXPECT_EQ(mesh_.Events<v1::NotificationCreated>().size(), 2);
}

TEST_F(NotificationMeshTest, RepeatsAMailThatMayYetBeTaken) {
  mail_->answers = {absl::UnavailableError("try later"), absl::UnavailableError("try later")};
  Register();
  Happen<order::v1::OrderShipped>();
  mesh_.Settle();
  EXPECT_THAT(Subjects(), ElementsAre("Welcome, Ada", "Your order is on its way"));
}

TEST_F(NotificationMeshTest, AMailThatIsRefusedHoldsBackNoOther) {
  mail_->answers = {absl::FailedPreconditionError("550 no such user")};
  Register();
  Happen<order::v1::OrderShipped>();
  mesh_.Settle();
  EXPECT_THAT(Subjects(), ElementsAre("Your order is on its way"));
  EXPECT_THAT(States(kEmail), ElementsAre(kFailed, kDelivered));
  EXPECT_THAT(mesh_.dead(), IsEmpty());
}

TEST_F(NotificationMeshTest, KeepsOfTheMailServersAnswerNeitherAddressNorName) {
  mail_->answers = {
      absl::FailedPreconditionError("550 5.1.1 <ADA@example.org>... no ada here, adamant about Ada, ada@example.org")};
  Register();
  EXPECT_THAT(DetailsOf(kEmail), ElementsAre("550 5.1.1 <[address]>... no [address] here, adamant about [address], "
                                             "[address]"));
  mail_->answers = std::deque<absl::Status>(10, absl::UnavailableError("450 try ada@example.org later"));
  Happen<order::v1::OrderShipped>();
  mesh_.Settle();
  ASSERT_EQ(mesh_.dead().size(), 1);
  EXPECT_THAT(mesh_.dead()[0], AllOf(HasSubstr("450 try [address] later"), Not(HasSubstr("ada"))));
}

TEST_F(NotificationMeshTest, TakesNoHeaderFromASealedName) {
  SendRegistration("x\r\nBcc: eve@example.org");
  mesh_.Settle();
  ASSERT_EQ(mail_->sent.size(), 1);
  EXPECT_THAT(mail_->sent[0].message, Not(HasSubstr("\r\nBcc")));
  EXPECT_THAT(Subjects(), ElementsAre("Welcome, x  Bcc: eve@example.org"));
}

TEST_F(NotificationMeshTest, MailsNothingOnceTheKeyIsGone) {
  SendRegistration();
  Step();
  ASSERT_TRUE(mesh_.keys().Erase("u-1", absl::InfiniteFuture()).ok());
  mesh_.Settle();
  EXPECT_THAT(mail_->sent, IsEmpty());
  EXPECT_THAT(States(kEmail), ElementsAre(kFailed));
  EXPECT_THAT(DetailsOf(kEmail), ElementsAre("the recipient was erased"));
  EXPECT_EQ(Opened(mesh_.Events<v1::NotificationCreated>()[0].notification().subject()), "Welcome, [erased]");
}

TEST_F(NotificationMeshTest, WhatWaitsForADeletedUserEndsQuietly) {
  CreateEndpoint();
  SendRegistration();
  Delete();
  // Both are handled, no delivery is.
  Step();
  Step();
  mesh_.Settle();
  EXPECT_THAT(mail_->sent, IsEmpty());
  EXPECT_THAT(receiver_->posts, IsEmpty());
  EXPECT_THAT(DetailsOf(kEmail), ElementsAre("the recipient was erased"));
  EXPECT_THAT(DetailsOf(kWebhook), ElementsAre("the endpoint was deleted"));
  EXPECT_THAT(mesh_.dead(), IsEmpty());
}

TEST_F(NotificationMeshTest, NothingWaitsForADeletedUser) {
  Delete();
  for (int i = 0; i < 3; ++i) Happen<order::v1::OrderConfirmed>("o-" + std::to_string(i));
  mesh_.Settle();
  EXPECT_THAT(mesh_.Find<internal::v1::Recipient>("notification", "u-1")->waiting(), IsEmpty());
  EXPECT_THAT(mesh_.All<v1::Notification>("notification"), IsEmpty());
}

TEST_F(NotificationMeshTest, PostsSignedAndInOrder) {
  const v1::WebhookEndpoint endpoint = CreateEndpoint();
  Happen<order::v1::OrderConfirmed>();
  Happen<order::v1::OrderShipped>();
  mesh_.Settle();
  ASSERT_EQ(receiver_->posts.size(), 2);
  EXPECT_THAT(receiver_->posts[0].body, HasSubstr("order.confirmed"));
  EXPECT_THAT(receiver_->posts[1].body, HasSubstr("order.shipped"));
  const HttpPost& post = receiver_->posts[0];
  EXPECT_EQ(post.url, "https://example.org/w-1");
  EXPECT_EQ(Header(post, "webhook-signature"), auth::SignWebhook(endpoint.secret(), Header(post, "webhook-id"),
                                                                 Header(post, "webhook-timestamp"), post.body));
  EXPECT_THAT(States(kWebhook), ElementsAre(kDelivered, kDelivered));
}

TEST_F(NotificationMeshTest, KeepsSecretsOffEveryTopic) {
  CreateEndpoint();
  const std::string second = Rotate("w-1");
  Happen<order::v1::OrderConfirmed>();
  mesh_.Settle();
  ASSERT_EQ(mesh_.Events<v1::WebhookRequested>().size(), 1);
  const std::string seen = mesh_.Events<v1::WebhookRequested>()[0].DebugString() +
                           mesh_.Events<v1::CreateWebhookEndpointRequest>()[0].DebugString() +
                           mesh_.Events<v1::RotateWebhookSecretRequest>()[0].DebugString() +
                           mesh_.Find<internal::v1::WebhookEndpointRecord>("notification", "w-1")->DebugString();
  EXPECT_THAT(seen, AllOf(Not(HasSubstr(kFirstSecret)), Not(HasSubstr(second.substr(second.find('_') + 1)))));
}

TEST_F(NotificationMeshTest, KeepsNameAndAddressOffEveryTopicAndOutOfTheStore) {
  CreateEndpoint();
  Register();
  ASSERT_EQ(mail_->sent.size(), 1);
  ASSERT_EQ(receiver_->posts.size(), 1);
  std::string seen = mesh_.Find<internal::v1::Recipient>("notification", "u-1")->DebugString();
  for (const v1::Notification& one : mesh_.All<v1::Notification>("notification")) seen += one.DebugString();
  seen += mesh_.Events<v1::NotificationCreated>()[0].DebugString();
  seen += mesh_.Events<v1::WebhookRequested>()[0].DebugString();
  // As a word: what is sealed may have the three letters among others.
  EXPECT_THAT(seen, AllOf(HasSubstr("sealed:1:"), Not(ContainsRegex("\\bAda\\b")), Not(HasSubstr("ada@"))));
}

TEST_F(NotificationMeshTest, PostsANameAsJsonHasIt) {
  CreateEndpoint();
  const std::string name = "Ada \"},\n\\ \"x\":{\"小明\x01";
  SendRegistration(name);
  receiver_->answers = {500};
  mesh_.Settle();
  ASSERT_EQ(receiver_->posts.size(), 2);
  const HttpPost& post = receiver_->posts[0];
  const auto body = nlohmann::json::parse(post.body);
  EXPECT_EQ(body["data"]["subject"], "Welcome, " + name);
  EXPECT_EQ(body["data"]["event"]["display_name"], name);
  EXPECT_EQ(body["data"]["event"]["email"], "ada@example.org");
  EXPECT_EQ(body["data"].size(), 6);
  EXPECT_EQ(receiver_->posts[1].body, post.body);
  EXPECT_EQ(Header(post, "webhook-signature"),
            auth::SignWebhook(kFirstSecret, Header(post, "webhook-id"), Header(post, "webhook-timestamp"), post.body));
}

TEST_F(NotificationMeshTest, SignsByBothSecretsUntilTheFirstExpires) {
  // The mesh has a time of its own, an attempt that of the day.
  for (const absl::Duration overlap : {absl::Hours(24 * 365 * 100), absl::ZeroDuration()}) {
    outside_.settings->webhook_secret_overlap = overlap;
    const std::string id = overlap == absl::ZeroDuration() ? "w-2" : "w-1";
    const std::string first = CreateEndpoint(id).secret();
    const std::string second = Rotate(id);
    receiver_->posts.clear();
    Happen<order::v1::OrderConfirmed>();
    mesh_.Settle();
    const HttpPost& post = receiver_->posts.back();
    ASSERT_EQ(post.url, "https://example.org/" + id);
    const auto sign = [&](const std::string& secret) {
      return auth::SignWebhook(secret, Header(post, "webhook-id"), Header(post, "webhook-timestamp"), post.body);
    };
    EXPECT_EQ(Header(post, "webhook-signature"),
              overlap == absl::ZeroDuration() ? sign(second) : sign(second) + " " + sign(first));
  }
}

TEST_F(NotificationMeshTest, AReceiverThatErrsGetsEachOnceInOrderWithTheSameId) {
  CreateEndpoint();
  receiver_->answers = {500, 500, absl::UnavailableError("no answer"), 302};
  Happen<order::v1::OrderConfirmed>();
  Happen<order::v1::OrderShipped>();
  mesh_.Settle();
  ASSERT_EQ(receiver_->posts.size(), 6);
  for (int i = 1; i < 5; ++i) {
    EXPECT_EQ(Header(receiver_->posts[i], "webhook-id"), Header(receiver_->posts[0], "webhook-id"));
    EXPECT_EQ(receiver_->posts[i].body, receiver_->posts[0].body);
  }
  EXPECT_NE(Header(receiver_->posts[5], "webhook-id"), Header(receiver_->posts[0], "webhook-id"));
  EXPECT_THAT(States(kWebhook), ElementsAre(kDelivered, kDelivered));
}

TEST_F(NotificationMeshTest, AReceiverThatFailsForEverHoldsBackItselfAlone) {
  CreateEndpoint("w-1");
  CreateEndpoint("w-2");
  for (int i = 0; i < 10; ++i) receiver_->answers.push_back(500);
  Happen<order::v1::OrderConfirmed>();
  Register();
  mesh_.Settle();
  ASSERT_EQ(mesh_.dead().size(), 1);
  EXPECT_THAT(mesh_.dead()[0], HasSubstr("notification.effects: tradewind.notification.v1.WebhookRequested under w-"));
  EXPECT_THAT(Subjects(), ElementsAre("Welcome, Ada", "Your order is confirmed"));
}

TEST_F(NotificationMeshTest, AReceiverThatIsGoneIsAskedNoMore) {
  CreateEndpoint();
  receiver_->answers = {410};
  Happen<order::v1::OrderConfirmed>();
  mesh_.Settle();
  Happen<order::v1::OrderShipped>();
  mesh_.Settle();
  EXPECT_EQ(receiver_->posts.size(), 1);
  EXPECT_THAT(States(kWebhook), ElementsAre(kFailed));
}

TEST_F(NotificationMeshTest, AnAddressThatMustNotBeCalledFailsAtOnce) {
  CreateEndpoint();
  receiver_->answers = {absl::PermissionDeniedError("private")};
  Happen<order::v1::OrderConfirmed>();
  mesh_.Settle();
  EXPECT_EQ(receiver_->posts.size(), 1);
  EXPECT_THAT(States(kWebhook), ElementsAre(kFailed));
}

TEST_F(NotificationMeshTest, PostsNothingToAnEndpointThatWasDeletedMeanwhile) {
  CreateEndpoint();
  Happen<order::v1::OrderConfirmed>();
  // The event is handled, its delivery is not.
  mesh_.Step([](size_t) { return 0; }, testing::InMemoryMesh::Choice::kMessages);
  v1::DeleteWebhookEndpointRequest command;
  command.set_id("w-1");
  ASSERT_TRUE(mesh_.Call<v1::WebhookEndpoint>(command).ok());
  mesh_.Settle();
  EXPECT_THAT(receiver_->posts, IsEmpty());
  EXPECT_THAT(States(kWebhook), ElementsAre(kFailed));
}

TEST_F(NotificationMeshTest, ADeliveryCutShortIsRepeatedWithTheSameId) {
  CreateEndpoint();
  Happen<order::v1::OrderConfirmed>();
  const auto first = [](size_t) { return 0; };
  mesh_.Step(first, testing::InMemoryMesh::Choice::kMessages);
  ASSERT_TRUE(mesh_.CutAnEffectShort(first));
  mesh_.Settle();
  ASSERT_EQ(receiver_->posts.size(), 2);
  EXPECT_EQ(Header(receiver_->posts[0], "webhook-id"), Header(receiver_->posts[1], "webhook-id"));
  EXPECT_THAT(States(kWebhook), ElementsAre(kDelivered));
}

TEST_F(NotificationMeshTest, OneRecordForEachChannelAndEndpoint) {
  Register();
  CreateEndpoint("w-1");
  CreateEndpoint("w-2");
  Happen<order::v1::OrderConfirmed>();
  mesh_.Settle();
  std::map<v1::NotificationChannel, int> counts;
  for (const v1::Notification& one : mesh_.All<v1::Notification>("notification")) ++counts[one.channel()];
  EXPECT_EQ(counts[v1::NOTIFICATION_CHANNEL_IN_APP], 2);
  EXPECT_EQ(counts[kEmail], 2);
  EXPECT_EQ(counts[kWebhook], 2);
  EXPECT_EQ(receiver_->posts.size(), 2);
}

}  // namespace
}  // namespace tradewind::notification
