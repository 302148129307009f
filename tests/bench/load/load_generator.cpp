// Calls OrderService.CreateOrder with a fixed number of calls in flight, and prints one line of JSON: calls, errors by
// code, rate and latencies. The same program and the same bytes for Tradewind and for what it is compared with.
//
// A call counts when it was started after the warm-up; the rate counts those that answered OK, over the time from the
// end of the warm-up to the last answer counted.
#include <grpcpp/grpcpp.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/mutex.h"
#include "fmt/format.h"
#include "nlohmann/json.hpp"

#include "tests/bench/latencies.h"
#include "tradewind/inventory/v1/inventory.grpc.pb.h"
#include "tradewind/order/v1/order.grpc.pb.h"
#include "tradewind/user/v1/user.grpc.pb.h"

namespace bench {
namespace {

using tradewind::order::v1::CreateOrderRequest;
using tradewind::order::v1::Order;
using tradewind::order::v1::OrderService;
using Clock = std::chrono::steady_clock;

struct Options {
  std::string address = "127.0.0.1:50051";
  int in_flight = 64;
  // 0 chooses by the number in flight.
  int channels = 0;
  double warm_up_s = 1;
  double seconds = 4;
  // Ends earlier when this many calls were counted; 0 means no such bound.
  int64_t calls = 0;
  bool accepted = false;
  bool no_request_id = false;
  double deadline_s = 10;
  // Tries a call until one succeeds, for as long as this, before anything is counted.
  double wait_s = 0;
  // Creates the products first, for the orders to be fulfilled.
  bool stock = false;
  // Registers those who order first, one for each call in flight: nobody else may order. Without it they are made up.
  bool users = false;
};

constexpr uint64_t kProducts = 64;

std::string ProductId(uint64_t number) { return fmt::format("product-{:016x}", number); }

google::type::Money Price() {
  google::type::Money price;
  price.set_currency_code("EUR");
  price.set_units(19);
  price.set_nanos(990'000'000);
  return price;
}

// What all lanes share.
struct Run {
  const Options& options;
  Clock::time_point measured_from;
  Clock::time_point end;
  std::atomic<int64_t> counted{0};
  absl::BlockingCounter running;
};

// One call in flight, over and over. A lane's next call starts from the answer to the one before; nothing of a lane is
// touched by two threads at once.
class Lane {
 public:
  // `user_id` may be empty: somebody made up then.
  Lane(Run& run, OrderService::Stub& stub, uint64_t seed, const std::string& user_id)
      : run_(run), stub_(stub), random_(seed) {
    request_.set_user_id(user_id.empty() ? fmt::format("user-{:08d}", random_() % 100'000'000) : user_id);
    request_.set_payment_token("tok_approve");
    for (int i = 0; i < 2; ++i) {
      auto* line = request_.add_lines();
      line->set_product_id(ProductId(random_() % kProducts));
      line->set_quantity(1 + i);
      *line->mutable_unit_price() = Price();
    }
  }

  void Start() {
    sent_ = Clock::now();
    if (sent_ >= run_.end || (run_.options.calls > 0 && run_.counted >= run_.options.calls)) {
      run_.running.DecrementCount();
      return;
    }
    context_ = std::make_unique<grpc::ClientContext>();
    context_->set_deadline(std::chrono::system_clock::now() +
                           std::chrono::milliseconds(static_cast<int64_t>(run_.options.deadline_s * 1000)));
    if (run_.options.accepted) context_->AddMetadata("tradewind-wait", "accepted");
    if (!run_.options.no_request_id) request_.set_request_id(RandomUuid());
    stub_.async()->CreateOrder(context_.get(), &request_, &order_, [this](grpc::Status status) {
      Finish(status);
      Start();
    });
  }

  void AddTo(Latencies& latencies, std::map<std::string, int64_t>& errors, Clock::time_point& last) const {
    latencies.Merge(latencies_);
    for (const auto& [text, count] : errors_) errors[text] += count;
    last = std::max(last, last_);
  }
  size_t request_bytes() const { return request_.ByteSizeLong(); }

