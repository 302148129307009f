#include "tradewind/seal/key_waiters.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace tradewind::seal {
namespace {

// Who waits is looked for after every record of the log and many times a second.
TEST(KeyWaiters, AskOnceForAllWhoWaitForOneEnd) {
  constexpr int kWaiting = 30'000;
  constexpr int kPartitions = 3;
  KeyWaiters waiters;
  for (int i = 0; i < kWaiting; ++i) {
    const KeyLog::End end{.partition = i % kPartitions, .question = 1};
    waiters.AddForKnown(TagOf(std::to_string(i)), absl::InfiniteFuture(), end, [](const absl::Status&) {});
  }
  int asked = 0;
  const auto take = [&](int32_t read) {
    asked = 0;
    return waiters.TakeEnded([&](const KeyLog::End& end) {
      ++asked;
      return end.partition == read;
    });
  };
  EXPECT_TRUE(take(-1).empty());
  EXPECT_EQ(asked, kPartitions);
  EXPECT_EQ(take(1).size(), kWaiting / kPartitions);
  EXPECT_TRUE(take(1).empty());
  EXPECT_EQ(asked, kPartitions - 1);
}

TEST(KeyWaiters, AreTakenOnceByWhateverComesFirst) {
  KeyWaiters waiters;
  const SubjectTag ann = TagOf("ann");
  const KeyLog::End end{.partition = 0, .question = 1};
  const absl::Time soon = absl::UnixEpoch();
  waiters.AddForNew(ann, soon, [](const absl::Status&) {});
  waiters.AddForKnown(ann, absl::InfiniteFuture(), end, [](const absl::Status&) {});
  waiters.AddForKnown(TagOf("bob"), soon, end, [](const absl::Status&) {});
  EXPECT_EQ(waiters.NewOf(ann), 1);
  EXPECT_EQ(waiters.TakeOf(ann).size(), 2U);
  EXPECT_EQ(waiters.NewOf(ann), 0);
  EXPECT_EQ(waiters.TakeOverdue(soon).size(), 1U);
  EXPECT_TRUE(waiters.TakeEnded([](const KeyLog::End&) { return true; }).empty());
}

}  // namespace
}  // namespace tradewind::seal
