// The smallest gRPC callback server that produces with librdkafka. `--answer accepted` answers CreateOrder from the
// delivery report; `--answer outcome` answers from the reply topic, which bench-consumer fills.
#include <grpcpp/grpcpp.h>

#include <atomic>
#include <csignal>
#include <cstring>
#include <functional>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <unordered_map>

#include "CLI/CLI.hpp"
#include "absl/synchronization/mutex.h"
#include "fmt/format.h"

#include "tests/bench/baseline/kafka.h"
#include "tradewind/order/v1/order.grpc.pb.h"

namespace bench {
namespace {

using tradewind::order::v1::CreateOrderRequest;
using tradewind::order::v1::Order;

struct Options {
  std::string address = "127.0.0.1:0";
  std::string answer = "accepted";
  std::string prefix = "baseline.";
  int partitions = 12;
  ProducerSettings producer;
};

struct Call {
  grpc::ServerUnaryReactor* reactor;
  Order* order;
};

// The calls that wait for a reply. Whoever takes a call out finishes it. Thread-safe.
class Waiting {
 public:
  void Put(uint64_t correlation, Call call) {
    std::lock_guard lock(mutex_);
    calls_.emplace(correlation, call);
  }
  // A null reactor where somebody else took it.
  Call Take(uint64_t correlation) {
    std::lock_guard lock(mutex_);
    const auto found = calls_.find(correlation);
    if (found == calls_.end()) return {};
    const Call call = found->second;
    calls_.erase(found);
    return call;
  }

 private:
  // Calls come in on gRPC's threads and leave on librdkafka's.
  std::mutex mutex_;
  std::unordered_map<uint64_t, Call> calls_;
};

grpc::Status Refused(rd_kafka_resp_err_t error) {
  const auto code =
      error == RD_KAFKA_RESP_ERR__QUEUE_FULL ? grpc::StatusCode::RESOURCE_EXHAUSTED : grpc::StatusCode::UNAVAILABLE;
  return {code, rd_kafka_err2str(error)};
}

class OrderServer final : public tradewind::order::v1::OrderService::CallbackService {
 public:
  explicit OrderServer(const Options& options)
      : waits_(options.answer == "outcome"),
        instance_(fmt::format("{:08x}{:08x}", std::random_device{}(), std::random_device{}())),
        producer_(NewProducer(options.producer, waits_ ? &OnOutcomeDelivery : &OnAcceptedDelivery, this)) {
    EnsureTopic(producer_, options.prefix + "commands", options.partitions);
    commands_ = OpenTopic(producer_, options.prefix + "commands");
    if (waits_) {
      EnsureTopic(producer_, options.prefix + "replies", 1);
      replies_ = NewTailReader(options.producer.brokers, options.prefix + "replies", 0);
      std::thread([this] { ReadReplies(); }).detach();
    }
    std::thread([this] {
      for (;;) rd_kafka_poll(producer_.get(), 1000);
    }).detach();
  }

  grpc::ServerUnaryReactor* CreateOrder(grpc::CallbackServerContext* context, const CreateOrderRequest* request,
                                        Order* order) override {
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    const uint64_t correlation = next_.fetch_add(1, std::memory_order_relaxed);
    order->set_id(fmt::format("{}{:016x}", instance_, correlation));
    const std::string value = request->SerializeAsString();
    void* opaque = nullptr;
    if (waits_) {
      waiting_.Put(correlation, {reactor, order});
      std::memcpy(&opaque, &correlation, sizeof(opaque));
    } else {
      opaque = new Call{reactor, order};
    }
    const rd_kafka_resp_err_t error = rd_kafka_producev(
        producer_.get(), RD_KAFKA_V_RKT(commands_.get()), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
        RD_KAFKA_V_KEY(order->id().data(), order->id().size()),
        RD_KAFKA_V_VALUE(const_cast<char*>(value.data()), value.size()),
        RD_KAFKA_V_HEADER("correlation", &correlation, sizeof(correlation)), RD_KAFKA_V_OPAQUE(opaque), RD_KAFKA_V_END);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
      if (waits_) {
        waiting_.Take(correlation);
      } else {
        delete static_cast<Call*>(opaque);
      }
      reactor->Finish(Refused(error));
    }
    return reactor;
  }

 private:
  static void OnAcceptedDelivery(rd_kafka_t*, const rd_kafka_message_t* message, void*) {
    const std::unique_ptr<Call> call(static_cast<Call*>(message->_private));
    call->reactor->Finish(message->err == RD_KAFKA_RESP_ERR_NO_ERROR ? grpc::Status::OK : Refused(message->err));
  }

  static void OnOutcomeDelivery(rd_kafka_t*, const rd_kafka_message_t* message, void* self) {
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) return;
    uint64_t correlation = 0;
    std::memcpy(&correlation, &message->_private, sizeof(correlation));
    const Call call = static_cast<OrderServer*>(self)->waiting_.Take(correlation);
    if (call.reactor != nullptr) call.reactor->Finish(Refused(message->err));
  }

  void ReadReplies() {
    for (;;) {
      const Message message(rd_kafka_consumer_poll(replies_.get(), 1000));
      if (!message || message->err != RD_KAFKA_RESP_ERR_NO_ERROR) continue;
      uint64_t correlation = 0;
      const std::string_view header = Header(message.get(), "correlation");
      if (header.size() != sizeof(correlation)) continue;
      std::memcpy(&correlation, header.data(), sizeof(correlation));
      const Call call = waiting_.Take(correlation);
      if (call.reactor == nullptr) continue;
      call.order->ParseFromArray(message->payload, static_cast<int>(message->len));
      call.reactor->Finish(grpc::Status::OK);
    }
  }

  const bool waits_;
  const std::string instance_;
  std::atomic<uint64_t> next_ = 1;
  Waiting waiting_;
  Client producer_;
  Topic commands_;
  Client replies_;
};

int Main(int argc, char** argv) {
  // As in Tradewind's processes: Debian's abseil looks for deadlocks otherwise, in all of gRPC's locks.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  Options options;
  CLI::App app("The smallest gRPC server in front of Kafka.");
  app.add_option("--address", options.address);
  app.add_option("--answer", options.answer)->check(CLI::IsMember({"accepted", "outcome"}));
  app.add_option("--prefix", options.prefix);
  app.add_option("--partitions", options.partitions);
  app.add_option("--brokers", options.producer.brokers);
  app.add_option("--linger-ms", options.producer.linger_ms);
  app.add_option("--in-flight", options.producer.in_flight);
  CLI11_PARSE(app, argc, argv);

  // Ends by signal and leaves the rest to the kernel: nothing here is worth keeping.
  auto* service = new OrderServer(options);
  grpc::ServerBuilder builder;
  builder.AddListeningPort(options.address, grpc::InsecureServerCredentials());
  // As Tradewind's servers have it.
  builder.SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_GZIP, false);
  builder.SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_DEFLATE, false);
  builder.RegisterService(service);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (!server) Die("cannot listen on " + options.address);
  server->Wait();
  return 0;
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) { return bench::Main(argc, argv); }
