#include "tradewind/commands/command_publisher.h"

#include <array>
#include <atomic>
#include <deque>
#include <memory>
#include <string>
#include <utility>

#include "gtest/gtest.h"

#include "tradewind/mesh/v1/envelope.pb.h"
#include "tradewind/testing/eventually.h"

namespace tradewind::commands {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(30);
constexpr size_t kMaxCalls = 10;

// What the sinks of a test answer, and what was made of them.
struct Script {
  absl::Mutex mutex;
  absl::Status produce ABSL_GUARDED_BY(mutex);
  std::deque<bus::Delivery> deliveries ABSL_GUARDED_BY(mutex);
  int replacements ABSL_GUARDED_BY(mutex) = 0;
  int ends_begun ABSL_GUARDED_BY(mutex) = 0;
  // Sinks that end wait while it is set.
  bool holds_ends ABSL_GUARDED_BY(mutex) = false;
};

// A sink that answers as it is told.
class ScriptedSink final : public bus::EventSink {
 public:
  explicit ScriptedSink(Script& script) : script_(script) {}
  ~ScriptedSink() override {
    absl::MutexLock lock(&script_.mutex);
    ++script_.ends_begun;
    const auto may_end = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(script_.mutex) { return !script_.holds_ends; };
    script_.mutex.Await(absl::Condition(&may_end));
  }
  absl::Status Produce(const bus::OutgoingRecord&, uint64_t) override {
    absl::MutexLock lock(&script_.mutex);
    return script_.produce;
  }
  int Poll(absl::Duration timeout, absl::FunctionRef<void(const bus::Delivery&)> on_delivery) override {
    bus::Delivery delivery;
    {
      absl::MutexLock lock(&script_.mutex);
      const auto has_delivery = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(script_.mutex) {
        return !script_.deliveries.empty();
      };
      if (!script_.mutex.AwaitWithTimeout(absl::Condition(&has_delivery), timeout)) {
        return 0;
      }
      delivery = script_.deliveries.front();
      script_.deliveries.pop_front();
    }
    on_delivery(delivery);
    return 1;
  }
  absl::Status Reset() override { return absl::UnimplementedError("not used"); }

 private:
  Script& script_;
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

// Counts what Kafka certainly does not have.
class CountingListener final : public OutcomeListener {
 public:
  void OnReply(const mesh::v1::Reply&) override {}
  void OnAbsent(uint64_t) override { ++absent; }
  std::atomic<int> absent = 0;
};

class CommandPublisherTest : public ::testing::Test {
 protected:
  absl::Status Publish(uint64_t id, PendingCall& call, Await await = Await::kOutcome) {
    return publisher_.Publish({.topic = "t", .key = "k", .value = "v"}, id, call, await, share_);
  }

  void AnswerProduce(absl::Status status) {
    absl::MutexLock lock(&script_.mutex);
    script_.produce = std::move(status);
  }
  void Deliver(bus::Delivery delivery) {
    absl::MutexLock lock(&script_.mutex);
    script_.deliveries.push_back(std::move(delivery));
  }
  void HoldEnds(bool hold) {
    absl::MutexLock lock(&script_.mutex);
    script_.holds_ends = hold;
  }
  int replacements() {
    absl::MutexLock lock(&script_.mutex);
    return script_.replacements;
  }

  // Of sinks that another has taken the place of.
  int ends_begun() {
    absl::MutexLock lock(&script_.mutex);
    return script_.ends_begun;
  }

