#include "services/payment/provider_protocol.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tradewind/seal/sealed_text.h"

namespace tradewind::payment {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using Kind = ProviderAnswer::Kind;
using nlohmann::json;

constexpr absl::Duration kAskAgain = absl::Seconds(7);

ProviderCall Call(v1::PaymentOperation operation) {
  ProviderCall call{.operation = operation,
                    .order_id = "o-1",
                    .idempotency_key = "o-1/operation",
                    .payment_token = "tok_1",
                    .reference = "ref-1"};
  call.amount.set_currency_code("EUR");
  call.amount.set_units(30);
  call.amount.set_nanos(350'000'000);
  return call;
}

absl::StatusOr<ProviderAnswer> Read(const std::string& body, int status = 200,
                                    v1::PaymentOperation operation = v1::PAYMENT_OPERATION_AUTHORIZE) {
  return ReadAnswer(Call(operation), status, body, kAskAgain);
}

std::string Problem(const absl::Status& status) { return std::string(status.message()); }

// What the provider may have read on a topic.
std::string Sealed() { return seal::SealText({}, seal::TagOf("u-2"), "somebody else's"); }

TEST(OperationBodyTest, AsksWithATokenAndFromThenOnWithTheReference) {
  const json amount = {{"currency_code", "EUR"}, {"units", 30}, {"nanos", 350'000'000}};
  EXPECT_EQ(json::parse(OperationBody(Call(v1::PAYMENT_OPERATION_AUTHORIZE))), json({{"operation", "authorize"},
                                                                                     {"order_id", "o-1"},
                                                                                     {"operation_id", "o-1/operation"},
                                                                                     {"amount", amount},
                                                                                     {"payment_token", "tok_1"}}));
  for (const auto& [operation, name] :
       std::map<v1::PaymentOperation, std::string>{{v1::PAYMENT_OPERATION_CAPTURE, "capture"},
                                                   {v1::PAYMENT_OPERATION_VOID, "void"},
                                                   {v1::PAYMENT_OPERATION_REFUND, "refund"}}) {
    const json body = json::parse(OperationBody(Call(operation)));
    EXPECT_EQ(body["operation"], name);
    EXPECT_EQ(body["reference"], "ref-1");
    EXPECT_FALSE(body.contains("payment_token"));
  }
}

TEST(ReadAnswerTest, KnowsTheThreeAnswers) {
  const auto done = Read(R"({"result": "done", "reference": "ref-1", "more": [1]})");
  ASSERT_TRUE(done.ok()) << done.status();
  EXPECT_EQ(done->kind, Kind::kDone);
  EXPECT_EQ(done->reference, "ref-1");
  EXPECT_EQ(done->times, 1);

  const auto declined = Read(R"({"result": "declined", "reason": "no money", "reference": null})");
  ASSERT_TRUE(declined.ok()) << declined.status();
  EXPECT_EQ(declined->kind, Kind::kDeclined);
  EXPECT_EQ(declined->reason, "no money");
  EXPECT_NE(Read(R"({"result": "declined"})")->reason, "");

  const auto undecided = Read("anything", 202);
  ASSERT_TRUE(undecided.ok()) << undecided.status();
  EXPECT_EQ(undecided->kind, Kind::kUndecided);
  EXPECT_EQ(undecided->ask_again, kAskAgain);

  EXPECT_TRUE(Read(R"({"result": "done"})", 200, v1::PAYMENT_OPERATION_CAPTURE).ok()) << "needs no reference";
}

TEST(ReadAnswerTest, SaysWhatIsWrongWithAnAnswer) {
  for (const auto& [body, problem] : std::vector<std::pair<std::string, std::string>>{
           {"", "not a JSON object"},
           {"[]", "not a JSON object"},
           {R"({"result": "done")", "not a JSON object"},
           {"{}", "'result'"},
           {R"({"result": 1})", "'result' is not a string"},
           {R"({"result": "maybe"})", "'result'"},
           {R"({"result": "done"})", "'reference' is missing"},
           {R"({"result": "done", "reference": ""})", "'reference' is missing"},
           {R"({"result": "done", "reference": 5})", "'reference' is not a string"},
           {R"({"result": "done", "reference": ")" + std::string(256, 'x') + "\"}", "'reference' is longer"},
           {"{\"result\": \"done\", \"reference\": \"\xff\"}", "not a JSON object"},
           {R"({"result": "done", "reference": ")" + Sealed() + "\"}", "'reference' holds sealed text"},
           {R"({"result": "declined", "reason": "of )" + Sealed() + "\"}", "'reason' holds sealed text"},
           {R"({"result": "declined", "reason": ")" + std::string(501, 'x') + "\"}", "'reason' is longer"}}) {
    const auto answer = Read(body);
    EXPECT_TRUE(absl::IsInternal(answer.status())) << body;
    EXPECT_THAT(Problem(answer.status()), HasSubstr(problem)) << body;
  }
}

TEST(ReadAnswerTest, TellsWhatWillPassFromWhatIsRefused) {
  for (const int status : {500, 502, 503, 504, 408, 409, 425, 429, 302, 204}) {
    EXPECT_TRUE(absl::IsUnavailable(Read("", status).status())) << status;
  }
  for (const int status : {400, 401, 403, 404, 405, 410, 415, 422}) {
    const absl::Status refused = Read(R"({"reason": "no\nsuch key", "sent": "tok_1"})", status).status();
    EXPECT_TRUE(absl::IsFailedPrecondition(refused)) << status;
    EXPECT_THAT(Problem(refused), HasSubstr(std::to_string(status)));
    EXPECT_THAT(Problem(refused), HasSubstr("no\\x0asuch key"));
    EXPECT_THAT(Problem(refused), Not(HasSubstr("tok_1")));
  }
}

TEST(ReadCallbackTest, BecomesACommand) {
  const auto done =
      ReadCallback(R"({"order_id": "o-1", "operation_id": "o-1/authorize", "result": "done", "reference": "ref-1"})");
  ASSERT_TRUE(done.ok()) << done.status();
  EXPECT_EQ(done->order_id(), "o-1");
  EXPECT_EQ(done->operation_id(), "o-1/authorize");
  EXPECT_EQ(done->result(), v1::ReportOperationRequest::RESULT_DONE);
  EXPECT_EQ(done->provider_reference(), "ref-1");

  const auto declined = ReadCallback(
      R"({"order_id": "o-1", "operation_id": "o-1/authorize", "result": "declined", "reason": "no money"})");
  ASSERT_TRUE(declined.ok()) << declined.status();
  EXPECT_EQ(declined->result(), v1::ReportOperationRequest::RESULT_DECLINED);
  EXPECT_EQ(declined->reason(), "no money");
}

TEST(ReadCallbackTest, SaysWhatIsMissing) {
  for (const auto& [body, problem] : std::vector<std::pair<std::string, std::string>>{
           {"", "not a JSON object"},
           {R"({"operation_id": "o-1/authorize", "result": "done"})", "'order_id'"},
           {R"({"order_id": "o-1", "result": "done"})", "'operation_id'"},
           {R"({"order_id": ["o-1"], "operation_id": "o-1/authorize", "result": "done"})", "'order_id' is not"},
           {R"({"order_id": "o-1", "operation_id": "o-1/authorize"})", "'result'"}}) {
    const auto report = ReadCallback(body);
    EXPECT_TRUE(absl::IsInvalidArgument(report.status())) << body;
    EXPECT_THAT(Problem(report.status()), HasSubstr(problem)) << body;
  }
}

}  // namespace
}  // namespace tradewind::payment
