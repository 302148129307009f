#include "tradewind/rpc/errors.h"

#include "gmock/gmock.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "gtest/gtest.h"

#include "tradewind/telemetry/trace.h"

namespace tradewind::rpc {
namespace {

google::rpc::ErrorInfo InfoOf(const grpc::Status& status) {
  google::rpc::Status details;
  EXPECT_TRUE(details.ParseFromString(status.error_details()));
  google::rpc::ErrorInfo info;
  EXPECT_GT(details.details_size(), 0);
  EXPECT_TRUE(details.details_size() > 0 && details.details(0).UnpackTo(&info));
  return info;
}

TEST(RpcErrors, CarriesReasonAndViolationsInTheDetails) {
  const grpc::Status status = ToGrpcStatus(errors::InvalidFields({{"lines[2].quantity", "must be at least 1"}}));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(InfoOf(status).reason(), "INVALID_FIELD");
  google::rpc::Status details;
  ASSERT_TRUE(details.ParseFromString(status.error_details()));
  EXPECT_EQ(details.code(), static_cast<int>(status.error_code()));
  EXPECT_EQ(details.message(), status.error_message());
  google::rpc::BadRequest bad_request;
  ASSERT_EQ(details.details_size(), 2);
  ASSERT_TRUE(details.details(1).UnpackTo(&bad_request));
  ASSERT_EQ(bad_request.field_violations_size(), 1);
  EXPECT_EQ(bad_request.field_violations(0).field(), "lines[2].quantity");
}

TEST(RpcErrors, NeverTurnsAnErrorIntoSuccess) {
  google::rpc::Status status;
  status.set_code(0);
  EXPECT_EQ(ToGrpcStatus(status).error_code(), grpc::StatusCode::UNKNOWN);
  status.set_code(99);
  EXPECT_EQ(ToGrpcStatus(status).error_code(), grpc::StatusCode::UNKNOWN);
  status.set_code(-3);
  EXPECT_EQ(ToGrpcStatus(status).error_code(), grpc::StatusCode::UNKNOWN);
}

TEST(RpcErrors, TellsAStoreThatIsAwayFromOneThatFailed) {
  const grpc::Status away = FromStoreError(absl::UnavailableError("locked"));
  EXPECT_EQ(away.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(InfoOf(away).reason(), "STORE_UNAVAILABLE");
  EXPECT_EQ(FromStoreError(absl::DataLossError("corrupt")).error_code(), grpc::StatusCode::INTERNAL);
  EXPECT_EQ(FromStoreError(absl::InvalidArgumentError("?")).error_code(), grpc::StatusCode::INTERNAL);
  EXPECT_TRUE(FromStoreError(absl::OkStatus()).ok());
}

TEST(RpcErrors, CutsAStatusThatWouldNotFitIntoHeaders) {
  google::rpc::Status status = errors::ToRpcStatus({.code = absl::StatusCode::kNotFound, .reason = "LOST"});
  status.set_message(std::string(10'000, 'x'));
  status.add_details()->set_value(std::string(10'000, 'x'));
  const grpc::Status cut = ToGrpcStatus(status);
  EXPECT_EQ(cut.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(InfoOf(cut).reason(), "LOST");
  EXPECT_LT(cut.error_message().size() + cut.error_details().size(), 3'000u);
}

TEST(RpcErrors, TellsTheCallerTheTraceInPlaceOfWhatALibrarySaid) {
  const telemetry::TraceContext trace = telemetry::TraceContext::NewRoot();
  const telemetry::TraceScope scope(trace);
  for (const grpc::Status& status : {FromStoreError(absl::UnavailableError("PostgreSQL at 10.0.0.3:5432/orders")),
                                     FromStoreError(absl::DataLossError("/var/lib/10.0.0.3.db")),
                                     FromKeysError(absl::UnavailableError("10.0.0.3"))}) {
    EXPECT_THAT(status.error_message(), testing::HasSubstr(trace.trace_id_hex()));
    EXPECT_THAT(status.error_message() + status.error_details(), testing::Not(testing::HasSubstr("10.0.0.3")));
  }
}

}  // namespace
}  // namespace tradewind::rpc
