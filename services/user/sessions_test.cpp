// Direct methods over gRPC, with a store that hangs on demand and a log that takes no command.
#include "services/user/sessions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/synchronization/notification.h"

#include "services/user/session_decider.h"
#include "services/user/test_keys.h"
#include "services/user/user_calls.h"
#include "tradewind/app/hanging_store.h"
#include "tradewind/app/in_process_server.h"
#include "tradewind/testing/eventually.h"
#include "tradewind/testing/fake_reader.h"

namespace tradewind::user {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

class NoSink final : public bus::EventSink {
 public:
  absl::Status Produce(const bus::OutgoingRecord&, uint64_t) override {
    return absl::ResourceExhaustedError("takes nothing");
  }
  int Poll(absl::Duration timeout, absl::FunctionRef<void(const bus::Delivery&)>) override {
    stop_.WaitForNotificationWithTimeout(timeout);
    return 0;
  }
  absl::Status Reset() override { return absl::OkStatus(); }

 private:
  absl::Notification stop_;
};

// Cheap hashes on one thread.
UserSettings Settings() {
  return {.hash_memory = config::ByteSize{8192}, .hash_passes = 1, .hash_threads = 1, .hash_queue = 40};
}

class SessionsTest : public ::testing::Test {
 protected:
  struct Call {
    grpc::ClientContext context;
    v1::LogInRequest request;
    v1::Session response;
    grpc::Status status;
    absl::Notification ended;
  };

  SessionsTest() {
    link_.OpenOver(std::make_unique<NoSink>(), {{"user.commands.v1", 3}});
    sessions_ = std::make_shared<Sessions>(reader_, queries_, commands_, keys_.shared(), Settings());
    calls_ = std::make_unique<UserCalls>(reader_, queries_, keys_.shared(), sessions_);
    key_calls_ = std::make_unique<KeyCalls>(sessions_);
  }
  ~SessionsTest() override { reader_.Release(); }

  void Serve() {
    server_ = std::make_unique<testing::InProcessServer>(*calls_);
    stub_ = v1::UserService::NewStub(server_->channel());
  }
  Call& LogIn(const std::string& email, const std::string& address = "") {
    Call& call = *logins_.emplace_back(std::make_unique<Call>());
    call.context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Minutes(1)));
    if (!address.empty()) call.context.AddMetadata("tradewind-client-address", address);
    call.request.set_email(email);
    call.request.set_password("wrong horse");
    stub_->async()->LogIn(&call.context, &call.request, &call.response, [&call](grpc::Status status) {
      call.status = std::move(status);
      call.ended.Notify();
    });
    return call;
  }
  bool Waits(size_t count) {
    return testing::Eventually([&] { return sessions_->passwords().waiting() == count; });
  }
  // The thread of passwords hangs in the store.
  void HoldPasswords() {
    Serve();
    reader_.Hold();
    LogIn("first@example.org");
    ASSERT_TRUE(testing::Eventually([&] { return reader_.held() == 1; }));
  }
  void EndAll() {
    reader_.Release();
    for (const auto& login : logins_) login->ended.WaitForNotification();
  }

  testing::FakeReader reader_;
  TestKeys keys_;
  commands::CommandLink link_{
      {.client_id = "test", .source = "/test"}, {}, telemetry::NewGauge("test_pending", "For tests.")};
  CommandClient commands_{link_};
  rpc::WorkPool queries_{{.name = "test", .threads = 2, .max_waiting = 40}};
  std::shared_ptr<Sessions> sessions_;
  std::unique_ptr<UserCalls> calls_;
  std::unique_ptr<KeyCalls> key_calls_;
  std::unique_ptr<testing::InProcessServer> server_;
  std::unique_ptr<v1::UserService::Stub> stub_;
  std::vector<std::unique_ptr<Call>> logins_;
};

