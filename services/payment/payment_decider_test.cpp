#include "services/payment/payment_decider.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tradewind/money/money.h"
#include "tradewind/testing/fake_context.h"

namespace tradewind::payment {
namespace {

using google::type::Money;
using Kind = Outcome::Kind;
using Report = v1::ReportOperationRequest;

Money Euro(int64_t units) {
  Money money = money::Zero("EUR");
  money.set_units(units);
  return money;
}

template <typename Event>
Event About() {
  Event event;
  event.set_order_id("o-1");
  return event;
}

order::v1::OrderReserved Reserved(int64_t units = 30) {
  auto event = About<order::v1::OrderReserved>();
  event.set_user_id("u-1");
  event.set_payment_token("tok_approve");
  *event.mutable_total() = Euro(units);
  return event;
}

v1::RefundPaymentRequest Refund() {
  v1::RefundPaymentRequest command;
  command.set_id("o-1");
  return command;
}

v1::RefundPaymentRequest Refund(int64_t units) {
  v1::RefundPaymentRequest command = Refund();
  *command.mutable_amount() = Euro(units);
  return command;
}

class PaymentDeciderTest : public ::testing::Test {
 protected:
  template <typename Message>
  Outcome Run(const Message& message) {
    Outcome outcome = context_.Decide<PaymentDecider>(message);
    for (const auto& asked : context_.Events<v1::OperationRequested>()) asked_.push_back(asked);
    return outcome;
  }
  // The provider's answer to the operation of that id.
  Outcome Answer(const std::string& operation_id, Report::Result result = Report::RESULT_DONE) {
    auto report = About<Report>();
    report.set_operation_id(operation_id);
    report.set_result(result);
    report.set_provider_reference("ref-1");
    report.set_reason("no such luck");
    return Run(report);
  }
  void GivenAuthorized() {
    ASSERT_EQ(Run(Reserved()).kind(), Kind::kAck);
    ASSERT_EQ(Answer("o-1/authorize").kind(), Kind::kAck);
  }
  void GivenCaptured() {
    GivenAuthorized();
    ASSERT_EQ(Run(About<order::v1::OrderShipped>()).kind(), Kind::kAck);
    ASSERT_EQ(Answer("o-1/capture").kind(), Kind::kAck);
  }

  const v1::Payment& payment() const { return context_.Find<internal::v1::PaymentRecord>("o-1")->payment(); }
  // Ids of all operations that the provider was ever asked for.
  std::vector<std::string> asked() const {
    std::vector<std::string> ids;
    for (const auto& one : asked_) ids.push_back(one.operation_id());
    return ids;
  }

