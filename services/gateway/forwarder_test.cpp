// Calls through a gateway service to a toy owner on loopback, over real gRPC; the log is a sink that takes nothing.
#include "services/gateway/forwarder.h"

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/synchronization/notification.h"
#include "gmock/gmock.h"
#include "google/protobuf/descriptor.pb.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"
#include "gtest/gtest.h"

#include "services/gateway/gateway_service.h"
#include "services/gateway/rules_test.grpc.pb.h"
#include "tradewind/auth/token.h"
#include "tradewind/mesh/v1/keys.grpc.pb.h"
#include "tradewind/rpc/channel.h"
#include "tradewind/rpc/errors.h"
#include "tradewind/rpc/server.h"
#include "tradewind/rpc/work_pool.h"
#include "tradewind/testing/eventually.h"

namespace tradewind::gateway {
namespace {

using test::v1::GetRequest;
using test::v1::GoodService;
using test::v1::Thing;
using ::testing::HasSubstr;

constexpr absl::Duration kPatience = absl::Seconds(30);
constexpr int kLongStream = 200;

class NoSink final : public bus::EventSink {
 public:
  absl::Status Produce(const bus::OutgoingRecord& record, uint64_t) override {
    offered.emplace_back(record.value);
    return absl::ResourceExhaustedError("takes nothing");
  }
  int Poll(absl::Duration timeout, absl::FunctionRef<void(const bus::Delivery&)>) override {
    stop_.WaitForNotificationWithTimeout(timeout);
    return 0;
  }
  absl::Status Reset() override { return absl::OkStatus(); }

  std::vector<std::string> offered;

 private:
  absl::Notification stop_;
};

// Answers by what it is asked for.
class Owner final : public GoodService::CallbackService {
 public:
  grpc::ServerUnaryReactor* Check(grpc::CallbackServerContext* context, const GetRequest* request,
                                  Thing* response) override {
    auto* reactor = context->DefaultReactor();
    asked.push_back(request->SerializeAsString());
    const auto trace = context->client_metadata().find("traceparent");
    response->set_id(request->id());
    response->set_name(
        trace != context->client_metadata().end() ? std::string(trace->second.data(), trace->second.size()) : "");
    if (request->id() == "missing") {
      context->AddTrailingMetadata("x-said", "beside");
      reactor->Finish(missing);
    } else {
      reactor->Finish(grpc::Status::OK);
    }
    return reactor;
  }

  grpc::ServerWriteReactor<Thing>* Watch(grpc::CallbackServerContext*, const GetRequest* request) override {
    asked.push_back(request->SerializeAsString());
    return new Stream(*this, request->id());
  }

  const grpc::Status missing = rpc::ToGrpcStatus(errors::NotFound("thing", "missing"));
  absl::Notification cancelled;
  // The requests it got. Tests look once their call has ended.
  std::vector<std::string> asked;

 private:
  // "endless" writes one thing and then waits; others write kLongStream things and end.
  class Stream final : public grpc::ServerWriteReactor<Thing> {
   public:
    Stream(Owner& owner, std::string id) : owner_(owner), endless_(id == "endless") { Next(); }
    void OnWriteDone(bool ok) override {
      if (!ok) {
        Finish(grpc::Status::CANCELLED);
        return;
      }
      if (!endless_) {
        Next();
      }
    }
    void OnCancel() override {
      owner_.cancelled.Notify();
      if (endless_) {
        Finish(grpc::Status::CANCELLED);
      }
    }
    void OnDone() override { delete this; }

