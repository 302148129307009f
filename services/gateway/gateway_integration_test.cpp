// The gateway on a real broker, with a toy service that answers commands by their name field.
#include <fmt/format.h>
#include <sodium.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <set>
#include <thread>

#include "gmock/gmock.h"
#include "google/protobuf/descriptor.pb.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"
#include "gtest/gtest.h"

#include "services/gateway/gateway.h"
#include "services/gateway/rules_test.grpc.pb.h"
#include "tradewind/bus/envelope.h"
#include "tradewind/bus/internal/kafka_fixture.h"
#include "tradewind/bus/kafka_sink.h"
#include "tradewind/bus/partition_reader.h"
#include "tradewind/clock/steady_now.h"
#include "tradewind/ids/ids.h"
#include "tradewind/mesh/v1/envelope.pb.h"
#include "tradewind/rpc/channel.h"
#include "tradewind/testing/eventually.h"

namespace tradewind::gateway {
namespace {

using test::v1::ChangeRequest;
using test::v1::Empty;
using test::v1::GoodService;
using test::v1::MakeRequest;
using test::v1::Thing;

constexpr absl::Duration kPatience = absl::Seconds(30);
constexpr const char* kRequestId = "0199e7c8-0000-7000-8000-000000000001";

// A command as the toy service saw it.
struct Seen {
  std::string key;
  std::string type;
  std::string method;
  std::string request_id;
  std::string traceparent;
  int32_t partition = -1;
  MakeRequest request;
  // Instead of that, where it was one.
  test::v1::SealedRequest sealed;
};

// Reads the command topic from its beginning and answers a SealedRequest with its e-mail, and each MakeRequest with
// what its name asks for (a SealedRequest is refused by its note): "silent" with nothing, "wrong" with another type,
// "refuse" with an error, anything else with a Thing.
class ToyService {
 public:
  explicit ToyService(const bus::KafkaConfig& kafka)
      : kafka_(kafka), topic_(bus::FullTopic(kafka, "test.commands.v1")) {
    std::vector<bus::Position> positions;
    for (int32_t partition = 0; partition < kafka.partitions; ++partition) {
      positions.push_back({.topic = topic_, .partition = partition, .offset = bus::kFromBeginning});
    }
    auto reader = bus::PartitionReader::Create(kafka, "toy", positions);
    EXPECT_TRUE(reader.ok()) << reader.status();
    reader_ = *std::move(reader);
    auto sink = bus::KafkaSink::Create(kafka, {.client_id = "toy", .all_acknowledge = false});
    EXPECT_TRUE(sink.ok()) << sink.status();
    sink_ = *std::move(sink);
    thread_ = std::thread([this] { Run(); });
  }
  ~ToyService() {
    stop_.Notify();
    thread_.join();
  }

  // Until let go, nothing is answered, not even what is being read at this moment.
  void Hold() { SetHeld(true); }
  void LetGo() { SetHeld(false); }

  // Waits for `count` commands in all.
  std::vector<Seen> WaitFor(size_t count) {
    absl::MutexLock lock(&mutex_);
    const auto enough = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return seen_.size() >= count; };
    EXPECT_TRUE(mutex_.AwaitWithTimeout(absl::Condition(&enough), kPatience));
    return seen_;
  }

 private:
  void SetHeld(bool held) {
    absl::MutexLock lock(&mutex_);
    held_ = held;
  }

  void Run() {
    while (!stop_.HasBeenNotified()) {
      sink_->Poll(absl::ZeroDuration(), [](const bus::Delivery&) {});
      auto record = reader_->Poll(absl::Milliseconds(20));
      ASSERT_TRUE(record.ok()) << record.status();
      if (record->has_value()) {
        AwaitLetGo();
        Handle(**record);
      }
    }
  }

  void AwaitLetGo() {
    absl::MutexLock lock(&mutex_);
    const auto let_go = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return !held_; };
    while (!stop_.HasBeenNotified() && !mutex_.AwaitWithTimeout(absl::Condition(&let_go), absl::Milliseconds(20))) {
    }
  }

