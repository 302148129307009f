#include "tradewind/app/command_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <stdexcept>
#include <utility>
#include <vector>

#include "tradewind/bus/event_sink.h"
#include "tradewind/mesh/v1/envelope.pb.h"
#include "tradewind/order/v1/order.pb.h"

namespace tradewind {
namespace {

// Takes everything, or refuses everything, and reports nothing.
class Sink final : public bus::EventSink {
 public:
  explicit Sink(absl::Status answer) : answer_(std::move(answer)) {}
  absl::Status Produce(const bus::OutgoingRecord& record, uint64_t token) override {
    keys.emplace_back(record.key);
    tokens.push_back(token);
    return answer_;
  }
  int Poll(absl::Duration timeout, absl::FunctionRef<void(const bus::Delivery&)> /*on_delivery*/) override {
    absl::SleepFor(std::min(timeout, absl::Milliseconds(1)));
    return 0;
  }
  absl::Status Reset() override { return absl::OkStatus(); }

  std::vector<std::string> keys;
  std::vector<uint64_t> tokens;

 private:
  const absl::Status answer_;
};

class CommandClientTest : public ::testing::Test {
 protected:
  void Open(absl::Status answer) {
    auto sink = std::make_unique<Sink>(std::move(answer));
    sink_ = sink.get();
    link_.OpenOver(std::move(sink), {{"order.commands.v1", 3}});
  }
  void Cancel(absl::Duration wait = absl::Seconds(60)) {
    order::v1::CancelOrderRequest command;
    command.set_id("o-1");
    client_.Call(command, {.caller = "", .method = "m", .request_id = "", .traceparent = "", .wait = wait},
                 [this](CommandOutcome outcome) {
                   absl::MutexLock lock(&mutex_);
                   outcomes_.push_back(std::move(outcome));
                 });
  }
  std::vector<CommandOutcome> WaitForOutcomes(size_t count) {
    absl::MutexLock lock(&mutex_);
    const auto enough = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return outcomes_.size() >= count; };
    mutex_.AwaitWithTimeout(absl::Condition(&enough), absl::Seconds(10));
    return outcomes_;
  }

  absl::Mutex mutex_;
  std::vector<CommandOutcome> outcomes_;
  commands::CommandLink link_{
      {.client_id = "test", .source = "/test"}, {}, telemetry::NewGauge("test_direct_pending", "For tests.")};
  CommandClient client_{link_};
  Sink* sink_ = nullptr;
};

TEST_F(CommandClientTest, GivesTheReplyToWhoAsked) {
  Open(absl::OkStatus());
  Cancel();
  ASSERT_EQ(sink_->keys, std::vector<std::string>{"o-1"});
  order::v1::Order order;
  order.set_id("o-1");
  mesh::v1::Reply reply;
  reply.mutable_resource()->PackFrom(order);
  commands::PendingCall* const call = link_.Take(sink_->tokens.at(0));
  ASSERT_NE(call, nullptr);
  call->OnReply(reply);
  const auto outcomes = WaitForOutcomes(1);
  ASSERT_EQ(outcomes.size(), 1);
  EXPECT_TRUE(outcomes[0].ok());
  EXPECT_EQ(outcomes[0].type, "tradewind.order.v1.Order");
  EXPECT_EQ(outcomes[0].resource, order.SerializeAsString());
}

TEST_F(CommandClientTest, SaysThatKafkaDidNotTakeIt) {
  Open(absl::ResourceExhaustedError("full"));
  Cancel();
  const auto outcomes = WaitForOutcomes(1);
  ASSERT_EQ(outcomes.size(), 1);
  EXPECT_EQ(outcomes[0].error.code(), static_cast<int>(absl::StatusCode::kUnavailable));
  EXPECT_EQ(link_.pending(), 0);
}

TEST_F(CommandClientTest, SaysThatNoAnswerCameInTime) {
  Open(absl::OkStatus());
  Cancel(absl::Milliseconds(20));
  const auto outcomes = WaitForOutcomes(1);
  ASSERT_EQ(outcomes.size(), 1);
  EXPECT_EQ(outcomes[0].error.code(), static_cast<int>(absl::StatusCode::kDeadlineExceeded));
}

TEST_F(CommandClientTest, TakesNothingMoreOnceItDrains) {
  Open(absl::OkStatus());
  client_.Drain(absl::ZeroDuration());
  Cancel();
  EXPECT_TRUE(sink_->keys.empty());
  EXPECT_EQ(WaitForOutcomes(1).at(0).error.code(), static_cast<int>(absl::StatusCode::kUnavailable));
}

TEST_F(CommandClientTest, RefusesAMessageThatIsNoCommand) {
  Open(absl::OkStatus());
  EXPECT_THROW(client_.Call(order::v1::Order(), {}, [](CommandOutcome) {}), std::invalid_argument);
}

}  // namespace
}  // namespace tradewind
