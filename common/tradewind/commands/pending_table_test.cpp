#include "tradewind/commands/pending_table.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

#include "tradewind/commands/deadline_wheel.h"
#include "tradewind/commands/reply_reader.h"
#include "tradewind/mesh/v1/envelope.pb.h"

namespace tradewind::commands {
namespace {

// Counts how often it was ended, and how.
class CountingCall final : public PendingCall {
 public:
  void OnAccepted() override { ++accepted; }
  void OnReply(mesh::v1::Reply&) override { ++replies; }
  void OnNotAccepted(const absl::Status&) override { ++not_accepted; }
  void OnOutcomePending(const absl::Status&) override { ++outcome_pending; }

  std::atomic<int> accepted = 0;
  std::atomic<int> replies = 0;
  std::atomic<int> not_accepted = 0;
  std::atomic<int> outcome_pending = 0;
};

telemetry::Gauge TestGauge() { return telemetry::NewGauge("test_pending", "For tests."); }

TEST(PendingTable, GivesACallToTheFirstWhoTakesIt) {
  PendingShare share;
  PendingTable table(TestGauge());
  CountingCall call;
  const uint64_t id = table.NextId();
  table.Insert(id, call, Await::kOutcome, share);
  EXPECT_EQ(table.Take(id), &call);
  EXPECT_EQ(table.Take(id), nullptr);
  EXPECT_EQ(table.Take(id + 1), nullptr);
  EXPECT_EQ(table.size(), 0u);
}

TEST(PendingTable, NeverGivesACallTwiceUnderARace) {
  PendingShare share;
  PendingTable table(TestGauge());
  constexpr int kCalls = 2000;
  std::vector<CountingCall> calls(kCalls);
  std::vector<uint64_t> ids;
  for (CountingCall& call : calls) {
    ids.push_back(table.NextId());
    table.Insert(ids.back(), call, Await::kAcceptance, share);
  }
  // A deadline, a delivery report and a replaced producer meet.
  std::thread deadline([&] {
    for (const uint64_t id : ids) {
      if (PendingCall* call = table.Take(id)) {
        call->OnOutcomePending(absl::OkStatus());
      }
    }
  });
  std::thread delivery([&] {
    for (auto id = ids.rbegin(); id != ids.rend(); ++id) {
      if (PendingCall* call = table.Deliver(*id)) {
        call->OnAccepted();
      }
    }
  });
  for (PendingCall* call : table.TakeUndelivered()) {
    call->OnNotAccepted(absl::OkStatus());
  }
  deadline.join();
  delivery.join();
  for (const CountingCall& call : calls) {
    EXPECT_EQ(call.accepted + call.outcome_pending + call.not_accepted, 1);
  }
}

TEST(PendingTable, DeliveryEndsOnlyCallsThatAwaitJustThat) {
  PendingShare share;
  PendingTable table(TestGauge());
  CountingCall waits_for_kafka;
  CountingCall waits_for_outcome;
  table.Insert(1, waits_for_kafka, Await::kAcceptance, share);
  table.Insert(2, waits_for_outcome, Await::kOutcome, share);
  EXPECT_EQ(table.Deliver(1), &waits_for_kafka);
  EXPECT_EQ(table.Deliver(2), nullptr);
  EXPECT_EQ(table.Take(2), &waits_for_outcome);
}

TEST(PendingTable, AReplacedProducerLosesOnlyWhatWasNotDelivered) {
  PendingShare share;
  PendingTable table(TestGauge());
  CountingCall delivered;
  CountingCall under_way;
  table.Insert(1, delivered, Await::kOutcome, share);
  table.Insert(2, under_way, Await::kOutcome, share);
  EXPECT_EQ(table.Deliver(1), nullptr);
  EXPECT_EQ(table.TakeUndelivered(), std::vector<PendingCall*>{&under_way});
  EXPECT_EQ(table.size(), 1u);
}

TEST(PendingTable, LetsSoManyWaitAndHalfOfThemForOneService) {
  PendingShare away;
  PendingShare well;
  PendingTable table(TestGauge(), 4, 2);
  std::array<CountingCall, 6> calls;
  EXPECT_TRUE(table.Insert(1, calls[0], Await::kOutcome, away));
  EXPECT_TRUE(table.Insert(2, calls[1], Await::kAcceptance, away));
  EXPECT_FALSE(table.Insert(3, calls[2], Await::kOutcome, away));
  EXPECT_EQ(table.Take(3), nullptr);
  EXPECT_TRUE(table.Insert(4, calls[3], Await::kOutcome, well));
  // However a call ends, its place is another's.
  EXPECT_NE(table.Deliver(2), nullptr);
  EXPECT_TRUE(table.Insert(5, calls[4], Await::kOutcome, away));
  EXPECT_NE(table.Take(5), nullptr);
  EXPECT_TRUE(table.Insert(6, calls[5], Await::kOutcome, away));
  EXPECT_EQ(table.TakeUndelivered().size(), 3u);
  PendingShare third;
  EXPECT_TRUE(table.Insert(7, calls[0], Await::kOutcome, away));
  EXPECT_TRUE(table.Insert(8, calls[1], Await::kOutcome, away));
  EXPECT_TRUE(table.Insert(9, calls[2], Await::kOutcome, well));
  EXPECT_TRUE(table.Insert(10, calls[3], Await::kOutcome, well));
  EXPECT_FALSE(table.Insert(11, calls[4], Await::kOutcome, third));
  EXPECT_EQ(table.size(), 4u);
}

bus::Record RecordOf(std::string value) {
  return bus::Record::FromContent({.topic = "mesh.replies.v1", .value = std::move(value)});
}

bus::Record BatchFor(const std::string& instance, std::initializer_list<uint64_t> ids) {
  mesh::v1::ReplyBatch batch;
  batch.set_instance_id(instance);
  for (const uint64_t id : ids) {
    batch.add_replies()->set_correlation_id(id);
  }
  return RecordOf(batch.SerializeAsString());
}

// Keeps what it hears of.
class RecordingListener final : public OutcomeListener {
 public:
  void OnReply(const mesh::v1::Reply& reply) override { replied.push_back(reply.correlation_id()); }
  void OnAbsent(uint64_t id) override { absent.push_back(id); }