 private:
  void Finish(const grpc::Status& status) {
    if (sent_ < run_.measured_from) return;
    last_ = Clock::now();
    run_.counted.fetch_add(1, std::memory_order_relaxed);
    if (status.ok()) {
      latencies_.Add(std::chrono::duration_cast<std::chrono::microseconds>(last_ - sent_).count());
    } else {
      ++errors_[fmt::format("{} {}", static_cast<int>(status.error_code()), status.error_message())];
    }
  }

  std::string RandomUuid() {
    const uint64_t a = random_();
    const uint64_t b = random_();
    return fmt::format("{:08x}-{:04x}-4{:03x}-{:x}{:03x}-{:012x}", a >> 32, (a >> 16) & 0xffff, a & 0xfff,
                       8 + (b >> 62), (b >> 48) & 0xfff, b & 0xffffffffffff);
  }

  Run& run_;
  OrderService::Stub& stub_;
  std::mt19937_64 random_;
  CreateOrderRequest request_;
  Order order_;
  std::unique_ptr<grpc::ClientContext> context_;
  Clock::time_point sent_;
  Clock::time_point last_;
  Latencies latencies_;
  std::map<std::string, int64_t> errors_;
};

std::vector<std::unique_ptr<OrderService::Stub>> Connect(const Options& options) {
  const int count = options.channels > 0 ? options.channels : options.in_flight >= 64 ? 4 : 1;
  std::vector<std::unique_ptr<OrderService::Stub>> stubs;
  for (int i = 0; i < count; ++i) {
    grpc::ChannelArguments arguments;
    // A connection each: one HTTP/2 connection would be the bottleneck at 512 in flight.
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    stubs.push_back(OrderService::NewStub(
        grpc::CreateCustomChannel(options.address, grpc::InsecureChannelCredentials(), arguments)));
  }
  return stubs;
}

// Runs lanes for a while; the lanes are as they were when the last call had answered.
std::vector<std::unique_ptr<Lane>> Drive(Run& run, const std::vector<std::unique_ptr<OrderService::Stub>>& stubs,
                                         const std::vector<std::string>& users) {
  std::random_device seed;
  std::vector<std::unique_ptr<Lane>> lanes;
  for (int i = 0; i < run.options.in_flight; ++i) {
    const uint64_t lane_seed = (uint64_t{seed()} << 32) | seed();
    const size_t number = static_cast<size_t>(i);
    const std::string user = users.empty() ? "" : users[number % users.size()];
    lanes.push_back(std::make_unique<Lane>(run, *stubs[number % stubs.size()], lane_seed, user));
  }
  for (const auto& lane : lanes) lane->Start();
  run.running.Wait();
  return lanes;
}

bool WaitUntilAnswered(const Options& options, const std::vector<std::unique_ptr<OrderService::Stub>>& stubs,
                       const std::vector<std::string>& users) {
  Options one = options;
  one.in_flight = 1;
  one.calls = 1;
  one.deadline_s = 2;
  const auto give_up = Clock::now() + std::chrono::duration<double>(options.wait_s);
  std::map<std::string, int64_t> errors;
  while (Clock::now() < give_up) {
    const auto now = Clock::now();
    Run run{one, now, now + std::chrono::hours(1), {0}, absl::BlockingCounter(1)};
    Latencies latencies;
    Clock::time_point last;
    errors.clear();
    Drive(run, stubs, users)[0]->AddTo(latencies, errors, last);
    if (latencies.size() == 1) return true;
    // A refused connection comes back at once.
    absl::SleepFor(absl::Milliseconds(20));
  }
  std::fprintf(stderr, "%s answered no call within %.0f s: %s\n", options.address.c_str(), options.wait_s,
               errors.empty() ? "" : errors.begin()->first.c_str());
  return false;
}

// Creates the products that are ordered, where they are not there yet.
bool StockShop(const std::string& address) {
  using namespace tradewind::inventory::v1;
  const auto stub = InventoryService::NewStub(grpc::CreateChannel(address, grpc::InsecureChannelCredentials()));
  for (uint64_t i = 0; i < kProducts; ++i) {
    CreateProductRequest request;
    request.set_id(ProductId(i));
    request.set_name("Product");
    *request.mutable_unit_price() = Price();
    request.set_stock(1'000'000'000'000);
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(5));
    Product product;
    const grpc::Status status = stub->CreateProduct(&context, request, &product);
    if (!status.ok() && status.error_code() != grpc::StatusCode::ALREADY_EXISTS) {
      std::fprintf(stderr, "no product at %s: %s\n", address.c_str(), status.error_message().c_str());
      return false;
    }
  }
  return true;
}

// Registers a user for each call in flight, the same ones in every run. No user service has to be there: the gateway
// has given them their keys once Kafka has the commands. Tries for a while, as WaitUntilAnswered does.
bool RegisterUsers(const Options& options, std::vector<std::string>& users) {
  using namespace tradewind::user::v1;
  const auto stub = UserService::NewStub(grpc::CreateChannel(options.address, grpc::InsecureChannelCredentials()));
  const auto give_up = Clock::now() + std::chrono::duration<double>(std::max(options.wait_s, 5.0));
  while (users.size() < static_cast<size_t>(options.in_flight)) {
    RegisterUserRequest request;
    request.set_email(fmt::format("load-{}@shop.example", users.size()));
    request.set_display_name("Load");
    request.set_password("correct horse battery");
    request.set_request_id(fmt::format("00000000-0000-4000-8000-{:012x}", users.size()));
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(5));
    context.AddMetadata("tradewind-wait", "accepted");
    User user;
    const grpc::Status status = stub->RegisterUser(&context, request, &user);
    if (status.ok()) {
      users.push_back(user.id());
    } else if (Clock::now() > give_up) {
      std::fprintf(stderr, "no user at %s: %s\n", options.address.c_str(), status.error_message().c_str());
      return false;
    } else {
      absl::SleepFor(absl::Milliseconds(20));
    }
  }
  return true;
}