TEST_F(SessionsTest, RefusesMoreGuessesAtOneAccountAndTakesOthers) {
  HoldPasswords();
  for (int i = 0; i < 8; ++i) LogIn("ada@example.org", i < 4 ? "10.0.0.5" : "10.0.0.6");
  ASSERT_TRUE(Waits(8));
  // However it is written, and from wherever it comes.
  Call& refused = LogIn(" ADA@example.org", "10.0.0.7");
  refused.ended.WaitForNotification();
  EXPECT_EQ(refused.status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(refused.status.error_details(), HasSubstr("TOO_MANY_LOGINS"));
  Call& other = LogIn("bob@example.org");
  ASSERT_TRUE(Waits(9));
  EndAll();
  EXPECT_EQ(other.status.error_code(), grpc::StatusCode::UNAUTHENTICATED);
}

TEST_F(SessionsTest, LetsNoAddressKeepAnAccountFromOthers) {
  HoldPasswords();
  for (int i = 0; i < 4; ++i) LogIn("ada@example.org", "10.0.0.7");
  ASSERT_TRUE(Waits(4));
  Call& refused = LogIn("ada@example.org", "10.0.0.7");
  refused.ended.WaitForNotification();
  EXPECT_THAT(refused.status.error_details(), HasSubstr("TOO_MANY_LOGINS"));
  Call& owner = LogIn("ada@example.org", "10.0.0.8");
  ASSERT_TRUE(Waits(5));
  EndAll();
  EXPECT_EQ(owner.status.error_code(), grpc::StatusCode::UNAUTHENTICATED);
}

TEST_F(SessionsTest, KeepsPlacesForOtherAddressesThanOne) {
  HoldPasswords();
  for (int i = 0; i < 20; ++i) LogIn(std::to_string(i) + "@example.org", "10.0.0.7");
  ASSERT_TRUE(Waits(20));
  Call& refused = LogIn("more@example.org", "10.0.0.7");
  refused.ended.WaitForNotification();
  EXPECT_THAT(refused.status.error_details(), HasSubstr("TOO_MANY_LOGINS"));
  Call& other = LogIn("ada@example.org", "10.0.0.8");
  ASSERT_TRUE(Waits(21));
  EndAll();
  EXPECT_EQ(other.status.error_code(), grpc::StatusCode::UNAUTHENTICATED);
}

TEST_F(SessionsTest, VerifiesNoPasswordOfACallerWhoWentAway) {
  HoldPasswords();
  for (int i = 0; i < 5; ++i) LogIn(std::to_string(i) + "@example.org");
  ASSERT_TRUE(Waits(5));
  for (size_t i = 1; i < logins_.size(); ++i) logins_[i]->context.TryCancel();
  EXPECT_TRUE(Waits(0));
  EndAll();
}

TEST_F(SessionsTest, AnswersHealthWhileSessionsAreLookedFor) {
  v1::RefreshSessionRequest refresh;
  refresh.set_refresh_token("session.secret");
  v1::LogOutRequest log_out;
  log_out.set_refresh_token("session.secret");
  EXPECT_TRUE(testing::AnswersHealthWhileItsStoreHangs(
      *calls_, reader_, queries_, 2,
      {{"/tradewind.user.v1.UserService/RefreshSession", refresh.SerializeAsString()},
       {"/tradewind.user.v1.UserService/LogOut", log_out.SerializeAsString()}}));
}

TEST_F(SessionsTest, AnswersHealthWhileTheSigningKeyIsRead) {
  EXPECT_TRUE(testing::AnswersHealthWhileItsStoreHangs(*key_calls_, reader_, queries_, 2,
                                                       {{"/tradewind.mesh.v1.KeyService/ListVerificationKeys"}}));
}

TEST_F(SessionsTest, ListsTheKeyThatIsStoredAndMakesNone) {
  mesh::v1::ListVerificationKeysResponse listed;
  EXPECT_FALSE(sessions_->ListKnownKeys(&listed));
  EXPECT_TRUE(sessions_->ListVerificationKeys(&listed).ok());
  EXPECT_THAT(listed.keys(), IsEmpty());

  internal::v1::SigningKeyRecord record;
  record.set_id("k-1");
  record.set_public_pem("public");
  record.set_private_pem("private");
  reader_.Put(record.GetDescriptor()->full_name(), kSigningKey, record.SerializeAsString(), {});
  EXPECT_TRUE(sessions_->ListVerificationKeys(&listed).ok());
  ASSERT_EQ(listed.keys_size(), 1);
  EXPECT_EQ(listed.keys(0).public_pem(), "public");
  // Known from now on, whatever the store does.
  reader_.FailWith(absl::UnavailableError("away"));
  listed.Clear();
  EXPECT_TRUE(sessions_->ListKnownKeys(&listed));
  EXPECT_THAT(listed.SerializeAsString(), ::testing::Not(HasSubstr("private")));
}

}  // namespace
}  // namespace tradewind::user
