#include "tradewind/rpc/work_pool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/synchronization/notification.h"

namespace tradewind::rpc {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// One thread, held until Release: what is submitted waits, and then runs in the order that the pool gives it.
class WorkPoolTest : public ::testing::Test {
 protected:
  void Start(WorkPool::Options options) {
    options.name = "test";
    options.threads = 1;
    pool_ = std::make_unique<WorkPool>(options);
    ASSERT_TRUE(pool_
                    ->Submit({.run =
                                  [this] {
                                    held_.Notify();
                                    release_.WaitForNotification();
                                  },
                              .client = "holder"})
                    .ok());
    held_.WaitForNotification();
  }
  absl::StatusOr<WorkPool::Ticket> Submit(const std::string& client, const std::string& name,
                                          const std::string& subject = "") {
    return pool_->Submit({.run = [this, name] { ran_.push_back(name); }, .client = client, .subject = subject});
  }
  std::string Refusal(const std::string& client, const std::string& subject = "") {
    const auto ticket = Submit(client, "?", subject);
    EXPECT_TRUE(absl::IsResourceExhausted(ticket.status())) << ticket.status();
    return std::string(ticket.status().message());
  }
  // What ran, once all has.
  std::vector<std::string> Release() {
    release_.Notify();
    pool_.reset();
    return ran_;
  }

  absl::Notification held_;
  absl::Notification release_;
  // By the pool's thread, until that has ended.
  std::vector<std::string> ran_;
  std::unique_ptr<WorkPool> pool_;
};

TEST_F(WorkPoolTest, RunsWhatWaitsBeforeItEnds) {
  Start({});
  EXPECT_TRUE(Submit("a", "a1").ok());
  EXPECT_TRUE(Submit("a", "a2").ok());
  EXPECT_EQ(pool_->waiting(), 2u);
  EXPECT_THAT(Release(), ElementsAre("a1", "a2"));
}

TEST_F(WorkPoolTest, LetsClientsTakeTurns) {
  Start({});
  for (const char* name : {"a1", "a2", "a3"}) EXPECT_TRUE(Submit("a", name).ok());
  for (const char* name : {"b1", "b2"}) EXPECT_TRUE(Submit("b", name).ok());
  EXPECT_TRUE(Submit("c", "c1").ok());
  EXPECT_THAT(Release(), ElementsAre("a1", "b1", "c1", "a2", "b2", "a3"));
}

TEST_F(WorkPoolTest, RefusesWhatTheQueueDoesNotHold) {
  Start({.max_waiting = 2, .max_waiting_of_client = 2});
  EXPECT_TRUE(Submit("a", "a1").ok());
  EXPECT_TRUE(Submit("b", "b1").ok());
  EXPECT_THAT(Refusal("c"), HasSubstr("queue is full"));
  EXPECT_THAT(Release(), ElementsAre("a1", "b1"));
}

TEST_F(WorkPoolTest, KeepsPlacesForOthersThanOneClient) {
  Start({.max_waiting = 4});
  EXPECT_TRUE(Submit("a", "a1").ok());
  EXPECT_TRUE(Submit("a", "a2").ok());
  EXPECT_THAT(Refusal("a"), HasSubstr("client's share"));
  EXPECT_TRUE(Submit("b", "b1").ok());
  EXPECT_THAT(Release(), ElementsAre("a1", "b1", "a2"));
}

TEST_F(WorkPoolTest, BoundsWhatWaitsAboutOneSubject) {
  Start({.max_waiting_about_subject = 1});
  EXPECT_TRUE(Submit("a", "a1", "ada").ok());
  EXPECT_THAT(Refusal("b", "ada"), HasSubstr("same subject"));
  EXPECT_TRUE(Submit("b", "b1", "bob").ok());
  EXPECT_TRUE(Submit("b", "b2").ok());
  EXPECT_TRUE(Submit("b", "b3").ok());
  EXPECT_THAT(Release(), ElementsAre("a1", "b1", "b2", "b3"));
}

TEST_F(WorkPoolTest, LeavesHalfOfASubjectToOtherClients) {
  Start({.max_waiting_about_subject = 4});
  EXPECT_TRUE(Submit("a", "a1", "ada").ok());
  EXPECT_TRUE(Submit("a", "a2", "ada").ok());
  EXPECT_THAT(Refusal("a", "ada"), HasSubstr("share of what waits for this subject"));
  EXPECT_TRUE(Submit("a", "a3", "bob").ok());
  EXPECT_TRUE(Submit("b", "b1", "ada").ok());
  EXPECT_TRUE(Submit("c", "c1", "ada").ok());
  EXPECT_THAT(Refusal("c", "ada"), HasSubstr("same subject"));
  EXPECT_THAT(Release(), SizeIs(5));
}

TEST_F(WorkPoolTest, FreesThePlaceOfWhatIsTakenBack) {
  Start({.max_waiting = 2, .max_waiting_of_client = 1, .max_waiting_about_subject = 1});
  const auto first = Submit("a", "a1", "ada");
  ASSERT_TRUE(first.ok());
  EXPECT_TRUE(Submit("b", "b1").ok());
  EXPECT_TRUE(pool_->Withdraw(*first));
  EXPECT_FALSE(pool_->Withdraw(*first));
  EXPECT_EQ(pool_->waiting(), 1u);
  EXPECT_TRUE(Submit("a", "a2", "ada").ok());
  EXPECT_THAT(Release(), ElementsAre("b1", "a2"));
}

TEST_F(WorkPoolTest, TakesNothingBackThatRuns) {
  Start({});
  // The holder's.
  EXPECT_FALSE(pool_->Withdraw(1));
  EXPECT_FALSE(pool_->Withdraw(0));
  EXPECT_FALSE(pool_->Withdraw(99));
  EXPECT_THAT(Release(), IsEmpty());
}

TEST_F(WorkPoolTest, DestroysWhatIsTakenBack) {
  Start({});
  const auto token = std::make_shared<int>(1);
  const auto ticket = pool_->Submit({.run = [token] {}, .client = "a"});
  EXPECT_EQ(token.use_count(), 2);
  EXPECT_TRUE(pool_->Withdraw(*ticket));
  EXPECT_EQ(token.use_count(), 1);
  EXPECT_THAT(Release(), IsEmpty());
}

TEST(WorkPool, RunsAsManyAtOnceAsItHasThreads) {
  absl::Notification first;
  absl::Notification second;
  WorkPool pool({.name = "test", .threads = 2});
  // Each waits for the other.
  ASSERT_TRUE(pool.Submit({.run =
                               [&] {
                                 first.Notify();
                                 second.WaitForNotification();
                               },
                           .client = "a"})
                  .ok());
  ASSERT_TRUE(pool.Submit({.run =
                               [&] {
                                 second.Notify();
                                 first.WaitForNotification();
                               },
                           .client = "a"})
                  .ok());
}

}  // namespace
}  // namespace tradewind::rpc