  void Handle(const bus::Record& record) {
    const auto envelope = bus::ParseEnvelope(record);
    ASSERT_TRUE(envelope.ok()) << envelope.status();
    ASSERT_TRUE(envelope->reply_to.has_value());
    Seen seen{.key = std::string(record.key()),
              .type = std::string(envelope->type),
              .method = std::string(envelope->method),
              .request_id = std::string(envelope->request_id),
              .traceparent = std::string(envelope->traceparent),
              .partition = record.partition()};
    ASSERT_TRUE(seen.request.ParseFromArray(record.value().data(), static_cast<int>(record.value().size())));
    mesh::v1::ReplyBatch batch;
    batch.set_instance_id(std::string(envelope->reply_to->instance_id));
    mesh::v1::Reply& reply = *batch.add_replies();
    reply.set_correlation_id(envelope->reply_to->correlation_id);
    Thing thing;
    thing.set_id(seen.key);
    thing.set_name(seen.request.name());
    reply.mutable_resource()->PackFrom(thing);
    if (seen.type == test::v1::SealedRequest::descriptor()->full_name()) {
      ASSERT_TRUE(seen.sealed.ParseFromArray(record.value().data(), static_cast<int>(record.value().size())));
      test::v1::SealedAnswer sealed;
      sealed.add_inner()->set_email(seen.sealed.email());
      reply.mutable_resource()->PackFrom(sealed);
      if (seen.sealed.note() == "refuse") {
        *reply.mutable_error() = errors::ToRpcStatus(errors::NotFound("thing", seen.key));
      }
    } else if (seen.request.name() == "wrong") {
      reply.mutable_resource()->PackFrom(Empty());
    } else if (seen.request.name() == "refuse") {
      *reply.mutable_error() = errors::ToRpcStatus(errors::NotFound("thing", seen.key));
    }
    if (seen.request.name() != "silent") {
      const std::string value = batch.SerializeAsString();
      EXPECT_TRUE(sink_
                      ->Produce({.topic = bus::FullTopic(kafka_, bus::kRepliesTopic),
                                 .partition = envelope->reply_to->partition,
                                 .value = value},
                                0)
                      .ok());
    }
    absl::MutexLock lock(&mutex_);
    seen_.push_back(std::move(seen));
  }

  const bus::KafkaConfig kafka_;
  const std::string topic_;
  std::unique_ptr<bus::PartitionReader> reader_;
  std::unique_ptr<bus::KafkaSink> sink_;
  absl::Mutex mutex_;
  bool held_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<Seen> seen_ ABSL_GUARDED_BY(mutex_);
  absl::Notification stop_;
  std::thread thread_;
};

std::string WriteDescriptors() {
  google::protobuf::FileDescriptorSet set;
  std::set<std::string> added;
  const std::function<void(const google::protobuf::FileDescriptor&)> add =
      [&](const google::protobuf::FileDescriptor& file) {
        if (!added.insert(file.name()).second) {
          return;
        }
        for (int i = 0; i < file.dependency_count(); ++i) {
          add(*file.dependency(i));
        }
        file.CopyTo(set.add_file());
      };
  add(*Thing::descriptor()->file());
  const std::string path =
      (std::filesystem::temp_directory_path() / fmt::format("gateway-test-{}.binpb", getpid())).string();
  std::ofstream file(path, std::ios::binary);
  EXPECT_TRUE(set.SerializeToOstream(&file));
  return path;
}

std::string ReasonOf(const grpc::Status& status) {
  google::rpc::Status details;
  google::rpc::ErrorInfo info;
  if (details.ParseFromString(status.error_details()) && details.details_size() > 0) {
    details.details(0).UnpackTo(&info);
  }
  return info.reason();
}