   private:
    void Next() {
      if (sent_ == kLongStream) {
        Finish(rpc::ToGrpcStatus(errors::NotFound("thing", "after all")));
        return;
      }
      thing_.set_id(std::to_string(sent_++));
      StartWrite(&thing_);
    }
    Owner& owner_;
    const bool endless_;
    int sent_ = 0;
    Thing thing_;
  };
};

google::protobuf::FileDescriptorSet TestSet() {
  google::protobuf::FileDescriptorSet set;
  const std::function<void(const google::protobuf::FileDescriptor&)> add =
      [&](const google::protobuf::FileDescriptor& file) {
        for (const auto& present : set.file()) {
          if (present.name() == file.name()) {
            return;
          }
        }
        for (int i = 0; i < file.dependency_count(); ++i) {
          add(*file.dependency(i));
        }
        file.CopyTo(set.add_file());
      };
  add(*Thing::descriptor()->file());
  return set;
}

class ForwarderTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto owner = rpc::Server::Start({.address = "127.0.0.1:0"}, {.services = {&owner_}});
    ASSERT_TRUE(owner.ok()) << owner.status();
    owner_server_ = *std::move(owner);
    auto catalog = Catalog::Build(TestSet(), {{"tradewind.gateway.test.v1.GoodService", AddressOf(*owner_server_)}});
    ASSERT_TRUE(catalog.ok()) << catalog.status();
    catalog_ = *std::move(catalog);
    forwarder_ = std::make_unique<Forwarder>(*catalog_, absl::Seconds(20));
    service_ = std::make_unique<GatewayService>(*catalog_, *forwarder_, authenticator_);
    auto front = rpc::Server::Start({.address = "127.0.0.1:0"}, {.generic = service_.get(), .pool = &catalog_->pool()});
    ASSERT_TRUE(front.ok()) << front.status();
    front_ = *std::move(front);
    stub_ = GoodService::NewStub(rpc::MakeChannel(AddressOf(*front_)));
    context_.set_deadline(std::chrono::system_clock::now() + absl::ToChronoMilliseconds(kPatience));
  }

  static std::string AddressOf(const rpc::Server& server) { return "127.0.0.1:" + std::to_string(server.port()); }

  void Open() {
    auto sink = std::make_unique<NoSink>();
    sink_ = sink.get();
    link_.OpenOver(std::move(sink), {{"test.commands.v1", 3}});
    service_->Open(commands_);
  }

  static GetRequest Ask(const std::string& id) {
    GetRequest request;
    request.set_id(id);
    return request;
  }

  Owner owner_;
  std::unique_ptr<rpc::Server> owner_server_;
  std::unique_ptr<Catalog> catalog_;
  std::unique_ptr<Forwarder> forwarder_;
  commands::CommandLink link_{
      {.client_id = "test", .source = "/test"}, {}, telemetry::NewGauge("test_pending", "For tests.")};
  NoSink* sink_ = nullptr;
  seal::Keys keys_;
  rpc::WorkPool hashers_{{.name = "test", .threads = 1, .max_waiting = 2}};
  CommandPath commands_{.timeout = absl::Seconds(10),
                        .max_timeout = absl::Seconds(10),
                        .key_timeout = absl::Seconds(10),
                        .link = link_,
                        .hashers = hashers_,
                        .keys = keys_};
  Authenticator authenticator_{""};
  std::unique_ptr<GatewayService> service_;
  std::unique_ptr<rpc::Server> front_;
  std::unique_ptr<GoodService::Stub> stub_;
  grpc::ClientContext context_;
};

std::string ReasonOf(const grpc::Status& status) {
  google::rpc::Status details;
  google::rpc::ErrorInfo info;
  if (details.ParseFromString(status.error_details()) && details.details_size() > 0) {
    details.details(0).UnpackTo(&info);
  }
  return info.reason();
}

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

// The field of a schema that this gateway does not have yet, or of one that had it once.
template <typename Request>
Request WithField(Request request, int number) {
  request.GetReflection()->MutableUnknownFields(&request)->AddLengthDelimited(number, "hunter2");
  return request;
}

