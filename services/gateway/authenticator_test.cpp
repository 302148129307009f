#include "services/gateway/authenticator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "absl/time/clock.h"

#include "tradewind/auth/token.h"
#include "tradewind/mesh/v1/keys.grpc.pb.h"
#include "tradewind/rpc/server.h"

namespace tradewind::gateway {
namespace {

using ::testing::HasSubstr;

class Keys final : public mesh::v1::KeyService::CallbackService {
 public:
  grpc::ServerUnaryReactor* ListVerificationKeys(grpc::CallbackServerContext* context,
                                                 const mesh::v1::ListVerificationKeysRequest* /*request*/,
                                                 mesh::v1::ListVerificationKeysResponse* response) override {
    ++asked;
    for (const auth::SigningKey& key : keys) {
      auto& listed = *response->add_keys();
      listed.set_id(key.id);
      listed.set_public_pem(key.public_pem);
    }
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }

  std::vector<auth::SigningKey> keys;
  std::atomic<int> asked = 0;
};

class AuthenticatorTest : public ::testing::Test {
 protected:
  void SetUp() override {
    keys_.keys.push_back(auth::NewSigningKey().value());
    auto server = rpc::Server::Start({.address = "127.0.0.1:0"}, {.services = {&keys_}});
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    authenticator_ = std::make_unique<Authenticator>("127.0.0.1:" + std::to_string(server_->port()));
  }
  std::string Bearer(const auth::SigningKey& key) const {
    return "Bearer " +
           auth::SignToken(key, {.subject = "u-1", .issued = now_, .expires = now_ + absl::Minutes(1)}).value();
  }

  const absl::Time now_ = absl::Now();
  Keys keys_;
  std::unique_ptr<rpc::Server> server_;
  std::unique_ptr<Authenticator> authenticator_;
};

TEST_F(AuthenticatorTest, KnowsNobodyWithoutAToken) {
  const auto caller = authenticator_->Identify("", now_);
  EXPECT_EQ(caller.id, "");
  EXPECT_FALSE(caller.problem.has_value());
  EXPECT_EQ(keys_.asked, 0);
}

TEST_F(AuthenticatorTest, KnowsTheCallerByAToken) {
  const std::string bearer = Bearer(keys_.keys[0]);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(authenticator_->Identify(bearer, now_).id, "u-1");
  EXPECT_EQ(keys_.asked, 1);
}

TEST_F(AuthenticatorTest, ForgetsATokenWhenItExpires) {
  const std::string bearer = Bearer(keys_.keys[0]);
  EXPECT_EQ(authenticator_->Identify(bearer, now_).id, "u-1");
  const auto late = authenticator_->Identify(bearer, now_ + absl::Minutes(2));
  ASSERT_TRUE(late.problem.has_value());
  EXPECT_EQ(late.problem->reason, "TOKEN_INVALID");
  EXPECT_THAT(late.problem->message, HasSubstr("expired"));
}

TEST_F(AuthenticatorTest, AsksForAKeyThatItHasNotMetAndNotForEveryForgery) {
  EXPECT_EQ(authenticator_->Identify(Bearer(keys_.keys[0]), now_).id, "u-1");
  const auth::SigningKey stranger = auth::NewSigningKey().value();
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(authenticator_->Identify(Bearer(stranger), now_).problem->reason, "TOKEN_INVALID");
  }
  EXPECT_EQ(keys_.asked, 1);
  // It is no stranger any more.
  keys_.keys.push_back(stranger);
  EXPECT_EQ(authenticator_->Identify(Bearer(stranger), now_ + absl::Seconds(2)).id, "u-1");
  EXPECT_EQ(keys_.asked, 2);
}

TEST_F(AuthenticatorTest, SaysWhatIsWrongWithAnAuthorization) {
  for (const char* wrong : {"Basic YTpi", "Bearer ", "Bearer x.y.z", "bearer"}) {
    const auto caller = authenticator_->Identify(wrong, now_);
    ASSERT_TRUE(caller.problem.has_value()) << wrong;
    EXPECT_EQ(caller.problem->code, absl::StatusCode::kUnauthenticated) << wrong;
    EXPECT_EQ(caller.id, "");
  }
}

TEST_F(AuthenticatorTest, LetsTheCallerTryAgainWhereNoKeysCanBeHad) {
  const std::string bearer = Bearer(keys_.keys[0]);
  server_->Shutdown(absl::Seconds(1));
  server_.reset();
  EXPECT_EQ(authenticator_->Identify(bearer, now_).problem->reason, "KEYS_UNAVAILABLE");
}

TEST(AuthenticatorWithoutKeysTest, RefusesEveryToken) {
  Authenticator authenticator("");
  EXPECT_EQ(authenticator.Identify("Bearer x", absl::Now()).problem->reason, "TOKEN_INVALID");
  EXPECT_FALSE(authenticator.Identify("", absl::Now()).problem.has_value());
}

}  // namespace
}  // namespace tradewind::gateway