  PendingShare share_;
  CountingListener listener_;
  PendingTable table_{telemetry::NewGauge("test_pending", "For tests."), kMaxCalls, kMaxCalls, &listener_};
  Script script_;
  CommandPublisher publisher_{std::make_unique<ScriptedSink>(script_),
                              [this]() -> absl::StatusOr<std::unique_ptr<bus::EventSink>> {
                                absl::MutexLock lock(&script_.mutex);
                                ++script_.replacements;
                                script_.produce = absl::OkStatus();
                                return std::make_unique<ScriptedSink>(script_);
                              },
                              table_};
};

TEST_F(CommandPublisherTest, TellsAcceptance) {
  RecordingCall call;
  ASSERT_TRUE(Publish(1, call, Await::kAcceptance).ok());
  Deliver({.token = 1});
  EXPECT_EQ(call.end(), "accepted");
}

TEST_F(CommandPublisherTest, TellsWhatIsCertainlyAbsentFromWhatMayBeThere) {
  RecordingCall absent;
  RecordingCall unknown;
  ASSERT_TRUE(Publish(1, absent).ok());
  ASSERT_TRUE(Publish(2, unknown).ok());
  Deliver({.token = 1, .status = absl::UnavailableError("timed out"), .certainly_absent = true});
  Deliver({.token = 2, .status = absl::UnavailableError("timed out"), .certainly_absent = false});
  EXPECT_EQ(absent.end(), "not accepted");
  EXPECT_EQ(unknown.end(), "outcome pending");
  EXPECT_EQ(listener_.absent, 1);
}

// Whose deadline has passed hears no more of it; who watches over what it made does.
TEST_F(CommandPublisherTest, TellsOfWhatIsAbsentThoughNoCallWaits) {
  RecordingCall overdue;
  ASSERT_TRUE(Publish(1, overdue).ok());
  ASSERT_EQ(table_.Take(1), &overdue);
  Deliver({.token = 1, .status = absl::UnavailableError("timed out"), .certainly_absent = true});
  EXPECT_TRUE(testing::Eventually([&] { return listener_.absent == 1; }));
}

TEST_F(CommandPublisherTest, GivesTheCallBackWhenTheQueueIsFull) {
  AnswerProduce(absl::ResourceExhaustedError("full"));
  RecordingCall call;
  EXPECT_EQ(Publish(1, call).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(listener_.absent, 1);
  EXPECT_EQ(table_.size(), 0u);
  EXPECT_EQ(replacements(), 0);
}

TEST_F(CommandPublisherTest, GivesTheCallBackWhereTooManyWait) {
  std::array<RecordingCall, kMaxCalls + 1> calls;
  for (uint64_t id = 1; id <= kMaxCalls; ++id) ASSERT_TRUE(Publish(id, calls[id]).ok());
  EXPECT_TRUE(IsTooManyWaiting(Publish(kMaxCalls + 1, calls[0])));
  EXPECT_EQ(listener_.absent, 1);
  EXPECT_EQ(table_.size(), kMaxCalls);
}

TEST_F(CommandPublisherTest, ReplacesABrokenProducerAndEndsWhatItHeld) {
  RecordingCall under_way;
  RecordingCall delivered;
  ASSERT_TRUE(Publish(1, under_way).ok());
  ASSERT_TRUE(Publish(2, delivered).ok());
  RecordingCall marker;
  ASSERT_TRUE(Publish(3, marker, Await::kAcceptance).ok());
  Deliver({.token = 2});
  Deliver({.token = 3});
  ASSERT_EQ(marker.end(), "accepted");
  // Both have been reported by now, in this order.

  AnswerProduce(absl::UnavailableError("the producer has failed and needs another"));
  RecordingCall refused;
  EXPECT_FALSE(Publish(4, refused).ok());
  EXPECT_EQ(under_way.end(), "outcome pending");
  EXPECT_EQ(replacements(), 1);
  EXPECT_EQ(table_.Take(2), &delivered);

  RecordingCall after;
  ASSERT_TRUE(Publish(5, after, Await::kAcceptance).ok());
  Deliver({.token = 5});
  EXPECT_EQ(after.end(), "accepted");
}

// Callers are gRPC's callback threads: whatever held one up would hold up all others, health included.
TEST_F(CommandPublisherTest, TakesCommandsWhileABrokenProducerEnds) {
  HoldEnds(true);
  AnswerProduce(absl::UnavailableError("the producer has failed and needs another"));
  RecordingCall under_way;
  EXPECT_FALSE(Publish(1, under_way).ok());
  ASSERT_TRUE(testing::Eventually([&] { return ends_begun() == 1; }));
  RecordingCall after;
  ASSERT_TRUE(Publish(2, after, Await::kAcceptance).ok());
  Deliver({.token = 2});
  EXPECT_EQ(after.end(), "accepted");
  HoldEnds(false);
}

}  // namespace
}  // namespace tradewind::commands
