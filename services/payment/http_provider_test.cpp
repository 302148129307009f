// The provider over real connections, to a server of this process that answers as it is told.
#include "services/payment/http_provider.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <mutex>

#include "absl/time/clock.h"

#include "tradewind/http/server.h"

namespace tradewind::payment {
namespace {

using ::testing::HasSubstr;

class HttpProviderTest : public ::testing::Test {
 protected:
  HttpProviderTest() {
    auto server =
        http::Server::Start({.address = "127.0.0.1:0"}, [this](http::Request request, http::Server::Done done) {
          const std::lock_guard lock(mutex_);
          request_ = std::move(request);
          if (answers_) std::move(done)(answer_);
        });
    EXPECT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    settings_->url = fmt::format("http://localhost:{}/api/", server_->port());
    settings_->key = config::Secret("k-1");
  }
  absl::StatusOr<ProviderAnswer> Carry(const std::string& key = "o-1/authorize",
                                       absl::Time deadline = absl::InfiniteFuture()) {
    return HttpProvider(settings_).Carry({.operation = v1::PAYMENT_OPERATION_AUTHORIZE,
                                          .order_id = "o-1",
                                          .idempotency_key = key,
                                          .payment_token = "tok_1"},
                                         deadline);
  }

  std::mutex mutex_;
  http::Request request_;
  http::Response answer_{.status = 200, .body = R"({"result": "done", "reference": "ref-1"})"};
  bool answers_ = true;
  std::unique_ptr<http::Server> server_;
  const std::shared_ptr<HttpProviderSettings> settings_ = std::make_shared<HttpProviderSettings>();
};

TEST_F(HttpProviderTest, PostsWithTheKeyOfTheOperation) {
  const auto answer = Carry();
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->reference, "ref-1");
  const std::lock_guard lock(mutex_);
  EXPECT_EQ(request_.method, "POST");
  EXPECT_EQ(request_.target, "/api/v1/operations");
  EXPECT_EQ(request_.Header("idempotency-key"), "o-1/authorize");
  EXPECT_EQ(request_.Header("authorization"), "Bearer k-1");
  EXPECT_EQ(request_.Header("content-type"), "application/json");
  EXPECT_THAT(request_.body, HasSubstr("tok_1"));
}

TEST_F(HttpProviderTest, FollowsNoRedirectAndReadsNoEndlessAnswer) {
  answer_ = {.status = 302, .body = "{}"};
  EXPECT_TRUE(absl::IsUnavailable(Carry().status()));
  answer_ = {.status = 200, .body = std::string(1 << 20, ' ')};
  EXPECT_TRUE(absl::IsInternal(Carry().status()));
}

TEST_F(HttpProviderTest, WaitsNoLongerThanItMay) {
  answers_ = false;
  EXPECT_TRUE(absl::IsUnavailable(Carry("o-1/authorize", absl::Now() + absl::Milliseconds(50)).status()));
  settings_->timeout = absl::Milliseconds(50);
  EXPECT_TRUE(absl::IsUnavailable(Carry().status()));
  server_.reset();
  EXPECT_TRUE(absl::IsUnavailable(Carry().status()));
}

TEST_F(HttpProviderTest, SendsNoHeaderThatAnIdCouldAdd) {
  EXPECT_TRUE(absl::IsInvalidArgument(Carry("o-1\r\nAuthorization: other").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(Carry("").status()));
}

}  // namespace
}  // namespace tradewind::payment