  testing::FakeContext context_;
  std::vector<v1::OperationRequested> asked_;
};

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST_F(PaymentDeciderTest, AsksWhetherTheMoneyIsThere) {
  ASSERT_EQ(Run(Reserved()).kind(), Kind::kAck);
  EXPECT_EQ(payment().state(), v1::PAYMENT_STATE_AUTHORIZING);
  EXPECT_EQ(payment().pending(), v1::PAYMENT_OPERATION_AUTHORIZE);
  EXPECT_EQ(payment().user_id(), "u-1");
  EXPECT_EQ(payment().revision(), 1);
  EXPECT_TRUE(money::Equal(payment().amount(), Euro(30)));
  ASSERT_THAT(asked(), ElementsAre("o-1/authorize"));
  EXPECT_EQ(asked_[0].payment_token(), "tok_approve");
  EXPECT_TRUE(money::Equal(asked_[0].amount(), Euro(30)));

  // Once for each order.
  ASSERT_EQ(Run(Reserved()).kind(), Kind::kAck);
  EXPECT_EQ(asked_.size(), 1);
}

TEST_F(PaymentDeciderTest, KeepsNoTokenAndNoPaymentOfNothing) {
  ASSERT_EQ(Run(Reserved(0)).kind(), Kind::kAck);
  EXPECT_EQ(context_.Find<internal::v1::PaymentRecord>("o-1"), nullptr);
  ASSERT_EQ(Run(Reserved()).kind(), Kind::kAck);
  EXPECT_EQ(context_.Find<internal::v1::PaymentRecord>("o-1")->SerializeAsString().find("tok_approve"),
            std::string::npos);
}

TEST_F(PaymentDeciderTest, TellsThatTheMoneyIsHeldOrThatItIsNot) {
  GivenAuthorized();
  EXPECT_EQ(payment().state(), v1::PAYMENT_STATE_AUTHORIZED);
  EXPECT_EQ(payment().provider_reference(), "ref-1");
  EXPECT_EQ(payment().pending(), v1::PAYMENT_OPERATION_UNSPECIFIED);
  EXPECT_EQ(context_.Events<v1::PaymentAuthorized>().size(), 1);

  testing::FakeContext other;
  ASSERT_EQ(other.Decide<PaymentDecider>(Reserved()).kind(), Kind::kAck);
  auto declined = About<Report>();
  declined.set_operation_id("o-1/authorize");
  declined.set_result(Report::RESULT_DECLINED);
  declined.set_reason("no such luck");
  ASSERT_EQ(other.Decide<PaymentDecider>(declined).kind(), Kind::kAck);
  EXPECT_EQ(other.Events<v1::PaymentDeclined>().at(0).reason(), "no such luck");
  EXPECT_EQ(other.Find<internal::v1::PaymentRecord>("o-1")->payment().decline_reason(), "no such luck");
}

TEST_F(PaymentDeciderTest, TakesTheFirstAnswerOnly) {
  GivenAuthorized();
  const int64_t revision = payment().revision();
  for (const auto result : {Report::RESULT_DONE, Report::RESULT_DECLINED}) {
    ASSERT_EQ(Answer("o-1/authorize", result).kind(), Kind::kAck);
    EXPECT_TRUE(context_.events().empty());
    EXPECT_EQ(payment().state(), v1::PAYMENT_STATE_AUTHORIZED);
    EXPECT_EQ(payment().revision(), revision);
  }
  ASSERT_EQ(Answer("o-2/authorize").kind(), Kind::kAck);
  EXPECT_TRUE(context_.events().empty());
}

TEST_F(PaymentDeciderTest, TakesNoAuthorizationThatHasNoName) {
  ASSERT_EQ(Run(Reserved()).kind(), Kind::kAck);
  auto report = About<Report>();
  report.set_operation_id("o-1/authorize");
  report.set_result(Report::RESULT_DONE);
  const Outcome outcome = Run(report);
  ASSERT_EQ(outcome.kind(), Kind::kReject);
  EXPECT_EQ(outcome.problem().reason, "INVALID_FIELD");
  EXPECT_EQ(payment().state(), v1::PAYMENT_STATE_AUTHORIZING);
}

TEST_F(PaymentDeciderTest, CapturesWhatIsShipped) {
  GivenAuthorized();
  ASSERT_EQ(Run(About<order::v1::OrderShipped>()).kind(), Kind::kAck);
  ASSERT_THAT(asked(), ElementsAre("o-1/authorize", "o-1/capture"));
  EXPECT_EQ(asked_[1].provider_reference(), "ref-1");
  EXPECT_EQ(payment().pending(), v1::PAYMENT_OPERATION_CAPTURE);
  EXPECT_TRUE(money::IsZero(payment().captured()));

  ASSERT_EQ(Run(About<order::v1::OrderShipped>()).kind(), Kind::kAck);
  EXPECT_EQ(asked_.size(), 2);

  ASSERT_EQ(Answer("o-1/capture").kind(), Kind::kAck);
  EXPECT_EQ(payment().state(), v1::PAYMENT_STATE_CAPTURED);
  EXPECT_TRUE(money::Equal(payment().captured(), Euro(30)));
  EXPECT_EQ(context_.Events<v1::PaymentCaptured>().size(), 1);
}

TEST_F(PaymentDeciderTest, LetsGoOfWhatIsHeldWhenTheOrderEnds) {
  GivenAuthorized();
  ASSERT_EQ(Run(About<order::v1::OrderCancelled>()).kind(), Kind::kAck);
  EXPECT_THAT(asked(), ElementsAre("o-1/authorize", "o-1/void"));
  ASSERT_EQ(Answer("o-1/void").kind(), Kind::kAck);
  EXPECT_EQ(payment().state(), v1::PAYMENT_STATE_VOIDED);
  EXPECT_EQ(context_.Events<v1::PaymentVoided>().size(), 1);
}

// The order was cancelled, or timed out, while the provider was thinking.
TEST_F(PaymentDeciderTest, LetsGoOfWhatIsHeldTooLate) {
  ASSERT_EQ(Run(Reserved()).kind(), Kind::kAck);
  ASSERT_EQ(Run(About<order::v1::OrderRejected>()).kind(), Kind::kAck);
  EXPECT_THAT(asked(), ElementsAre("o-1/authorize"));
  ASSERT_EQ(Answer("o-1/authorize").kind(), Kind::kAck);
  EXPECT_THAT(asked(), ElementsAre("o-1/authorize", "o-1/void"));
  ASSERT_EQ(Answer("o-1/void").kind(), Kind::kAck);
  EXPECT_EQ(payment().state(), v1::PAYMENT_STATE_VOIDED);
}

TEST_F(PaymentDeciderTest, HasNothingToLetGoOfWhereTheMoneyWasDeclined) {
  ASSERT_EQ(Run(Reserved()).kind(), Kind::kAck);
  ASSERT_EQ(Answer("o-1/authorize", Report::RESULT_DECLINED).kind(), Kind::kAck);
  ASSERT_EQ(Run(About<order::v1::OrderRejected>()).kind(), Kind::kAck);
  EXPECT_THAT(asked(), ElementsAre("o-1/authorize"));
  EXPECT_EQ(payment().state(), v1::PAYMENT_STATE_DECLINED);
}

TEST_F(PaymentDeciderTest, GivesBackWhatWasCapturedWhenTheParcelComesBack) {
  GivenCaptured();
  ASSERT_EQ(Run(About<order::v1::OrderCancelled>()).kind(), Kind::kAck);
  EXPECT_EQ(asked().back(), "o-1/refund/1");
  ASSERT_EQ(Answer("o-1/refund/1").kind(), Kind::kAck);
  EXPECT_EQ(payment().state(), v1::PAYMENT_STATE_REFUNDED);
  EXPECT_TRUE(money::Equal(context_.Events<v1::PaymentRefunded>().at(0).amount(), Euro(30)));

  // Not a second time.
  ASSERT_EQ(Run(About<order::v1::OrderCancelled>()).kind(), Kind::kAck);
  EXPECT_EQ(asked().back(), "o-1/refund/1");
}

TEST_F(PaymentDeciderTest, GivesBackWhatIsCapturedAfterTheParcelCameBack) {
  GivenAuthorized();
  ASSERT_EQ(Run(About<order::v1::OrderShipped>()).kind(), Kind::kAck);
  ASSERT_EQ(Run(About<order::v1::OrderCancelled>()).kind(), Kind::kAck);
  EXPECT_THAT(asked(), ElementsAre("o-1/authorize", "o-1/capture"));
  ASSERT_EQ(Answer("o-1/capture").kind(), Kind::kAck);
  EXPECT_EQ(asked().back(), "o-1/refund/1");
  ASSERT_EQ(Answer("o-1/refund/1").kind(), Kind::kAck);
  EXPECT_EQ(payment().state(), v1::PAYMENT_STATE_REFUNDED);
}

TEST_F(PaymentDeciderTest, RefundsInPartsAndNeverMoreThanWasCaptured) {
  GivenCaptured();
  ASSERT_EQ(Run(Refund(10)).kind(), Kind::kAck);
  EXPECT_EQ(context_.Answer<v1::Payment>()->pending(), v1::PAYMENT_OPERATION_REFUND);
  EXPECT_TRUE(money::IsZero(payment().refunded()));

  // What is on its way counts.
  const Outcome too_much = Run(Refund(21));
  ASSERT_EQ(too_much.kind(), Kind::kReject);
  EXPECT_EQ(too_much.problem().reason, "NOTHING_TO_REFUND");
  EXPECT_EQ(too_much.problem().metadata.at("refundable"), "20.00 EUR");

  ASSERT_EQ(Run(Refund()).kind(), Kind::kAck);
  EXPECT_THAT(asked(), ElementsAre("o-1/authorize", "o-1/capture", "o-1/refund/1", "o-1/refund/2"));
  EXPECT_TRUE(money::Equal(asked_.back().amount(), Euro(20)));
  EXPECT_EQ(Run(Refund()).problem().reason, "NOTHING_TO_REFUND");

  ASSERT_EQ(Answer("o-1/refund/2").kind(), Kind::kAck);
  EXPECT_EQ(payment().state(), v1::PAYMENT_STATE_CAPTURED);
  EXPECT_TRUE(money::Equal(payment().refunded(), Euro(20)));
  ASSERT_EQ(Answer("o-1/refund/1").kind(), Kind::kAck);
  EXPECT_EQ(payment().state(), v1::PAYMENT_STATE_REFUNDED);
  EXPECT_TRUE(money::Equal(payment().refunded(), Euro(30)));
}

TEST_F(PaymentDeciderTest, RefundsNothingThatWasNotCaptured) {
  EXPECT_EQ(Run(Refund()).problem().reason, "PAYMENT_NOT_FOUND");
  GivenAuthorized();
  EXPECT_EQ(Run(Refund()).problem().reason, "NOTHING_TO_REFUND");
}

TEST_F(PaymentDeciderTest, NamesWhatIsWrongWithAnAmount) {
  GivenCaptured();
  v1::RefundPaymentRequest dollars = Refund(1);
  dollars.mutable_amount()->set_currency_code("USD");
  for (const auto& command : {dollars, Refund(0), Refund(-1)}) {
    const Outcome outcome = Run(command);
    ASSERT_EQ(outcome.kind(), Kind::kReject);
    ASSERT_EQ(outcome.problem().violations.size(), 1);
    EXPECT_EQ(outcome.problem().violations[0].field, "amount");
  }
}

TEST_F(PaymentDeciderTest, LeavesARefusedCaptureToAPerson) {
  GivenAuthorized();
  ASSERT_EQ(Run(About<order::v1::OrderShipped>()).kind(), Kind::kAck);
  const Outcome outcome = Answer("o-1/capture", Report::RESULT_DECLINED);
  ASSERT_EQ(outcome.kind(), Kind::kReject);
  EXPECT_EQ(outcome.problem().reason, "OPERATION_DECLINED");
  EXPECT_EQ(payment().pending(), v1::PAYMENT_OPERATION_CAPTURE);
}

TEST_F(PaymentDeciderTest, KnowsNothingOfAnOrderThatNeverAskedForMoney) {
  EXPECT_EQ(Run(About<order::v1::OrderShipped>()).kind(), Kind::kAck);
  EXPECT_EQ(Run(About<order::v1::OrderCancelled>()).kind(), Kind::kAck);
  const Outcome outcome = Answer("o-1/authorize");
  ASSERT_EQ(outcome.kind(), Kind::kReject);
  EXPECT_EQ(outcome.problem().reason, "PAYMENT_NOT_FOUND");
  EXPECT_THAT(asked(), IsEmpty());
  EXPECT_EQ(context_.Count<internal::v1::PaymentRecord>(), 0);
}

}  // namespace
}  // namespace tradewind::payment
