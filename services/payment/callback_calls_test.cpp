#include "services/payment/callback_calls.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <vector>

#include "absl/time/clock.h"

#include "tradewind/auth/webhook_signature.h"

namespace tradewind::payment {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kBody[] =
    R"({"order_id": "o-1", "operation_id": "o-1/authorize", "result": "done", "reference": "ref-1"})";

class CallbackCallsTest : public ::testing::Test {
 protected:
  http::Request Signed(const std::string& body, const std::string& secret, absl::Duration age = absl::ZeroDuration()) {
    const std::string timestamp = std::to_string(absl::ToUnixSeconds(absl::Now() - age));
    return {.method = "POST",
            .target = "/v1/callbacks",
            .headers = {{"webhook-id", "msg-1"},
                        {"webhook-timestamp", timestamp},
                        {"webhook-signature", auth::SignWebhook(secret, "msg-1", timestamp, body)}},
            .body = body};
  }
  http::Response Handle(const http::Request& request) {
    std::optional<http::Response> answer;
    calls_.Handle(request, [&](http::Response response) { answer = std::move(response); });
    EXPECT_TRUE(answer.has_value());
    return answer.value_or(http::Response{.status = 0});
  }
  // What the command is answered with.
  void Answer(absl::StatusCode code, const std::string& message) {
    outcome_.error.set_code(static_cast<int>(code));
    outcome_.error.set_message(message);
  }

  const std::string old_ = "whsec_b2xkZXIgc2VjcmV0";
  const std::string new_ = "whsec_bmV3ZXIgc2VjcmV0";
  CommandOutcome outcome_;
  std::vector<v1::ReportOperationRequest> reports_;
  const CallbackCalls calls_{{new_, old_}, [this](const v1::ReportOperationRequest& report, CommandClient::Done done) {
                               reports_.push_back(report);
                               std::move(done)(outcome_);
                             }};
};

TEST_F(CallbackCallsTest, SendsOnWhatIsSignedByEitherSecret) {
  for (const std::string& secret : {old_, new_}) EXPECT_EQ(Handle(Signed(kBody, secret)).status, 200);
  ASSERT_EQ(reports_.size(), 2);
  EXPECT_EQ(reports_[0].order_id(), "o-1");
  EXPECT_EQ(reports_[0].operation_id(), "o-1/authorize");
  EXPECT_EQ(reports_[0].provider_reference(), "ref-1");
}

TEST_F(CallbackCallsTest, SendsOnNothingThatIsNotSigned) {
  EXPECT_EQ(Handle(Signed(kBody, "whsec_bm9ib2R5J3Mgc2VjcmV0")).status, 401);
  EXPECT_EQ(Handle(Signed(kBody, new_, absl::Minutes(6))).status, 401);
  EXPECT_EQ(Handle(Signed(kBody, new_, absl::Minutes(-6))).status, 401);
  http::Request changed = Signed(kBody, new_);
  changed.body += " ";
  EXPECT_EQ(Handle(changed).status, 401);
  http::Request bare = Signed(kBody, new_);
  bare.headers.clear();
  const http::Response answer = Handle(bare);
  EXPECT_EQ(answer.status, 401);
  EXPECT_THAT(answer.body, HasSubstr("webhook-id"));
  EXPECT_THAT(reports_, IsEmpty());
}

TEST_F(CallbackCallsTest, SaysWhatIsWrongWithABody) {
  const http::Response answer = Handle(Signed(R"({"order_id": "o-1"})", new_));
  EXPECT_EQ(answer.status, 400);
  EXPECT_THAT(answer.body, HasSubstr("operation_id"));
  EXPECT_THAT(reports_, IsEmpty());
}

TEST_F(CallbackCallsTest, HasOnePathAndOneMethod) {
  http::Request request = Signed(kBody, new_);
  request.target = "/v1/callback";
  EXPECT_EQ(Handle(request).status, 404);
  request = Signed(kBody, new_);
  request.method = "GET";
  EXPECT_EQ(Handle(request).status, 405);
  EXPECT_THAT(reports_, IsEmpty());
}

TEST_F(CallbackCallsTest, AnswersWhatBecameOfTheCommand) {
  Answer(absl::StatusCode::kNotFound, "there is no payment 'o-1'");
  EXPECT_EQ(Handle(Signed(kBody, new_)).status, 404);
  EXPECT_THAT(Handle(Signed(kBody, new_)).body, HasSubstr("there is no payment"));
  Answer(absl::StatusCode::kInvalidArgument, "provider_reference");
  EXPECT_EQ(Handle(Signed(kBody, new_)).status, 400);
  // Declined after the authorization: told, and for a person to settle.
  Answer(absl::StatusCode::kFailedPrecondition, "the provider declined");
  EXPECT_EQ(Handle(Signed(kBody, new_)).status, 200);
  for (const auto code : {absl::StatusCode::kUnavailable, absl::StatusCode::kDeadlineExceeded}) {
    Answer(code, "later");
    EXPECT_EQ(Handle(Signed(kBody, new_)).status, 503);
  }
}

}  // namespace
}  // namespace tradewind::payment
