#include "services/payment/payment_effect.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <vector>

#include "services/payment/sandbox_provider.h"

namespace tradewind::payment {
namespace {

using Kind = Outcome::Kind;
using Report = v1::ReportOperationRequest;

v1::OperationRequested Requested(v1::PaymentOperation operation, const std::string& token,
                                 const std::string& reference = "") {
  v1::OperationRequested requested;
  requested.set_order_id("o-1");
  requested.set_operation_id("o-1/operation");
  requested.set_operation(operation);
  requested.set_payment_token(token);
  requested.set_provider_reference(reference);
  return requested;
}

v1::OperationRequested Authorize(const std::string& token) { return Requested(v1::PAYMENT_OPERATION_AUTHORIZE, token); }

struct Result {
  Outcome outcome;
  std::vector<Report> reports;
};

Result CarryOut(const PaymentEffect& effect, const v1::OperationRequested& requested, int32_t attempt = 1) {
  static const std::atomic<bool> stopping = false;
  EffectContext context({.key = "o-1", .event_id = "event-1", .traceparent = "", .attempt = attempt},
                        absl::InfiniteFuture(), stopping);
  Result result{.outcome = effect(requested, context), .reports = {}};
  for (const auto& event : context.TakeEvents()) result.reports.push_back(static_cast<const Report&>(*event));
  return result;
}

std::shared_ptr<seal::Keys> Keys() {
  auto keys = std::make_shared<seal::Keys>();
  keys->StartInMemory();
  return keys;
}

PaymentEffect Sandbox(const std::shared_ptr<seal::Keys>& keys = Keys()) {
  const auto settings = std::make_shared<SandboxSettings>();
  settings->delay = absl::Seconds(7);
  return PaymentEffect(std::make_shared<SandboxProvider>(settings), keys);
}

TEST(PaymentEffectTest, ReportsAnApproval) {
  const Result result = CarryOut(Sandbox(), Authorize("tok_approve"));
  ASSERT_EQ(result.outcome.kind(), Kind::kAck);
  ASSERT_EQ(result.reports.size(), 1);
  EXPECT_EQ(result.reports[0].order_id(), "o-1");
  EXPECT_EQ(result.reports[0].operation_id(), "o-1/operation");
  EXPECT_EQ(result.reports[0].result(), Report::RESULT_DONE);
  EXPECT_NE(result.reports[0].provider_reference(), "");
}

TEST(PaymentEffectTest, ShowsTheProviderTheTokenThatCameSealed) {
  const auto keys = Keys();
  keys->Prepare("u-1", absl::InfiniteFuture(), [](const absl::Status& prepared) { ASSERT_TRUE(prepared.ok()); });
  const Result result = CarryOut(Sandbox(keys), Authorize(*keys->Seal("u-1", "tok_approve")));
  ASSERT_EQ(result.reports.size(), 1);
  EXPECT_EQ(result.reports[0].result(), Report::RESULT_DONE);
}

TEST(PaymentEffectTest, ShowsTheProviderNoTokenOfAnotherUser) {
  const auto keys = Keys();
  keys->Prepare("u-1", absl::InfiniteFuture(), [](const absl::Status& prepared) { ASSERT_TRUE(prepared.ok()); });
  v1::OperationRequested requested = Authorize(*keys->Seal("u-1", "tok_approve"));
  requested.set_user_id("u-1");
  EXPECT_EQ(CarryOut(Sandbox(keys), requested).outcome.kind(), Kind::kAck);
  requested.set_user_id("u-2");
  const Result result = CarryOut(Sandbox(keys), requested);
  EXPECT_EQ(result.outcome.kind(), Kind::kDead);
  EXPECT_TRUE(result.reports.empty());
}

TEST(PaymentEffectTest, IsTriedAgainWhereTheTokenCannotBeOpened) {
  const auto keys = Keys();
  keys->Prepare("u-1", absl::InfiniteFuture(), [](const absl::Status& prepared) { ASSERT_TRUE(prepared.ok()); });
  const auto others = std::make_shared<seal::Keys>();
  EXPECT_EQ(CarryOut(Sandbox(others), Authorize(*keys->Seal("u-1", "tok_approve"))).outcome.kind(), Kind::kRetry);
}

TEST(PaymentEffectTest, ReportsADeclineOfWhatItDoesNotKnow) {
  for (const char* token : {"tok_decline", "", "4111 1111 1111 1111"}) {
    const Result result = CarryOut(Sandbox(), Authorize(token));
    ASSERT_EQ(result.outcome.kind(), Kind::kAck) << token;
    ASSERT_EQ(result.reports.size(), 1) << token;
    EXPECT_EQ(result.reports[0].result(), Report::RESULT_DECLINED) << token;
    EXPECT_EQ(result.reports[0].reason(), "declined by the sandbox") << token;
  }
}

TEST(PaymentEffectTest, AsksAgainWhereTheProviderIsUndecided) {
  const Result first = CarryOut(Sandbox(), Authorize("tok_delay"));
  ASSERT_EQ(first.outcome.kind(), Kind::kRetry);
  EXPECT_EQ(first.outcome.after(), absl::Seconds(7));
  EXPECT_TRUE(first.reports.empty());
  EXPECT_EQ(CarryOut(Sandbox(), Authorize("tok_delay"), 2).reports.size(), 1);
}

TEST(PaymentEffectTest, RepeatsWhatFailed) {
  for (const int32_t attempt : {1, 2}) {
    EXPECT_EQ(CarryOut(Sandbox(), Authorize("tok_error"), attempt).outcome.kind(), Kind::kRetry);
  }
  const Result third = CarryOut(Sandbox(), Authorize("tok_error"), 3);
  ASSERT_EQ(third.reports.size(), 1);
  EXPECT_EQ(CarryOut(Sandbox(), Authorize("tok_unreachable"), 9).outcome.kind(), Kind::kRetry);

  const auto capture = Requested(v1::PAYMENT_OPERATION_CAPTURE, "", third.reports[0].provider_reference());
  EXPECT_EQ(CarryOut(Sandbox(), capture, 1).outcome.kind(), Kind::kRetry);
  EXPECT_EQ(CarryOut(Sandbox(), capture, 2).reports.size(), 1);
}

TEST(PaymentEffectTest, PassesOnWhatIsSaidTwice) {
  const Result authorized = CarryOut(Sandbox(), Authorize("tok_duplicate"));
  ASSERT_EQ(authorized.reports.size(), 2);
  const auto capture = Requested(v1::PAYMENT_OPERATION_CAPTURE, "", authorized.reports[0].provider_reference());
  EXPECT_EQ(CarryOut(Sandbox(), capture).reports.size(), 2);
}

class Refusing final : public PaymentProvider {
 public:
  absl::StatusOr<ProviderAnswer> Carry(const ProviderCall& /*call*/, absl::Time /*deadline*/) override {
    return ProviderAnswer{.kind = ProviderAnswer::Kind::kDeclined, .reason = "too late"};
  }
};

TEST(PaymentEffectTest, LeavesWhatAProviderDeclinesAfterAnAuthorizationToAPerson) {
  for (const auto operation :
       {v1::PAYMENT_OPERATION_CAPTURE, v1::PAYMENT_OPERATION_VOID, v1::PAYMENT_OPERATION_REFUND}) {
    const Result result = CarryOut(PaymentEffect(std::make_shared<Refusing>(), Keys()), Requested(operation, ""));
    ASSERT_EQ(result.outcome.kind(), Kind::kDead);
    EXPECT_THAT(result.outcome.reason(), ::testing::HasSubstr("too late"));
    EXPECT_TRUE(result.reports.empty());
  }
}

}  // namespace
}  // namespace tradewind::payment
