#include "tradewind/commands/command_publisher.h"

#include <deque>

#include "gtest/gtest.h"

#include "tradewind/mesh/v1/envelope.pb.h"

namespace tradewind::commands {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(30);

// A sink that answers as it is told.
class ScriptedSink final : public bus::EventSink {
 public:
  absl::Status Produce(const bus::OutgoingRecord&, uint64_t token) override {
    absl::MutexLock lock(&mutex_);
    if (produce_.ok()) {
      produced_.push_back(token);
    }
    return produce_;
  }
  int Poll(absl::Duration timeout, absl::FunctionRef<void(const bus::Delivery&)> on_delivery) override {
    bus::Delivery delivery;
    {
      absl::MutexLock lock(&mutex_);
      const auto has_delivery = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return !deliveries_.empty(); };
      if (!mutex_.AwaitWithTimeout(absl::Condition(&has_delivery), timeout)) {
        return 0;
      }
      delivery = deliveries_.front();
      deliveries_.pop_front();
    }
    on_delivery(delivery);
    return 1;
  }
  absl::Status Reset() override {
    absl::MutexLock lock(&mutex_);
    ++resets_;
    produce_ = absl::OkStatus();
    return absl::OkStatus();
  }

  void AnswerProduce(absl::Status status) {
    absl::MutexLock lock(&mutex_);
    produce_ = std::move(status);
  }
  void Deliver(bus::Delivery delivery) {
    absl::MutexLock lock(&mutex_);
    deliveries_.push_back(std::move(delivery));
  }
  int resets() {
    absl::MutexLock lock(&mutex_);
    return resets_;
  }

 private:
  absl::Mutex mutex_;
  absl::Status produce_ ABSL_GUARDED_BY(mutex_);
  std::vector<uint64_t> produced_ ABSL_GUARDED_BY(mutex_);
  std::deque<bus::Delivery> deliveries_ ABSL_GUARDED_BY(mutex_);
  int resets_ ABSL_GUARDED_BY(mutex_) = 0;
};

class RecordingCall final : public PendingCall {
 public:
  void OnAccepted() override { End("accepted"); }
  void OnReply(mesh::v1::Reply&) override { End("reply"); }
  void OnNotAccepted(const absl::Status&) override { End("not accepted"); }
  void OnOutcomePending(const absl::Status&) override { End("outcome pending"); }

  // How the call ended; waits for it.
  std::string end() {
    EXPECT_TRUE(ended_.WaitForNotificationWithTimeout(kPatience));
    return end_;
  }

 private:
  void End(const char* how) {
    end_ = how;
    ended_.Notify();
  }
  std::string end_;
  absl::Notification ended_;
};

class CommandPublisherTest : public testing::Test {
 protected:
  absl::Status Publish(uint64_t id, PendingCall& call, Await await = Await::kOutcome) {
    return publisher_.Publish({.topic = "t", .key = "k", .value = "v"}, id, call, await, share_);
  }

  PendingShare share_;
  PendingTable table_{telemetry::NewGauge("test_pending", "For tests.")};
  ScriptedSink* sink_ = new ScriptedSink;
  CommandPublisher publisher_{std::unique_ptr<bus::EventSink>(sink_), table_};
};

TEST_F(CommandPublisherTest, TellsAcceptance) {
  RecordingCall call;
  ASSERT_TRUE(Publish(1, call, Await::kAcceptance).ok());
  sink_->Deliver({.token = 1});
  EXPECT_EQ(call.end(), "accepted");
}

TEST_F(CommandPublisherTest, TellsWhatIsCertainlyAbsentFromWhatMayBeThere) {
  RecordingCall absent;
  RecordingCall unknown;
  ASSERT_TRUE(Publish(1, absent).ok());
  ASSERT_TRUE(Publish(2, unknown).ok());
  sink_->Deliver({.token = 1, .status = absl::UnavailableError("timed out"), .certainly_absent = true});
  sink_->Deliver({.token = 2, .status = absl::UnavailableError("timed out"), .certainly_absent = false});
  EXPECT_EQ(absent.end(), "not accepted");
  EXPECT_EQ(unknown.end(), "outcome pending");
}

TEST_F(CommandPublisherTest, GivesTheCallBackWhenTheQueueIsFull) {
  sink_->AnswerProduce(absl::ResourceExhaustedError("full"));
  RecordingCall call;
  EXPECT_EQ(Publish(1, call).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(table_.size(), 0u);
  EXPECT_EQ(sink_->resets(), 0);
}

TEST_F(CommandPublisherTest, ReplacesABrokenProducerAndEndsWhatItHeld) {
  RecordingCall under_way;
  RecordingCall delivered;
  ASSERT_TRUE(Publish(1, under_way).ok());
  ASSERT_TRUE(Publish(2, delivered).ok());
  RecordingCall marker;
  ASSERT_TRUE(Publish(3, marker, Await::kAcceptance).ok());
  sink_->Deliver({.token = 2});
  sink_->Deliver({.token = 3});
  ASSERT_EQ(marker.end(), "accepted");
  // Both have been reported by now, in this order.

  sink_->AnswerProduce(absl::UnavailableError("the producer has failed and needs a Reset"));
  RecordingCall refused;
  EXPECT_FALSE(Publish(4, refused).ok());
  EXPECT_EQ(under_way.end(), "outcome pending");
  EXPECT_EQ(sink_->resets(), 1);
  EXPECT_EQ(table_.Take(2), &delivered);

  RecordingCall after;
  ASSERT_TRUE(Publish(5, after, Await::kAcceptance).ok());
  sink_->Deliver({.token = 5});
  EXPECT_EQ(after.end(), "accepted");
}

}  // namespace
}  // namespace tradewind::commands