class GatewayOnKafka : public ::testing::Test {
 protected:
  static bus::KafkaConfig Kafka() {
    const char* brokers = std::getenv("TRADEWIND_TEST_KAFKA");
    bus::KafkaConfig config;
    config.brokers = brokers != nullptr ? brokers : "127.0.0.1:9092";
    config.partitions = 3;
    return config;
  }

  void SetUp() override {
    kafka_ = Kafka();
    kafka_.topic_prefix = fmt::format("gw{}.", ids::NewUuid(absl::Now()).view().substr(24));
    descriptors_ = WriteDescriptors();
    key_file_ = descriptors_ + ".key";
    std::ofstream(key_file_) << std::string(43, 'A');
    gateway_ = StartGateway(kafka_);
    ASSERT_NE(gateway_, nullptr);
    const absl::Status connected = gateway_->Connect(stop_);
    ASSERT_TRUE(connected.ok()) << connected;
    service_ = std::make_unique<ToyService>(kafka_);
    stub_ = StubOf(*gateway_);
  }

  void TearDown() override {
    if (gateway_ != nullptr) {
      gateway_->Stop();
    }
    std::filesystem::remove(descriptors_);
    std::filesystem::remove(key_file_);
  }

  std::unique_ptr<Gateway> StartGateway(const bus::KafkaConfig& kafka) {
    GatewayConfig config;
    config.descriptors = descriptors_;
    config.services = {{"tradewind.gateway.test.v1.GoodService", "127.0.0.1:1"}};
    config.timeout = absl::Seconds(20);
    config.hash_memory = {8192};
    auto gateway = Gateway::Start(config, kafka, {.address = "127.0.0.1:0"}, {.key_file = key_file_});
    EXPECT_TRUE(gateway.ok()) << gateway.status();
    return gateway.ok() ? *std::move(gateway) : nullptr;
  }

  static std::unique_ptr<GoodService::Stub> StubOf(const Gateway& gateway) {
    return GoodService::NewStub(rpc::MakeChannel(fmt::format("127.0.0.1:{}", gateway.port())));
  }

  struct Answer {
    grpc::Status status;
    Thing thing;
  };
  Answer Make(const MakeRequest& request, const std::map<std::string, std::string>& metadata = {},
              absl::Duration timeout = kPatience) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + absl::ToChronoMilliseconds(timeout));
    for (const auto& [name, value] : metadata) {
      context.AddMetadata(name, value);
    }
    Answer answer;
    answer.status = stub_->Make(&context, request, &answer.thing);
    return answer;
  }

  struct Ordered {
    grpc::Status status;
    Thing thing;
  };
  static Ordered OrderAt(GoodService::Stub& stub, const std::string& user_id) {
    test::v1::OrderRequest request;
    request.set_user_id(user_id);
    grpc::ClientContext context;
    Ordered ordered;
    ordered.status = stub.Order(&context, request, &ordered.thing);
    return ordered;
  }
  static grpc::Status SealAt(GoodService::Stub& stub, const std::string& id, const std::string& note = "",
                             const std::string& wait = "outcome", absl::Duration timeout = kPatience) {
    test::v1::SealedRequest request;
    request.set_id(id);
    request.set_email("ann@example.com");
    request.set_note(note);
    grpc::ClientContext context;
    context.AddMetadata("tradewind-wait", wait);
    context.set_deadline(std::chrono::system_clock::now() + absl::ToChronoMilliseconds(timeout));
    test::v1::SealedAnswer answer;
    return stub.Seal(&context, request, &answer);
  }

  bus::KafkaConfig kafka_;
  std::string descriptors_;
  std::string key_file_;
  ShutdownSignal stop_;
  std::unique_ptr<Gateway> gateway_;
  std::unique_ptr<ToyService> service_;
  std::unique_ptr<GoodService::Stub> stub_;
};