  std::vector<uint64_t> replied;
  std::vector<uint64_t> absent;
};

TEST(Replies, EndTheCallsTheyBelongTo) {
  PendingShare share;
  PendingTable table(TestGauge());
  CountingCall first;
  CountingCall second;
  table.Insert(7, first, Await::kOutcome, share);
  table.Insert(8, second, Await::kOutcome, share);
  mesh::v1::ReplyBatch scratch;
  // 9 is nobody's any more, and a batch may come twice.
  EXPECT_EQ(*DeliverReplies(BatchFor("me", {7, 9}), "me", scratch, table), 1);
  EXPECT_EQ(*DeliverReplies(BatchFor("me", {7, 9}), "me", scratch, table), 0);
  EXPECT_EQ(first.replies, 1);
  EXPECT_EQ(second.replies, 0);
}

TEST(Replies, AreHeardOfThoughNoCallWaits) {
  RecordingListener listener;
  PendingTable table(TestGauge(), 10, 10, &listener);
  mesh::v1::ReplyBatch scratch;
  EXPECT_EQ(*DeliverReplies(BatchFor("me", {7, 9}), "me", scratch, table), 0);
  EXPECT_EQ(*DeliverReplies(BatchFor("you", {8}), "me", scratch, table), 0);
  EXPECT_EQ(listener.replied, (std::vector<uint64_t>{7, 9}));
  EXPECT_EQ(table.TakeAbsent(10), nullptr);
  EXPECT_EQ(listener.absent, std::vector<uint64_t>{10});
}

TEST(Replies, ForOthersArePassedOver) {
  PendingShare share;
  PendingTable table(TestGauge());
  CountingCall call;
  table.Insert(7, call, Await::kOutcome, share);
  mesh::v1::ReplyBatch scratch;
  EXPECT_EQ(*DeliverReplies(BatchFor("you", {7}), "me", scratch, table), 0);
  EXPECT_EQ(*DeliverReplies(BatchFor(std::string(200, 'y'), {7}), "me", scratch, table), 0);
  EXPECT_EQ(*DeliverReplies(BatchFor("", {7}), "me", scratch, table), 0);
  EXPECT_EQ(call.replies, 0);
}

TEST(Replies, ThatAreNoneAreRefused) {
  PendingShare share;
  PendingTable table(TestGauge());
  mesh::v1::ReplyBatch scratch;
  const bus::Record unreadable = bus::Record::Unreadable("mesh.replies.v1", 0, 7, "its batch is too large");
  EXPECT_TRUE(absl::IsInvalidArgument(DeliverReplies(RecordOf("\xFF\xFF\xFF"), "me", scratch, table).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(DeliverReplies(unreadable, "me", scratch, table).status()));
}

TEST(DeadlineWheel, GivesIdsWhenTheirTickHasCome) {
  DeadlineWheel wheel(100);
  EXPECT_EQ(wheel.Next(), DeadlineWheel::kNever);
  EXPECT_EQ(wheel.Add(10, 1), 10);
  EXPECT_EQ(wheel.Add(5, 2), 5);
  EXPECT_EQ(wheel.Next(), 5);
  std::vector<uint64_t> due;
  wheel.Take(4, due);
  EXPECT_TRUE(due.empty());
  wheel.Take(7, due);
  EXPECT_EQ(due, std::vector<uint64_t>{2});
  due.clear();
  wheel.Take(1000, due);
  EXPECT_EQ(due, std::vector<uint64_t>{1});
  EXPECT_EQ(wheel.Next(), DeadlineWheel::kNever);
}

TEST(DeadlineWheel, LosesNothingThatComesLateOrLiesTooFarAhead) {
  DeadlineWheel wheel(100);
  std::vector<uint64_t> due;
  wheel.Take(50, due);
  EXPECT_EQ(wheel.Add(20, 1), 51);
  EXPECT_EQ(wheel.Add(5000, 2), 150);
  wheel.Take(150, due);
  EXPECT_EQ(due, (std::vector<uint64_t>{1, 2}));
}

TEST(DeadlineWheel, LosesNothingWhenAddedToWhileTaken) {
  DeadlineWheel wheel(64);
  constexpr uint64_t kIds = 20'000;
  std::atomic<bool> done = false;
  std::vector<uint64_t> due;
  int64_t tick = 0;
  std::thread taker([&] {
    while (!done) {
      wheel.Take(++tick, due);
    }
  });
  for (uint64_t id = 0; id < kIds; ++id) {
    // Overdue: always into the very next bucket, the one that is about to be taken.
    wheel.Add(0, id);
  }
  done = true;
  taker.join();
  wheel.Take(tick + 65, due);
  std::sort(due.begin(), due.end());
  ASSERT_EQ(due.size(), kIds);
  EXPECT_EQ(std::unique(due.begin(), due.end()), due.end());
}

TEST(DeadlineThread, EndsACallThatNobodyAnswers) {
  PendingShare share;
  PendingTable table(TestGauge());
  CountingCall call;
  table.Insert(1, call, Await::kOutcome, share);
  absl::Notification ended;
  DeadlineThread deadlines(absl::Seconds(60), [&](uint64_t id) {
    if (PendingCall* found = table.Take(id)) {
      found->OnOutcomePending(absl::OkStatus());
      ended.Notify();
    }
  });
  deadlines.Add(1, absl::Milliseconds(1));
  EXPECT_TRUE(ended.WaitForNotificationWithTimeout(absl::Seconds(30)));
  EXPECT_EQ(call.outcome_pending, 1);
}

TEST(DeadlineThread, IsWokenForWhatIsDueBeforeItMeantToWake) {
  absl::Mutex mutex;
  uint64_t last = 0;
  DeadlineThread deadlines(absl::Seconds(60), [&](uint64_t id) {
    absl::MutexLock lock(&mutex);
    last = id;
  });
  // It sleeps towards this one, for ten seconds at a time, while the others come.
  deadlines.Add(1000, absl::Seconds(60));
  for (uint64_t id = 1; id <= 20; ++id) {
    deadlines.Add(id, absl::Milliseconds(1));
    absl::MutexLock lock(&mutex);
    const auto called = [&] { return last == id; };
    ASSERT_TRUE(mutex.AwaitWithTimeout(absl::Condition(&called), absl::Seconds(5))) << id;
  }
}

}  // namespace
}  // namespace tradewind::commands
