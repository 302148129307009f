#include "tradewind/bus/kafka_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tradewind/bus/internal/kafka_fixture.h"
#include "tradewind/bus/internal/transactional_producer.h"

namespace tradewind::bus {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

// "from" up to but not including "to".
std::vector<std::string> Numbers(int from, int to) {
  std::vector<std::string> numbers;
  for (int i = from; i < to; ++i) {
    numbers.push_back(std::to_string(i));
  }
  return numbers;
}

class KafkaSourceTest : public ::testing::Test {
 protected:
  // Both topics of the group, with `partitions` each.
  void MakeTopics(int32_t partitions) {
    lead_ = MakeTopic(config_, "lead", partitions);
    other_ = MakeTopic(config_, "other", partitions);
  }
  std::unique_ptr<Member> NewMember() {
    return std::make_unique<Member>(config_, group_, std::vector<std::string>{lead_, other_});
  }

  const KafkaConfig config_ = TestKafka();
  const std::string group_ = UniqueName("group");
  std::string lead_;
  std::string other_;
};

TEST_F(KafkaSourceTest, ReadsEveryTopicWhereTheListenerSays) {
  MakeTopics(1);
  Fill(config_, lead_, 0, 0, 10);
  Fill(config_, other_, 0, 0, 10);
  const auto member = NewMember();
  member->listener.start = {{{lead_, 0}, 4}, {{other_, 0}, 7}};
  ASSERT_TRUE(WaitFor([&] { return member->seen.size() == 9; }, [&] { member->Step(); })) << member->seen.size();
  EXPECT_EQ(member->Values(lead_, 0), Numbers(4, 10));
  EXPECT_EQ(member->Values(other_, 0), Numbers(7, 10));
}

TEST_F(KafkaSourceTest, AnotherMemberTakesItsShareOfEveryTopic) {
  MakeTopics(4);
  for (int32_t partition = 0; partition < 4; ++partition) {
    Fill(config_, lead_, partition, 0, 5);
    Fill(config_, other_, partition, 0, 5);
  }
  const auto first = NewMember();
  ASSERT_TRUE(WaitFor([&] { return first->seen.size() == 40; }, [&] { first->Step(); })) << first->seen.size();

  const auto second = NewMember();
  ASSERT_TRUE(WaitFor([&] { return second->listener.owned.size() == 2 && first->listener.owned.size() == 2; },
                      [&] {
                        first->Step();
                        second->Step();
                      }));
  EXPECT_EQ(first->listener.revoked.size(), 2U);
  EXPECT_TRUE(first->listener.lost.empty());
  std::set<int32_t> all = first->listener.owned;
  all.insert(second->listener.owned.begin(), second->listener.owned.end());
  EXPECT_THAT(all, UnorderedElementsAre(0, 1, 2, 3));

  // Its share starts from 0 again, for its listener says so; the first member sees only new records of what it kept.
  for (int32_t partition = 0; partition < 4; ++partition) {
    Fill(config_, lead_, partition, 5, 5);
    Fill(config_, other_, partition, 5, 5);
  }
  first->seen.clear();
  ASSERT_TRUE(WaitFor([&] { return second->seen.size() == 40 && first->seen.size() == 20; },
                      [&] {
                        first->Step();
                        second->Step();
                      }))
      << first->seen.size() << " and " << second->seen.size();
  for (const int32_t partition : first->listener.owned) {
    EXPECT_EQ(first->Values(lead_, partition), Numbers(5, 10));
    EXPECT_EQ(first->Values(other_, partition), Numbers(5, 10));
  }
  for (const int32_t partition : second->listener.owned) {
    EXPECT_EQ(second->Values(lead_, partition), Numbers(0, 10));
    EXPECT_EQ(second->Values(other_, partition), Numbers(0, 10));
  }
}

// The log ends in what is never handed out: the records of a transaction that was aborted, and the marks of both.
TEST_F(KafkaSourceTest, FindsTheEndBehindTransactions) {
  MakeTopics(1);
  TransactionalProducer producer(config_, UniqueName("transactions"));
  producer.Begin();
  producer.Produce(lead_, 0, "committed", 3);
  producer.Commit();
  producer.Begin();
  producer.Produce(lead_, 0, "aborted", 2);
  producer.Abort();
  const auto member = NewMember();
  ASSERT_TRUE(WaitFor([&] { return member->seen.size() == 3; }, [&] { member->Step(); }));
  EXPECT_FALSE(member->source->CaughtUp(lead_, 0, 0));
  const Position place{.topic = lead_, .partition = 0};
  EXPECT_TRUE(WaitFor([&] { return member->source->CaughtUp(lead_, 0, 0); },
                      [&] {
                        member->Step();
                        member->source->Ranges({&place, 1});
                      }));
  // What comes behind it is read as ever.
  Fill(config_, lead_, 0, 3, 1);
  EXPECT_TRUE(WaitFor([&] { return member->seen.size() == 4; }, [&] { member->Step(); }));
  EXPECT_TRUE(WaitFor([&] { return member->source->CaughtUp(lead_, 0, 0); }, [&] { member->Step(); }));
}

// Its heartbeats go on meanwhile.
TEST_F(KafkaSourceTest, AMemberThatDoesNotPollLosesItsPartitions) {
  MakeTopics(1);
  KafkaConfig config = config_;
  config.max_poll_interval = absl::Seconds(1);
  Member first(config, group_, {lead_, other_});
  ASSERT_TRUE(WaitFor([&] { return first.listener.owned.size() == 1; }, [&] { first.Step(); }));
  const auto second = NewMember();
  EXPECT_TRUE(WaitFor([&] { return second->listener.owned.size() == 1; }, [&] { second->Step(); }));
  EXPECT_TRUE(WaitFor([&] { return first.listener.lost.size() == 1; }, [&] { first.Step(); }));
}

TEST_F(KafkaSourceTest, AMemberWithoutPartitionsIsToldSo) {
  MakeTopics(1);
  const auto first = NewMember();
  ASSERT_TRUE(WaitFor([&] { return first->listener.owned.size() == 1; }, [&] { first->Step(); }));
  const auto second = NewMember();
  ASSERT_TRUE(WaitFor([&] { return second->listener.assigned_calls > 0; },
                      [&] {
                        first->Step();
                        second->Step();
                      }));
  EXPECT_TRUE(second->listener.owned.empty());
  EXPECT_EQ(first->listener.owned.size(), 1U);
}

TEST_F(KafkaSourceTest, CloseRevokesCommitsAndHandsOverAtOnce) {
  MakeTopics(2);
  auto first = NewMember();
  ASSERT_TRUE(WaitFor([&] { return first->listener.owned.size() == 2; }, [&] { first->Step(); }));
  absl::Status committed = absl::UnknownError("not called");
  first->listener.on_revoked = [&](absl::Span<const int32_t> partitions) {
    EXPECT_THAT(partitions, ElementsAre(0, 1));
    committed = first->source->CommitOffsets({{lead_, 0, 3, "store-1 17"}}, false);
  };
  ASSERT_TRUE(first->source->CommitOffsets({{lead_, 0, 2, "store-1 16"}}, false).ok());
  const absl::Status closed = first->source->Close(absl::Seconds(10));
  EXPECT_TRUE(closed.ok()) << closed;
  EXPECT_TRUE(committed.ok()) << committed;
  EXPECT_THAT(first->listener.revoked, ElementsAre(0, 1));
  EXPECT_EQ(first->source->Poll(absl::ZeroDuration()).status().code(), absl::StatusCode::kFailedPrecondition);

  const auto second = NewMember();
  ASSERT_TRUE(WaitFor([&] { return second->listener.owned.size() == 2; }, [&] { second->Step(); }));
  const auto offsets = second->source->Committed({{lead_, 0}, {lead_, 1}, {other_, 0}});
  ASSERT_TRUE(offsets.ok()) << offsets.status();
  ASSERT_EQ(offsets->size(), 3U);
  EXPECT_EQ((*offsets)[0].offset, 3);
  EXPECT_EQ((*offsets)[0].metadata, "store-1 17");
  EXPECT_EQ((*offsets)[1].offset, -1);
  EXPECT_EQ((*offsets)[2].topic, other_);
  EXPECT_EQ((*offsets)[2].offset, -1);
}

TEST_F(KafkaSourceTest, AnOffsetPastTheEndIsNamedAndStopsItsPartitionAlone) {
  MakeTopics(2);
  Fill(config_, lead_, 0, 0, 10);
  const auto member = NewMember();
  member->listener.start = {{{lead_, 0}, 500}};
  ASSERT_TRUE(WaitFor([&] { return !member->listener.unreadable.empty(); }, [&] { member->Step(); }));
  const absl::Status why = member->listener.unreadable.at(0);
  EXPECT_EQ(why.code(), absl::StatusCode::kOutOfRange);
  EXPECT_THAT(std::string(why.message()),
              AllOf(HasSubstr(lead_ + "-0"), HasSubstr("500"), HasSubstr("[0, 10)"), HasSubstr(group_)));
  Fill(config_, lead_, 1, 0, 3);
  EXPECT_TRUE(WaitFor([&] { return member->Values(lead_, 1).size() == 3; }, [&] { member->Step(); }));
  EXPECT_TRUE(member->status.ok()) << member->status;
  // And it goes on once it is told where.
  ASSERT_TRUE(member->source->Resume({{lead_, 0, 7}}).ok());
  EXPECT_TRUE(WaitFor([&] { return member->Values(lead_, 0).size() == 3; }, [&] { member->Step(); }));
}

TEST_F(KafkaSourceTest, PausedPartitionsStayQuietAndResumeWhereTold) {
  MakeTopics(2);
  for (int32_t partition = 0; partition < 2; ++partition) {
    Fill(config_, lead_, partition, 0, 100);
    Fill(config_, other_, partition, 0, 100);
  }
  const auto member = NewMember();
  // Some of partition 0 are fetched, and possibly handed out, before the pause.
  ASSERT_TRUE(WaitFor([&] { return member->Values(lead_, 0).size() >= 10; }, [&] { member->Step(); }));
  ASSERT_TRUE(member->source->Pause({0}).ok());
  member->seen.clear();
  Fill(config_, lead_, 1, 100, 50);
  ASSERT_TRUE(WaitFor(
      [&] {
        const std::vector<std::string> values = member->Values(lead_, 1);
        return !values.empty() && values.back() == "149";
      },
      [&] { member->Step(); }));
  EXPECT_TRUE(member->Values(lead_, 0).empty());
  EXPECT_TRUE(member->Values(other_, 0).empty());

  member->seen.clear();
  const absl::Status resumed = member->source->Resume({{lead_, 0, 20}, {other_, 0, 90}});
  ASSERT_TRUE(resumed.ok()) << resumed;
  ASSERT_TRUE(WaitFor([&] { return member->Values(lead_, 0).size() == 80 && member->Values(other_, 0).size() == 10; },
                      [&] { member->Step(); }));
  EXPECT_EQ(member->Values(lead_, 0), Numbers(20, 100));
  EXPECT_EQ(member->Values(other_, 0), Numbers(90, 100));
}

// Every kind of loss that a client could have here shows as a hole in the numbers.
TEST_F(KafkaSourceTest, LosesNothingOverManyPausesAndResumes) {
  MakeTopics(1);
  constexpr int64_t kCount = 1000;
  Fill(config_, lead_, 0, 0, kCount);
  const auto member = NewMember();
  int64_t next = 0;
  for (int64_t pause_at = 25; pause_at <= kCount; pause_at += 25) {
    while (next < pause_at) {
      auto record = member->source->Poll(kPatience);
      ASSERT_TRUE(record.ok() && record->has_value()) << record.status();
      ASSERT_EQ((*record)->offset(), next);
      ++next;
    }
    next -= pause_at % 7;
    // On a busy machine the client takes too long for it now and then: then it is done again, as the worker does it.
    absl::Status resumed = absl::UnavailableError("not tried yet");
    for (int tries = 0; absl::IsUnavailable(resumed) && tries < 5; ++tries) {
      ASSERT_TRUE(member->source->Pause({0}).ok());
      resumed = member->source->Resume({{lead_, 0, next}, {other_, 0, 0}});
    }
    ASSERT_TRUE(resumed.ok()) << resumed;
  }
}

TEST_F(KafkaSourceTest, WhatTheListenerLeavesOutIsNotReadUntilItIsResumed) {
  MakeTopics(2);
  Fill(config_, lead_, 0, 0, 10);
  Fill(config_, lead_, 1, 0, 10);
  const auto member = NewMember();
  member->listener.refused = {{lead_, 0}, {other_, 0}};
  ASSERT_TRUE(WaitFor([&] { return member->Values(lead_, 1).size() == 10; }, [&] { member->Step(); }));
  EXPECT_TRUE(member->Values(lead_, 0).empty());
  const absl::Status resumed = member->source->Resume({{lead_, 0, 6}, {other_, 0, 0}});
  ASSERT_TRUE(resumed.ok()) << resumed;
  ASSERT_TRUE(WaitFor([&] { return member->Values(lead_, 0).size() == 4; }, [&] { member->Step(); }));
  EXPECT_EQ(member->Values(lead_, 0), Numbers(6, 10));
  // And it goes with the rest.
  EXPECT_TRUE(member->source->Close(absl::Seconds(10)).ok());
  EXPECT_THAT(member->listener.revoked, ElementsAre(0, 1));
}

TEST_F(KafkaSourceTest, NothingOfARevokedPartitionComesOutAnyMore) {
  MakeTopics(2);
  const auto first = NewMember();
  ASSERT_TRUE(WaitFor([&] { return first->listener.owned.size() == 2; }, [&] { first->Step(); }));
  for (int32_t partition = 0; partition < 2; ++partition) {
    Fill(config_, lead_, partition, 0, 2000);
  }
  const auto second = NewMember();
  bool strayed = false;
  ASSERT_TRUE(WaitFor([&] { return second->listener.owned.size() == 1 && first->listener.owned.size() == 1; },
                      [&] {
                        // Slowly, so that much is fetched ahead when the revocation comes.
                        first->seen.clear();
                        first->Step(absl::Milliseconds(5));
                        second->Step(absl::Milliseconds(5));
                        strayed |=
                            !first->seen.empty() && !first->listener.owned.contains(first->seen.back().partition);
                      }));
  first->seen.clear();
  const int32_t kept = *first->listener.owned.begin();
  ASSERT_TRUE(
      WaitFor([&] { return !first->Values(lead_, kept).empty() && first->Values(lead_, kept).back() == "1999"; },
              [&] { first->Step(); }));
  EXPECT_TRUE(first->Values(lead_, 1 - kept).empty());
  EXPECT_FALSE(strayed);
}

TEST_F(KafkaSourceTest, RefusesToResumeWhatItDoesNotOwn) {
  MakeTopics(1);
  const auto member = NewMember();
  ASSERT_TRUE(WaitFor([&] { return member->listener.owned.size() == 1; }, [&] { member->Step(); }));
  EXPECT_EQ(member->source->Resume({{lead_, 7, 0}}).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(member->source->Resume({{"stranger", 0, 0}}).code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace tradewind::bus
