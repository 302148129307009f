#include "services/gateway/forwarder.h"

#include <string>

#include "services/gateway/forwarder_harness.h"

namespace tradewind::gateway {
namespace {

using ::testing::HasSubstr;

TEST_F(ForwarderTest, RefusesCallsUntilThereIsAWayToTheLog) {
  Thing thing;
  const grpc::Status status = stub_->Check(&context_, Ask("a"), &thing);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(ReasonOf(status), "NOT_READY");
}

TEST_F(ForwarderTest, PassesAnswersBackAndTheTraceOn) {
  Open();
  context_.AddMetadata("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
  Thing thing;
  const grpc::Status status = stub_->Check(&context_, Ask("a"), &thing);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(thing.id(), "a");
  EXPECT_THAT(thing.name(), ::testing::StartsWith("00-4bf92f3577b34da6a3ce929d0e0e4736-"));
  EXPECT_THAT(thing.name(), ::testing::Not(HasSubstr("00f067aa0ba902b7")));
}

TEST_F(ForwarderTest, PassesErrorsBackUnchanged) {
  Open();
  Thing thing;
  const grpc::Status status = stub_->Check(&context_, Ask("missing"), &thing);
  EXPECT_EQ(status.error_code(), owner_.missing.error_code());
  EXPECT_EQ(status.error_message(), owner_.missing.error_message());
  EXPECT_EQ(status.error_details(), owner_.missing.error_details());
  const auto& trailing = context_.GetServerTrailingMetadata();
  EXPECT_EQ(trailing.count("x-said"), 1u);
  EXPECT_EQ(trailing.count("grpc-status-details-bin"), 1u);
}

TEST_F(ForwarderTest, ChecksRequestsBeforeItForwardsThem) {
  Open();
  Thing thing;
  const grpc::Status status = stub_->Check(&context_, GetRequest(), &thing);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(ReasonOf(status), "INVALID_FIELD");
}

TEST_F(ForwarderTest, LetsAnUnreachableOwnerShow) {
  Open();
  owner_server_->Shutdown(absl::ZeroDuration());
  Thing thing;
  context_.AddMetadata("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
  const grpc::Status status = stub_->Check(&context_, Ask("a"), &thing);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(ReasonOf(status), "SERVICE_UNAVAILABLE");
  // Where the service is goes to the log, under the trace that the caller is told.
  EXPECT_THAT(status.error_message(), ::testing::Not(HasSubstr("127.0.0.1")));
  EXPECT_THAT(status.error_message(), HasSubstr("4bf92f3577b34da6a3ce929d0e0e4736"));
}

TEST_F(ForwarderTest, PassesAStreamOnInOrderWithItsEnd) {
  Open();
  const auto stream = stub_->Watch(&context_, Ask("some"));
  Thing thing;
  int seen = 0;
  while (stream->Read(&thing)) {
    EXPECT_EQ(thing.id(), std::to_string(seen++));
  }
  EXPECT_EQ(seen, kLongStream);
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(ForwarderTest, CancelsTheOwnersStreamWhenTheCallerGoesAway) {
  Open();
  const auto stream = stub_->Watch(&context_, Ask("endless"));
  Thing thing;
  ASSERT_TRUE(stream->Read(&thing));
  context_.TryCancel();
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::CANCELLED);
  EXPECT_TRUE(owner_.cancelled.WaitForNotificationWithTimeout(kPatience));
}

TEST_F(ForwarderTest, EndsStreamsWhenTheGatewayGoesDown) {
  Open();
  const auto stream = stub_->Watch(&context_, Ask("endless"));
  Thing thing;
  ASSERT_TRUE(stream->Read(&thing));
  forwarder_->EndStreams();
  const grpc::Status status = stream->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(ReasonOf(status), "SHUTTING_DOWN");
  EXPECT_TRUE(owner_.cancelled.WaitForNotificationWithTimeout(kPatience));
}

TEST_F(ForwarderTest, NamesAnUnknownMethod) {
  Open();
  grpc::GenericStub stub(rpc::MakeChannel(AddressOf(*front_)));
  grpc::ByteBuffer request;
  grpc::ByteBuffer response;
  absl::Notification done;
  grpc::Status status;
  const grpc::Slice empty("");
  request = grpc::ByteBuffer(&empty, 1);
  stub.UnaryCall(&context_, "/no.such.Service/Method", {}, &request, &response, [&](grpc::Status ended) {
    status = std::move(ended);
    done.Notify();
  });
  ASSERT_TRUE(done.WaitForNotificationWithTimeout(kPatience));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNIMPLEMENTED);
  EXPECT_THAT(status.error_message(), HasSubstr("/no.such.Service/Method"));
}

TEST_F(ForwarderTest, SaysSoWhenTheQueueToTheLogIsFull) {
  Open();
  Thing thing;
  const grpc::Status status = stub_->Make(&context_, test::v1::MakeRequest(), &thing);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(ReasonOf(status), "GATEWAY_BUSY");
  EXPECT_EQ(link_.pending(), 0u);
}

}  // namespace
}  // namespace tradewind::gateway
