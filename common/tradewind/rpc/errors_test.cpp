#include "tradewind/rpc/errors.h"

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "gtest/gtest.h"

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

}  // namespace
}  // namespace tradewind::rpc
