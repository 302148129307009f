#include "services/gateway/authenticator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"

#include "tradewind/auth/token.h"
#include "tradewind/mesh/v1/keys.grpc.pb.h"
#include "tradewind/rpc/server.h"
#include "tradewind/testing/eventually.h"

namespace tradewind::gateway {
namespace {

using ::testing::HasSubstr;

// The owner of the keys. Hangs while it is told to.
class Keys final : public mesh::v1::KeyService::CallbackService {
 public:
  grpc::ServerUnaryReactor* ListVerificationKeys(grpc::CallbackServerContext* context,
                                                 const mesh::v1::ListVerificationKeysRequest* /*request*/,
                                                 mesh::v1::ListVerificationKeysResponse* response) override {
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    const std::lock_guard lock(mutex_);
    ++asked_;
    for (const auth::SigningKey& key : keys_) {
      auto& listed = *response->add_keys();
      listed.set_id(key.id);
      listed.set_public_pem(key.public_pem);
    }
    if (hanging_) {
      hung_.push_back(reactor);
    } else {
      reactor->Finish(grpc::Status::OK);
    }
    return reactor;
  }

  void Add(const auth::SigningKey& key) {
    const std::lock_guard lock(mutex_);
    keys_.push_back(key);
  }
  int asked() const {
    const std::lock_guard lock(mutex_);
    return asked_;
  }
  void Hang() {
    const std::lock_guard lock(mutex_);
    hanging_ = true;
  }
  // Without the keys that came meanwhile.
  void LetGo() {
    const std::lock_guard lock(mutex_);
    hanging_ = false;
    for (grpc::ServerUnaryReactor* reactor : hung_) reactor->Finish(grpc::Status::OK);
    hung_.clear();
  }

 private:
  mutable std::mutex mutex_;
  std::vector<auth::SigningKey> keys_;
  std::vector<grpc::ServerUnaryReactor*> hung_;
  bool hanging_ = false;
  int asked_ = 0;
};

class AuthenticatorTest : public ::testing::Test {
 protected:
  void SetUp() override {
    keys_.Add(key_);
    auto server = rpc::Server::Start({.address = "127.0.0.1:0"}, {.services = {&keys_}});
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }
  void TearDown() override {
    keys_.LetGo();
    authenticator_.reset();
  }
  void Start(const Authenticator::Options& options) {
    authenticator_ = std::make_unique<Authenticator>("127.0.0.1:" + std::to_string(server_->port()), options);
  }
  // Who it is, awaited where the key is not known.
  Identity IdentifyOrAwait(const std::string& bearer) {
    if (auto known = authenticator_->Identify(bearer, absl::Now())) return *std::move(known);
    absl::Notification ended;
    Identity identity;
    authenticator_->Await(bearer, [&](Identity one) {
      identity = std::move(one);
      ended.Notify();
    });
    ended.WaitForNotification();
    return identity;
  }
  std::string Bearer(const auth::SigningKey& key) const {
    return "Bearer " +
           auth::SignToken(key, {.subject = "u-1", .issued = now_, .expires = now_ + absl::Minutes(1)}).value();
  }

