#include "tradewind/errors/problem.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace tradewind::errors {
namespace {

using testing::HasSubstr;
using testing::Pair;
using testing::UnorderedElementsAre;

TEST(ProblemTest, BecomesAStatusWithErrorInfo) {
  google::rpc::Status status = ToRpcStatus({.code = absl::StatusCode::kAlreadyExists,
                                            .reason = "EMAIL_TAKEN",
                                            .message = "this address has an account; log in instead",
                                            .metadata = {{"email", "ada@example.com"}}});
  EXPECT_EQ(status.code(), 6);
  EXPECT_EQ(status.message(), "this address has an account; log in instead");
  ASSERT_EQ(status.details_size(), 1);
  google::rpc::ErrorInfo info;
  ASSERT_TRUE(status.details(0).UnpackTo(&info));
  EXPECT_EQ(info.domain(), "tradewind");
  EXPECT_EQ(info.reason(), "EMAIL_TAKEN");
  EXPECT_THAT(info.metadata(), UnorderedElementsAre(Pair("email", "ada@example.com")));
}

TEST(ProblemTest, CanBeReadWhateverBytesItEchoes) {
  const google::rpc::Status status = ToRpcStatus({.code = absl::StatusCode::kInvalidArgument,
                                                  .reason = "ODD",
                                                  .message = "first line\nnot \xff",
                                                  .metadata = {{"id", "\xfe"}},
                                                  .violations = {{"field", "is \xfd"}}});
  google::rpc::Status read;
  ASSERT_TRUE(read.ParseFromString(status.SerializeAsString()));
  EXPECT_EQ(read.message(), "first line\\x0anot \\xff");
  google::rpc::ErrorInfo info;
  ASSERT_TRUE(read.details(0).UnpackTo(&info));
  EXPECT_THAT(info.metadata(), UnorderedElementsAre(Pair("id", "\\xfe")));
  google::rpc::BadRequest bad_request;
  ASSERT_TRUE(read.details(1).UnpackTo(&bad_request));
  EXPECT_EQ(bad_request.field_violations(0).description(), "is \\xfd");
}

TEST(ProblemTest, CarriesViolationsAsBadRequest) {
  Problem problem =
      InvalidFields({{"email", "is not an address"}, {"lines[2].quantity", "is 0; it must be at least 1"}});
  EXPECT_EQ(problem.code, absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(problem.reason, "INVALID_FIELD");
  EXPECT_EQ(problem.message, "email: is not an address; lines[2].quantity: is 0; it must be at least 1");

  google::rpc::Status status = ToRpcStatus(problem);
  ASSERT_EQ(status.details_size(), 2);
  google::rpc::BadRequest bad_request;
  ASSERT_TRUE(status.details(1).UnpackTo(&bad_request));
  ASSERT_EQ(bad_request.field_violations_size(), 2);
  EXPECT_EQ(bad_request.field_violations(1).field(), "lines[2].quantity");
  EXPECT_EQ(bad_request.field_violations(1).description(), "is 0; it must be at least 1");
}

TEST(ProblemTest, NotFoundNamesResourceAndId) {
  Problem problem = NotFound("webhook endpoint", "42");
  EXPECT_EQ(problem.code, absl::StatusCode::kNotFound);
  EXPECT_EQ(problem.reason, "WEBHOOK_ENDPOINT_NOT_FOUND");
  EXPECT_THAT(problem.message, HasSubstr("webhook endpoint"));
  EXPECT_THAT(problem.message, HasSubstr("'42'"));
  EXPECT_THAT(problem.metadata, UnorderedElementsAre(Pair("resource", "webhook endpoint"), Pair("id", "42")));
}

TEST(ProblemTest, FitsIntoHeadersWhateverItEchoes) {
  std::string id;
  for (int i = 0; i < 500; ++i) id += "𝄞";
  Problem problem = NotFound("order", id);
  EXPECT_LT(problem.message.size(), 200u);
  problem.metadata["more"] = id;
  problem.message = std::string(5'000, 'x');
  for (int i = 0; i < 1'000; ++i) problem.violations.push_back({.field = "lines", .description = "is wrong"});
  EXPECT_LT(ToRpcStatus(problem).ByteSizeLong(), 5'000u);
}

TEST(ReadTest, TellsRetryablePermanentAndFatalApart) {
  constexpr std::pair<absl::StatusCode, Reading> kReadings[] = {
      {absl::StatusCode::kUnavailable, Reading::kRetryable},
      {absl::StatusCode::kDeadlineExceeded, Reading::kRetryable},
      {absl::StatusCode::kAborted, Reading::kRetryable},
      {absl::StatusCode::kResourceExhausted, Reading::kRetryable},
      {absl::StatusCode::kCancelled, Reading::kRetryable},
      {absl::StatusCode::kInternal, Reading::kFatal},
      {absl::StatusCode::kDataLoss, Reading::kFatal},
      {absl::StatusCode::kUnknown, Reading::kPermanent},
      {absl::StatusCode::kInvalidArgument, Reading::kPermanent},
      {absl::StatusCode::kNotFound, Reading::kPermanent},
      {absl::StatusCode::kAlreadyExists, Reading::kPermanent},
      {absl::StatusCode::kPermissionDenied, Reading::kPermanent},
      {absl::StatusCode::kFailedPrecondition, Reading::kPermanent},
      {absl::StatusCode::kOutOfRange, Reading::kPermanent},
      {absl::StatusCode::kUnimplemented, Reading::kPermanent},
      {absl::StatusCode::kUnauthenticated, Reading::kPermanent},
  };
  for (const auto& [code, reading] : kReadings) {
    EXPECT_EQ(Read(absl::Status(code, "")), reading) << absl::StatusCodeToString(code);
  }
}

}  // namespace
}  // namespace tradewind::errors