int Main(int argc, char** argv) {
  // As in Tradewind's processes: Debian's abseil looks for deadlocks otherwise, in all of gRPC's locks.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  Options options;
  CLI::App app("Keeps a fixed number of CreateOrder calls in flight and measures them.");
  app.add_option("--address", options.address);
  app.add_option("--in-flight", options.in_flight);
  app.add_option("--channels", options.channels);
  app.add_option("--warm-up", options.warm_up_s, "seconds");
  app.add_option("--seconds", options.seconds);
  app.add_option("--calls", options.calls);
  app.add_flag("--accepted", options.accepted, "metadata tradewind-wait: accepted");
  app.add_flag("--no-request-id", options.no_request_id);
  app.add_option("--deadline", options.deadline_s, "seconds, each call");
  app.add_option("--wait", options.wait_s, "seconds to wait for a first answer");
  app.add_flag("--stock", options.stock, "first create the products that are ordered");
  app.add_flag("--users", options.users, "first register those who order");
  CLI11_PARSE(app, argc, argv);

  const auto stubs = Connect(options);
  std::vector<std::string> users;
  if (options.users && !RegisterUsers(options, users)) return 1;
  if (options.wait_s > 0 && !WaitUntilAnswered(options, stubs, users)) return 1;
  if (options.stock && !StockShop(options.address)) return 1;

  const auto begin = Clock::now();
  const auto measured_from =
      begin + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(options.warm_up_s));
  const auto end =
      measured_from + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(options.seconds));
  Run run{options, measured_from, end, {0}, absl::BlockingCounter(options.in_flight)};
  const auto lanes = Drive(run, stubs, users);

  Latencies latencies;
  std::map<std::string, int64_t> errors;
  Clock::time_point last = measured_from;
  for (const auto& lane : lanes) lane->AddTo(latencies, errors, last);
  const double seconds = std::chrono::duration<double>(last - measured_from).count();
  nlohmann::json result{{"in_flight", options.in_flight},
                        {"calls", run.counted.load()},
                        {"ok", latencies.size()},
                        {"errors", errors},
                        {"seconds", seconds},
                        {"request_bytes", lanes[0]->request_bytes()},
                        {"rate", seconds > 0 ? static_cast<double>(latencies.size()) / seconds : 0.0}};
  latencies.Report(result);
  std::printf("%s\n", result.dump().c_str());
  return 0;
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) { return bench::Main(argc, argv); }