  const absl::Time now_ = absl::Now();
  const auth::SigningKey key_ = auth::NewSigningKey().value();
  Keys keys_;
  std::unique_ptr<rpc::Server> server_;
  std::unique_ptr<Authenticator> authenticator_;
};

TEST_F(AuthenticatorTest, KnowsNobodyWithoutAToken) {
  Start({});
  const auto nobody = authenticator_->Identify("", now_);
  ASSERT_TRUE(nobody.has_value());
  EXPECT_EQ(nobody->id, "");
  EXPECT_FALSE(nobody->problem.has_value());
}

TEST_F(AuthenticatorTest, KnowsTheCallerByATokenWithoutAskingAgain) {
  Start({});
  const std::string bearer = Bearer(key_);
  EXPECT_EQ(IdentifyOrAwait(bearer).id, "u-1");
  const int asked = keys_.asked();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(authenticator_->Identify(bearer, now_)->id, "u-1");
  EXPECT_EQ(authenticator_->Identify(Bearer(key_), now_)->id, "u-1");
  EXPECT_EQ(keys_.asked(), asked);
}

TEST_F(AuthenticatorTest, HasTheKeysBeforeTheFirstToken) {
  Start({});
  const std::string bearer = Bearer(key_);
  EXPECT_TRUE(testing::Eventually([&] { return authenticator_->Identify(bearer, now_).has_value(); }));
  EXPECT_EQ(keys_.asked(), 1);
}

TEST_F(AuthenticatorTest, ForgetsATokenWhenItExpires) {
  Start({});
  const std::string bearer = Bearer(key_);
  EXPECT_EQ(IdentifyOrAwait(bearer).id, "u-1");
  const auto late = authenticator_->Identify(bearer, now_ + absl::Minutes(2));
  ASSERT_TRUE(late.has_value() && late->problem.has_value());
  EXPECT_EQ(late->problem->reason, "TOKEN_INVALID");
  EXPECT_THAT(late->problem->message, HasSubstr("expired"));
}

TEST_F(AuthenticatorTest, RemembersAKeyThatNobodyHas) {
  Start({.pause = absl::ZeroDuration(), .unknown_for = absl::Hours(1)});
  const auth::SigningKey stranger = auth::NewSigningKey().value();
  EXPECT_EQ(IdentifyOrAwait(Bearer(stranger)).problem->reason, "TOKEN_INVALID");
  const int asked = keys_.asked();
  for (int i = 0; i < 5; ++i) {
    const auto again = authenticator_->Identify(Bearer(stranger), now_);
    ASSERT_TRUE(again.has_value());
    EXPECT_EQ(again->problem->reason, "TOKEN_INVALID");
  }
  EXPECT_EQ(keys_.asked(), asked);
}

TEST_F(AuthenticatorTest, MeetsAKeyThatIsNew) {
  Start({.pause = absl::ZeroDuration(), .unknown_for = absl::ZeroDuration()});
  const auth::SigningKey late = auth::NewSigningKey().value();
  EXPECT_EQ(IdentifyOrAwait(Bearer(late)).problem->reason, "TOKEN_INVALID");
  keys_.Add(late);
  EXPECT_EQ(IdentifyOrAwait(Bearer(late)).id, "u-1");
}

TEST_F(AuthenticatorTest, AsksOnceForAllWhoWait) {
  keys_.Hang();
  Start({.pause = absl::ZeroDuration(), .timeout = absl::Hours(1)});
  ASSERT_TRUE(testing::Eventually([&] { return keys_.asked() == 1; }));
  absl::BlockingCounter answers(50);
  for (int i = 0; i < 50; ++i) {
    authenticator_->Await(Bearer(auth::NewSigningKey().value()), [&](const Identity& identity) {
      EXPECT_EQ(identity.problem->reason, "TOKEN_INVALID");
      answers.DecrementCount();
    });
  }
  keys_.LetGo();
  answers.Wait();
  // At the start, and for all of them.
  EXPECT_EQ(keys_.asked(), 2);
}

TEST_F(AuthenticatorTest, BoundsHowManyWait) {
  keys_.Hang();
  Start({.timeout = absl::Hours(1), .max_waiting = 1});
  ASSERT_TRUE(testing::Eventually([&] { return keys_.asked() == 1; }));
  absl::Notification first;
  authenticator_->Await(Bearer(key_), [&](const Identity&) { first.Notify(); });
  std::string reason;
  authenticator_->Await(Bearer(key_), [&](const Identity& identity) { reason = identity.problem->reason; });
  EXPECT_EQ(reason, "KEYS_UNAVAILABLE");
  EXPECT_FALSE(first.HasBeenNotified());
  keys_.LetGo();
  first.WaitForNotification();
}

TEST_F(AuthenticatorTest, SaysWhatIsWrongWithAnAuthorization) {
  Start({});
  for (const char* wrong : {"Basic YTpi", "Bearer ", "Bearer x.y.z", "bearer"}) {
    const auto caller = authenticator_->Identify(wrong, now_);
    ASSERT_TRUE(caller.has_value() && caller->problem.has_value()) << wrong;
    EXPECT_EQ(caller->problem->code, absl::StatusCode::kUnauthenticated) << wrong;
    EXPECT_EQ(caller->id, "");
  }
}

TEST_F(AuthenticatorTest, LetsTheCallerTryAgainWhereNoKeysCanBeHad) {
  server_->Shutdown(absl::Seconds(1));
  Start({});
  const Identity refused = IdentifyOrAwait(Bearer(key_));
  EXPECT_EQ(refused.problem->reason, "KEYS_UNAVAILABLE");
  // Nobody but the log is told where.
  EXPECT_THAT(refused.problem->message, ::testing::Not(HasSubstr("127.0.0.1")));
}

TEST(AuthenticatorWithoutKeysTest, RefusesEveryToken) {
  Authenticator authenticator("");
  EXPECT_EQ(authenticator.Identify("Bearer x", absl::Now())->problem->reason, "TOKEN_INVALID");
  EXPECT_FALSE(authenticator.Identify("", absl::Now())->problem.has_value());
}

}  // namespace
}  // namespace tradewind::gateway