// The owner of the keys of tokens, which does not answer until it is let go.
class HangingKeys final : public mesh::v1::KeyService::CallbackService {
 public:
  grpc::ServerUnaryReactor* ListVerificationKeys(grpc::CallbackServerContext* context,
                                                 const mesh::v1::ListVerificationKeysRequest*,
                                                 mesh::v1::ListVerificationKeysResponse*) override {
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    std::thread([this, reactor] {
      let_go.WaitForNotification();
      reactor->Finish(grpc::Status::OK);
    }).detach();
    return reactor;
  }
  absl::Notification let_go;
};

// A caller that waits for a key, asynchronously as gRPC clients do.
struct WaitingCall {
  grpc::ClientContext context;
  GetRequest request;
  Thing response;
  grpc::Status status;
  absl::Notification ended;
};

TEST_F(ForwarderTest, AnswersOthersAndHealthWhileCallersWaitForAKey) {
  HangingKeys keys;
  auto key_server = rpc::Server::Start({.address = "127.0.0.1:0"}, {.services = {&keys}});
  ASSERT_TRUE(key_server.ok()) << key_server.status();
  Authenticator authenticator(AddressOf(**key_server), {.timeout = absl::Hours(1)});
  GatewayService service(*catalog_, *forwarder_, authenticator);
  auto front = rpc::Server::Start({.address = "127.0.0.1:0"}, {.generic = &service, .pool = &catalog_->pool()});
  ASSERT_TRUE(front.ok()) << front.status();
  Open();
  service.Open(commands_);
  (*front)->SetServing(true);
  const auto stub = GoodService::NewStub(rpc::MakeChannel(AddressOf(**front)));

  std::vector<std::unique_ptr<WaitingCall>> waiting;
  for (int i = 0; i < 20; ++i) {
    WaitingCall& call = *waiting.emplace_back(std::make_unique<WaitingCall>());
    call.request = Ask("a");
    const auto token =
        auth::SignToken(auth::NewSigningKey().value(),
                        {.subject = "u-1", .issued = absl::Now(), .expires = absl::Now() + absl::Minutes(10)});
    call.context.AddMetadata("authorization", "Bearer " + token.value());
    stub->async()->Check(&call.context, &call.request, &call.response, [&call](grpc::Status status) {
      call.status = std::move(status);
      call.ended.Notify();
    });
  }
  Thing thing;
  EXPECT_TRUE(stub->Check(&context_, Ask("a"), &thing).ok());
  EXPECT_TRUE(rpc::CheckHealth(AddressOf(**front), kPatience).ok());
  // None of them held the others up, and none has been answered before its time.
  for (const auto& call : waiting) EXPECT_FALSE(call->ended.HasBeenNotified());
  keys.let_go.Notify();
  for (const auto& call : waiting) {
    call->ended.WaitForNotification();
    EXPECT_EQ(ReasonOf(call->status), "TOKEN_INVALID");
  }
  (*front)->Shutdown(kPatience);
}

TEST_F(ForwarderTest, PassesNoUnknownFieldOnByAnyRoute) {
  Open();
  Thing thing;
  std::vector<grpc::Status> ended;
  ended.push_back(stub_->Check(&context_, WithField(Ask("a"), 103), &thing));
  grpc::ClientContext watching;
  ended.push_back(stub_->Watch(&watching, WithField(Ask("a"), 103))->Finish());
  grpc::ClientContext making;
  ended.push_back(stub_->Make(&making, WithField(test::v1::MakeRequest(), 103), &thing));
  for (const grpc::Status& status : ended) {
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_EQ(ReasonOf(status), "UNKNOWN_FIELD");
    EXPECT_THAT(status.error_message(), HasSubstr("field 103 of tradewind.gateway.test.v1."));
    EXPECT_THAT(status.error_details(), HasSubstr("google.rpc.BadRequest"));
  }
  EXPECT_THAT(owner_.asked, ::testing::IsEmpty());
  EXPECT_THAT(sink_->offered, ::testing::IsEmpty());
}

