#include "services/gateway/gateway_service.h"

#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "services/gateway/forwarder_harness.h"
#include "tradewind/auth/token.h"
#include "tradewind/mesh/v1/keys.grpc.pb.h"
#include "tradewind/testing/eventually.h"

namespace tradewind::gateway {
namespace {

using ::testing::HasSubstr;
using GatewayServiceTest = ForwarderTest;

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

TEST_F(GatewayServiceTest, AnswersOthersAndHealthWhileCallersWaitForAKey) {
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

// The field of a schema that this gateway does not have yet, or of one that had it once.
template <typename Request>
Request WithField(Request request, int number) {
  request.GetReflection()->MutableUnknownFields(&request)->AddLengthDelimited(number, "hunter2");
  return request;
}

TEST_F(GatewayServiceTest, PassesNoUnknownFieldOnByAnyRoute) {
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
  EXPECT_THAT(sink_->offered(), ::testing::IsEmpty());
}

TEST_F(GatewayServiceTest, DropsReservedFieldsOnEveryRoute) {
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
  EXPECT_THAT(sink_->offered(),
              ::testing::ElementsAre(::testing::AllOf(HasSubstr("kept"), ::testing::Not(HasSubstr("hunter2")))));
}

TEST_F(GatewayServiceTest, RefusesCommandsWhereTooManyWait) {
  Open();
  sink_->takes = true;
  struct Making {
    grpc::ClientContext context;
    test::v1::MakeRequest request;
    Thing made;
    absl::Notification ended;
  };
  std::vector<std::unique_ptr<Making>> waiting;
  for (int i = 0; i < 2; ++i) {
    Making& call = *waiting.emplace_back(std::make_unique<Making>());
    call.request.set_name("waits");
    stub_->async()->Make(&call.context, &call.request, &call.made,
                         [&call](const grpc::Status&) { call.ended.Notify(); });
  }
  // A command counts as pending before it is handed to the sink.
  ASSERT_TRUE(testing::Eventually([&] { return sink_->offered().size() == 2; }));
  Thing thing;
  test::v1::MakeRequest make;
  make.set_name("one too many");
  const grpc::Status refused = stub_->Make(&context_, make, &thing);
  EXPECT_EQ(refused.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(ReasonOf(refused), "TOO_MANY_WAITING");
  EXPECT_THAT(refused.error_message(), HasSubstr("try again later"));
  EXPECT_THAT(sink_->offered(), ::testing::SizeIs(2));
  for (const auto& call : waiting) {
    call->context.TryCancel();
    call->ended.WaitForNotification();
  }
}

TEST_F(GatewayServiceTest, LeavesNoKeyOfWhatIsNotSent) {
  keys_.StartInMemory();
  Open();
  test::v1::SealedRequest request;
  request.set_id("ann");
  request.set_email("ann@example.com");
  test::v1::SealedAnswer answer;
  EXPECT_EQ(ReasonOf(stub_->Seal(&context_, request, &answer)), "GATEWAY_BUSY");
  EXPECT_THAT(sink_->offered(), ::testing::SizeIs(1));
  EXPECT_TRUE(absl::IsNotFound(keys_.Seal("ann", "x").status()));
}

// A log of keys on which nothing arrives until it is let through.
class HeldKeyLog final : public seal::KeyLog {
 public:
  explicit HeldKeyLog(seal::KeyLogListener listener) : listener_(std::move(listener)) {}
  absl::Status Append(const seal::SubjectTag&, std::string_view name, std::string_view value) override {
    absl::MutexLock lock(&mutex_);
    held_.emplace_back(name, value);
    return absl::OkStatus();
  }
  End AskForEnd(const seal::SubjectTag&) override { return {}; }
  bool HasRead(const End&) const override { return true; }
  int32_t Partitions() const override { return 1; }
  void PinPartitions(int32_t) override {}

  size_t held() {
    absl::MutexLock lock(&mutex_);
    return held_.size();
  }
  void LetThrough() {
    std::vector<std::pair<std::string, std::string>> records;
    {
      absl::MutexLock lock(&mutex_);
      records = std::exchange(held_, {});
    }
    for (const auto& [name, value] : records) EXPECT_TRUE(listener_.on_record(name, value).ok());
  }

 private:
  const seal::KeyLogListener listener_;
  absl::Mutex mutex_;
  std::vector<std::pair<std::string, std::string>> held_ ABSL_GUARDED_BY(mutex_);
};

// While the call that creates Ann is under way.
class CallerWhoGoesAway : public ForwarderTest {
 protected:
  void Begin() {
    request_.set_id("ann");
    request_.set_email("ann@example.com");
    stub_->async()->Seal(&context_, &request_, &answer_, [this](const grpc::Status&) { ended_.Notify(); });
  }
  void GoAway() {
    context_.TryCancel();
    ended_.WaitForNotification();
  }

 private:
  test::v1::SealedRequest request_;
  test::v1::SealedAnswer answer_;
  absl::Notification ended_;
};

TEST_F(CallerWhoGoesAway, LeavesNoKey) {
  HeldKeyLog* log = nullptr;
  const auto make = [&](seal::KeyLogListener listener) {
    auto made = std::make_unique<HeldKeyLog>(std::move(listener));
    log = made.get();
    return made;
  };
  ASSERT_TRUE(keys_.StartOver(seal::MasterKey::Random(), false, make).ok());
  log->LetThrough();
  Open();
  Begin();
  ASSERT_TRUE(testing::Eventually([&] { return log->held() == 1; }));
  GoAway();
  // What comes later on the same connection has met the cancellation on its way.
  Thing thing;
  grpc::ClientContext later;
  EXPECT_TRUE(stub_->Check(&later, Ask("a"), &thing).ok());
  log->LetThrough();
  EXPECT_TRUE(keys_.Seal("ann", "x").ok());
  ASSERT_TRUE(testing::Eventually([&] { return log->held() == 2; }));
  log->LetThrough();
  EXPECT_TRUE(absl::IsNotFound(keys_.Seal("ann", "x").status()));
}

TEST_F(CallerWhoGoesAway, LeavesTheKeyOfWhatWasSent) {
  keys_.StartInMemory();
  Open();
  sink_->takes = true;
  Begin();
  ASSERT_TRUE(testing::Eventually([&] { return sink_->offered().size() == 1; }));
  GoAway();
  ASSERT_TRUE(testing::Eventually([&] { return link_.pending() == 0; }));
  EXPECT_TRUE(keys_.Seal("ann", "x").ok());
}

TEST_F(GatewayServiceTest, MakesNoHashForACallerWhoWentAway) {
  Open();
  // The thread that waits for it may be the last to use it.
  const auto let_go = std::make_shared<absl::Notification>();
  ASSERT_TRUE(hashers_.Submit({.run = [let_go] { let_go->WaitForNotification(); }, .client = "holder"}).ok());
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
  let_go->Notify();
  EXPECT_THAT(sink_->offered(), ::testing::IsEmpty());
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

TEST_F(GatewayServiceTest, CountsWhatItRefusesByItsReason) {
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

}  // namespace
}  // namespace tradewind::gateway