TEST_F(GatewayOnKafka, AnswersACommandWithItsOutcome) {
  MakeRequest request;
  request.set_name("hello");
  request.set_password("correct horse");
  const Answer answer = Make(request, {{"traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}});
  ASSERT_TRUE(answer.status.ok()) << answer.status.error_message();
  EXPECT_EQ(answer.thing.name(), "hello");

  const Seen seen = service_->WaitFor(1).front();
  EXPECT_EQ(seen.key, answer.thing.id());
  EXPECT_EQ(seen.request.id(), seen.key);
  EXPECT_EQ(seen.type, "tradewind.gateway.test.v1.MakeRequest");
  EXPECT_EQ(seen.method, "/tradewind.gateway.test.v1.GoodService/Make");
  EXPECT_EQ(seen.partition, bus::PartitionOf(seen.key, kafka_.partitions));
  EXPECT_THAT(seen.traceparent, ::testing::StartsWith("00-4bf92f3577b34da6a3ce929d0e0e4736-"));
  // The secret did not reach the log; its hash did.
  EXPECT_EQ(crypto_pwhash_str_verify(seen.request.password().c_str(), "correct horse", 13), 0);
}

TEST_F(GatewayOnKafka, SealsACommandAndOpensItsAnswer) {
  // The second finds the key there; the third is somebody else's.
  for (const char* id : {"ann", "ann", "bob"}) {
    test::v1::SealedRequest request;
    request.set_id(id);
    request.set_email("ann@example.com");
    grpc::ClientContext context;
    test::v1::SealedAnswer answer;
    const grpc::Status status = stub_->Seal(&context, request, &answer);
    ASSERT_TRUE(status.ok()) << status.error_message();
    ASSERT_EQ(answer.inner_size(), 1);
    EXPECT_EQ(answer.inner(0).email(), "ann@example.com");
  }
  const std::vector<Seen> seen = service_->WaitFor(3);
  for (const Seen& one : seen) {
    EXPECT_TRUE(seal::IsSealedFor(one.key, one.sealed.email()));
    EXPECT_TRUE(seal::IsSealedFor(one.key, one.sealed.secret()));
    EXPECT_EQ(one.sealed.email_fingerprint(), seen[0].sealed.email_fingerprint());
  }
  EXPECT_EQ(seen[0].sealed.email(), seen[1].sealed.email());
  EXPECT_NE(seen[0].sealed.email(), seen[2].sealed.email());
}

// What is on the log of keys of that subject, the newest of each record.
std::set<std::string> KeysOf(const bus::KafkaConfig& kafka, const std::string& subject) {
  const std::string tag = seal::ToText(seal::TagOf(subject));
  std::set<std::string> names;
  for (const bus::Record& record :
       bus::ReadAll(kafka, bus::FullTopic(kafka, bus::kKeysTopic), bus::PartitionOf(tag, kafka.partitions))) {
    if (!record.key().starts_with(tag)) continue;
    names.erase(std::string(record.key()));
    if (record.value().data() != nullptr) names.emplace(record.key());
  }
  return names;
}

TEST_F(GatewayOnKafka, RefusesACommandForNobodyAndMakesNoKey) {
  const Ordered refused = OrderAt(*stub_, "nobody");
  EXPECT_EQ(refused.status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(ReasonOf(refused.status), "USER_NOT_FOUND");
  EXPECT_TRUE(KeysOf(kafka_, "nobody").empty());
}

TEST_F(GatewayOnKafka, RefusesACommandForWhoWasErased) {
  ASSERT_TRUE(SealAt(*stub_, "ann").ok());
  seal::Keys keys;
  ASSERT_TRUE(keys.Start({.key_file = key_file_}, kafka_, "test").ok());
  ASSERT_TRUE(keys.Erase("ann", clock::SteadyNow() + kPatience).ok());
  // Its own reading of the log is a moment behind at most.
  Ordered refused = OrderAt(*stub_, "ann");
  for (int i = 0; refused.status.ok() && i < 100; ++i) refused = OrderAt(*stub_, "ann");
  EXPECT_EQ(ReasonOf(refused.status), "SUBJECT_ERASED");
}

TEST_F(GatewayOnKafka, TakesACommandForWhoRegisteredAtAnotherGateway) {
  const auto other = StartGateway(kafka_);
  ASSERT_TRUE(other->Connect(stop_).ok());
  const auto at_other = StubOf(*other);
  for (int i = 0; i < 20; ++i) {
    const std::string id = fmt::format("user-{}", i);
    ASSERT_TRUE(SealAt(*stub_, id).ok());
    const Ordered ordered = OrderAt(*at_other, id);
    ASSERT_TRUE(ordered.status.ok()) << i << ordered.status.error_message();
  }
  other->Stop();
}

TEST_F(GatewayOnKafka, LeavesNoKeyOfWhatWasRefused) {
  EXPECT_EQ(ReasonOf(SealAt(*stub_, "ann", "refuse")), "THING_NOT_FOUND");
  for (int i = 0; i < 100 && !KeysOf(kafka_, "ann").empty(); ++i) {
  }
  EXPECT_TRUE(KeysOf(kafka_, "ann").empty());
  // A repeat carries the same bytes.
  SealAt(*stub_, "ann", "refuse");
  const std::vector<Seen> seen = service_->WaitFor(2);
  EXPECT_EQ(seen[0].sealed.email(), seen[1].sealed.email());
  // What exists is kept.
  ASSERT_TRUE(SealAt(*stub_, "bob").ok());
  SealAt(*stub_, "bob", "refuse");
  EXPECT_EQ(KeysOf(kafka_, "bob").size(), 1);
}

TEST_F(GatewayOnKafka, LeavesNoKeyOfWhatWasRefusedAfterItsCallEnded) {
  service_->Hold();
  EXPECT_TRUE(SealAt(*stub_, "accepted", "refuse", "accepted").ok());
  EXPECT_EQ(ReasonOf(SealAt(*stub_, "late", "refuse", "outcome", absl::Seconds(1))), "OUTCOME_PENDING");
  EXPECT_TRUE(SealAt(*stub_, "ann", "", "accepted").ok());
  service_->LetGo();
  service_->WaitFor(3);
  for (const char* id : {"accepted", "late"}) {
    EXPECT_TRUE(testing::Eventually([&] { return ReasonOf(OrderAt(*stub_, id).status) == "USER_NOT_FOUND"; })) << id;
  }
  EXPECT_TRUE(OrderAt(*stub_, "ann").status.ok());
}

// The one that repeats it reads the key before it is taken back, or just after.
TEST_F(GatewayOnKafka, KeepsAKeyThatAnotherGatewayUses) {
  const auto other = StartGateway(kafka_);
  ASSERT_TRUE(other->Connect(stop_).ok());
  const auto at_other = StubOf(*other);
  service_->Hold();
  EXPECT_TRUE(SealAt(*stub_, "ann", "refuse", "accepted").ok());
  const std::set<std::string> made = KeysOf(kafka_, "ann");
  ASSERT_EQ(made.size(), 1);
  EXPECT_TRUE(SealAt(*at_other, "ann", "", "accepted").ok());
  service_->LetGo();
  service_->WaitFor(2);
  // The first takes back what it made, and the other puts the same key on the log again.
  EXPECT_TRUE(testing::Eventually([&] {
    const std::set<std::string> keys = KeysOf(kafka_, "ann");
    return keys.size() == 1 && !keys.contains(*made.begin());
  }));
  other->Stop();
}

TEST_F(GatewayOnKafka, GivesARepeatedRequestTheSameIdAndBytes) {
  MakeRequest request;
  request.set_request_id(kRequestId);
  request.set_password("correct horse");
  const Answer first = Make(request);
  // In capitals it is the same id.
  request.set_request_id("0199E7C8-0000-7000-8000-000000000001");
  const Answer second = Make(request);
  ASSERT_TRUE(first.status.ok()) << first.status.error_message();
  ASSERT_TRUE(second.status.ok()) << second.status.error_message();
  EXPECT_EQ(first.thing.id(), second.thing.id());
  const std::vector<Seen> seen = service_->WaitFor(2);
  EXPECT_EQ(seen[0].request.SerializeAsString(), seen[1].request.SerializeAsString());
  EXPECT_EQ(seen[0].request_id, kRequestId);
  EXPECT_EQ(seen[1].request_id, kRequestId);
}

TEST_F(GatewayOnKafka, AnswersWithTheIdAloneOnceKafkaHasTheCommand) {
  MakeRequest request;
  request.set_name("silent");
  const Answer answer = Make(request, {{"tradewind-wait", "accepted"}});
  ASSERT_TRUE(answer.status.ok()) << answer.status.error_message();
  EXPECT_EQ(answer.thing.name(), "");
  EXPECT_EQ(answer.thing.id(), service_->WaitFor(1).front().key);
}

TEST_F(GatewayOnKafka, PassesTheServicesErrorBack) {
  MakeRequest request;
  request.set_name("refuse");
  const Answer answer = Make(request);
  EXPECT_EQ(answer.status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(ReasonOf(answer.status), "THING_NOT_FOUND");
}

TEST_F(GatewayOnKafka, RefusesAnAnswerOfAnotherType) {
  MakeRequest request;
  request.set_name("wrong");
  EXPECT_EQ(Make(request).status.error_code(), grpc::StatusCode::INTERNAL);
}

TEST_F(GatewayOnKafka, SaysThatTheOutcomeIsPendingBeforeTheDeadline) {
  MakeRequest request;
  request.set_name("silent");
  const Answer answer = Make(request, {}, absl::Seconds(2));
  EXPECT_EQ(answer.status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  // Made by the gateway, in time, and not by the client's own clock.
  EXPECT_EQ(ReasonOf(answer.status), "OUTCOME_PENDING");
}

TEST_F(GatewayOnKafka, FinishesCallsUnderWayWhenStopped) {
  constexpr int kCalls = 20;
  std::vector<std::thread> callers;
  std::atomic<int> answered = 0;
  std::atomic<int> refused = 0;
  for (int i = 0; i < kCalls; ++i) {
    callers.emplace_back([&] {
      const Answer answer = Make(MakeRequest());
      ++(answer.status.ok() ? answered : refused);
      // Either it was never taken, or it got its answer.
      EXPECT_TRUE(answer.status.ok() || answer.status.error_code() == grpc::StatusCode::UNAVAILABLE)
          << answer.status.error_message();
    });
  }
  service_->WaitFor(1);
  gateway_->Stop();
  for (std::thread& caller : callers) {
    caller.join();
  }
  EXPECT_GT(answered, 0);
  EXPECT_EQ(answered + refused, kCalls);
  EXPECT_EQ(service_->WaitFor(static_cast<size_t>(answered)).size(), static_cast<size_t>(answered));
}

TEST_F(GatewayOnKafka, WaitsForAKafkaThatIsAway) {
  bus::KafkaConfig nowhere = kafka_;
  nowhere.brokers = "127.0.0.1:1";
  nowhere.request_timeout = absl::Milliseconds(300);
  const std::unique_ptr<Gateway> gateway = StartGateway(nowhere);
  ASSERT_NE(gateway, nullptr);
  ShutdownSignal stop;
  std::thread connecting([&] { EXPECT_TRUE(gateway->Connect(stop).ok()); });
  const auto stub = StubOf(*gateway);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + absl::ToChronoMilliseconds(kPatience));
  Thing thing;
  const grpc::Status status = stub->Make(&context, MakeRequest(), &thing);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(ReasonOf(status), "NOT_READY");
  EXPECT_FALSE(rpc::CheckHealth(fmt::format("127.0.0.1:{}", gateway->port()), kPatience).ok());
  stop.Request();
  connecting.join();
  gateway->Stop();
}

}  // namespace
}  // namespace tradewind::gateway