TEST_F(ForwarderTest, DropsReservedFieldsOnEveryRoute) {
  Open();
  Thing thing;
  EXPECT_TRUE(stub_->Check(&context_, WithField(Ask("a"), 7), &thing).ok());
  grpc::ClientContext watching;
  const auto stream = stub_->Watch(&watching, WithField(Ask("a"), 7));
  while (stream->Read(&thing)) {
  }
  stream->Finish();
  grpc::ClientContext making;
  test::v1::MakeRequest make;
  make.set_name("kept");
  EXPECT_EQ(ReasonOf(stub_->Make(&making, WithField(make, 7), &thing)), "GATEWAY_BUSY");
  EXPECT_THAT(owner_.asked, ::testing::ElementsAre(Ask("a").SerializeAsString(), Ask("a").SerializeAsString()));
  EXPECT_THAT(sink_->offered,
              ::testing::ElementsAre(::testing::AllOf(HasSubstr("kept"), ::testing::Not(HasSubstr("hunter2")))));
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

TEST_F(ForwarderTest, MakesNoHashForACallerWhoWentAway) {
  Open();
  absl::Notification let_go;
  ASSERT_TRUE(hashers_.Submit({.run = [&] { let_go.WaitForNotification(); }, .client = "holder"}).ok());
  ASSERT_TRUE(tradewind::testing::Eventually([&] { return hashers_.waiting() == 0; }));
  test::v1::MakeRequest request;
  request.set_password("correct horse");
  Thing first;
  absl::Notification ended;
  stub_->async()->Make(&context_, &request, &first, [&](const grpc::Status& status) {
    EXPECT_EQ(status.error_code(), grpc::StatusCode::CANCELLED);
    ended.Notify();
  });
  ASSERT_TRUE(tradewind::testing::Eventually([&] { return hashers_.waiting() == 1; }));
  // The same address has one of the two places, and no more.
  grpc::ClientContext again;
  Thing second;
  EXPECT_EQ(ReasonOf(stub_->Make(&again, request, &second)), "GATEWAY_BUSY");

  context_.TryCancel();
  ended.WaitForNotification();
  EXPECT_TRUE(tradewind::testing::Eventually([&] { return hashers_.waiting() == 0; }));
  let_go.Notify();
  EXPECT_THAT(sink_->offered, ::testing::IsEmpty());
}

double Refused(const std::string& reason) {
  return telemetry::NewCounter("tradewind_gateway_refused_calls_total",
                               "Calls that the gateway itself refused, by reason.", {{"reason", reason}})
      .value();
}

double Ended(const std::string& method, const std::string& code) {
  return telemetry::NewCounter("tradewind_gateway_calls_total", "Calls that have ended, by status code.",
                               {{"method", "/tradewind.gateway.test.v1.GoodService/" + method}, {"code", code}})
      .value();
}

TEST_F(ForwarderTest, CountsWhatItRefusesByItsReason) {
  Thing thing;
  const double not_ready = Refused("NOT_READY");
  const double unavailable = Ended("Check", "UNAVAILABLE");
  stub_->Check(&context_, Ask("a"), &thing);
  EXPECT_EQ(Refused("NOT_READY"), not_ready + 1);
  EXPECT_EQ(Ended("Check", "UNAVAILABLE"), unavailable + 1);

  Open();
  const double forged = Refused("TOKEN_INVALID");
  const double unauthenticated = Ended("Check", "UNAUTHENTICATED");
  grpc::ClientContext forging;
  forging.AddMetadata("authorization", "Bearer forged");
  stub_->Check(&forging, Ask("a"), &thing);
  EXPECT_EQ(Refused("TOKEN_INVALID"), forged + 1);
  EXPECT_EQ(Ended("Check", "UNAUTHENTICATED"), unauthenticated + 1);

  const double invalid = Refused("INVALID_FIELD");
  grpc::ClientContext erring;
  stub_->Check(&erring, GetRequest(), &thing);
  EXPECT_EQ(Refused("INVALID_FIELD"), invalid + 1);
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
