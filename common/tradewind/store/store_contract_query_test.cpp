// Requests, secondary indexes and what a reader sees.
#include <gmock/gmock.h>

#include <atomic>
#include <limits>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/time.h"

#include "tradewind/store/store_contract.h"

namespace tradewind::store {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using Kind = CommitResult::Kind;
using std::string_literals::operator""s;

constexpr int64_t kLowest = std::numeric_limits<int64_t>::min();
constexpr int64_t kHighest = std::numeric_limits<int64_t>::max();

TEST_P(StoreContract, AnswersRequestsInTheOrderAsked) {
  const std::string id = "i\0d\xff"s;
  Batch batch;
  batch.requests = {{{"alice", "Create", id}, "h1", "r1"}, {{"", "Create", id}, "h2", ""}};
  ASSERT_EQ(Commit(batch).kind, Kind::kCommitted);
  Reopen();
  const RequestKey keys[] = {{"bob", "Create", id},
                             {"", "Create", id},
                             {"alice", "Cancel", id},
                             {"alice", "Create", "i"},
                             {"alice", "Create", id}};
  const auto rows = session_->LoadRequests(keys);
  ASSERT_TRUE(rows.ok()) << rows.status();
  ASSERT_THAT(*rows, SizeIs(5));
  EXPECT_FALSE((*rows)[0].has_value());
  EXPECT_EQ((*rows)[1]->hash, "h2");
  EXPECT_EQ((*rows)[1]->reply, "");
  EXPECT_FALSE((*rows)[2].has_value());
  EXPECT_FALSE((*rows)[3].has_value());
  EXPECT_EQ((*rows)[4]->hash, "h1");
  EXPECT_EQ((*rows)[4]->reply, "r1");
}

TEST_P(StoreContract, PrunesOldRequestsUpToALimit) {
  const absl::Time start = absl::FromUnixSeconds(1'700'000'000);
  std::vector<std::string> ids;
  for (int i = 0; i < 10; ++i) ids.push_back(std::to_string(i));
  // Written in an order other than that of their times.
  for (const int i : {3, 0, 9, 1, 2, 4, 8, 5, 7, 6}) {
    Batch batch;
    batch.now = start + absl::Hours(i);
    batch.requests = {{{"caller", "method", ids[static_cast<size_t>(i)]}, "hash", "reply", "orders", i % 2}};
    ASSERT_EQ(Commit(batch).kind, Kind::kCommitted);
  }
  const absl::Time before = start + absl::Hours(6);
  const int32_t both[] = {0, 1};
  EXPECT_EQ(*session_->PruneRequests("orders", both, before, 0), 0);
  EXPECT_EQ(*session_->PruneRequests("orders", both, before, 4), 4);
  EXPECT_EQ(*session_->PruneRequests("orders", both, before, 4), 2);
  EXPECT_EQ(*session_->PruneRequests("orders", both, before, 4), 0);
  EXPECT_EQ(*session_->PruneRequestsWithoutTask(before, 4), 0);
  for (size_t i = 0; i < ids.size(); ++i) {
    EXPECT_EQ(LoadRequest({"caller", "method", ids[i]}).has_value(), i >= 6) << i;
  }
}

TEST_P(StoreContract, PrunesOnlyRequestsOfTheTasksNamed) {
  const absl::Time now = absl::FromUnixSeconds(1'700'000'000);
  Batch batch;
  batch.now = now;
  batch.requests = {{{"", "m", "a"}, "hash", "reply", "orders", 0},
                    {{"", "m", "b"}, "hash", "reply", "orders", 1},
                    {{"", "m", "c"}, "hash", "reply", "orders", 11},
                    {{"", "m", "d"}, "hash", "reply", "mails", 0}};
  ASSERT_EQ(Commit(batch).kind, Kind::kCommitted);
  Reopen();
  const absl::Time later = now + absl::Seconds(1);
  const int32_t partitions[] = {0, 11};
  EXPECT_EQ(*session_->PruneRequests("orders", {}, later, 10), 0);
  EXPECT_EQ(*session_->PruneRequests("nobody", partitions, later, 10), 0);
  EXPECT_EQ(*session_->PruneRequests("orders", partitions, later, 10), 2);
  EXPECT_FALSE(LoadRequest({"", "m", "a"}).has_value());
  EXPECT_TRUE(LoadRequest({"", "m", "b"}).has_value());
  EXPECT_FALSE(LoadRequest({"", "m", "c"}).has_value());
  EXPECT_TRUE(LoadRequest({"", "m", "d"}).has_value());
}

TEST_P(StoreContract, ReaderFindsNothingWhereThereIsNothing) {
  EXPECT_FALSE(store_->reader().Get("order", "1")->has_value());
  EXPECT_THAT(ListKeys({.kind = "order", .index = "by_user"}), IsEmpty());
  Write("order", "1", 0, "value", {{"by_user", "u", 1}});
  EXPECT_FALSE(store_->reader().Get("order", "2")->has_value());
  EXPECT_FALSE(store_->reader().Get("user", "1")->has_value());
  EXPECT_THAT(ListKeys({.kind = "order", .index = "by_state"}), IsEmpty());
  EXPECT_THAT(ListKeys({.kind = "order", .index = "by_user", .value = "v"}), IsEmpty());
  EXPECT_THAT(ListKeys({.kind = "user", .index = "by_user", .value = "u"}), IsEmpty());
}

TEST_P(StoreContract, ReaderSeesEachCommit) {
  uint64_t version = Write("order", "1", 0, "a");
  for (const std::string_view value : {"b", "c", "d"}) {
    version = Write("order", "1", version, value);
    const auto found = store_->reader().Get("order", "1");
    ASSERT_TRUE(found.ok() && found->has_value());
    EXPECT_EQ((*found)->value, value);
    EXPECT_EQ((*found)->version, version);
  }
  Write("order", "1", version, std::nullopt);
  EXPECT_FALSE(store_->reader().Get("order", "1")->has_value());
}

TEST_P(StoreContract, ListsByOrderThenKeyBothWaysAndInPages) {
  const std::string bytes = "\0\xff"s;
  // Equal orders, keys that are prefixes of each other, and both ends of the range.
  const std::pair<std::string, int64_t> rows[] = {
      {"b", 5},   {"a", 5},         {"a\0"s, 5},   {"z", 1},           {"", 9},
      {bytes, 9}, {"low", kLowest}, {"", kLowest}, {"high", kHighest}, {"minus", -1}};
  int n = 0;
  for (const auto& [key, order] : rows) {
    const std::string full = key + "/" + std::to_string(n++);
    Write("order", full, 0, "value of " + full, {{"by_user", bytes, order}, {"by_state", "open", order / 2}});
  }
  // Bytes compare unsigned, and a shorter key goes before one that it begins.
  const std::vector<std::string> up = {"/7"s,  "low/6"s, "minus/9"s,  "z/3"s, "a\0/2"s,
                                       "a/1"s, "b/0"s,   "\0\xff/5"s, "/4"s,  "high/8"s};
  const std::vector<std::string> down(up.rbegin(), up.rend());
  ListQuery query{.kind = "order", .index = "by_user", .value = bytes};
  EXPECT_EQ(ListKeys(query), up);
  query.descending = true;
  EXPECT_EQ(ListKeys(query), down);

  for (const bool descending : {false, true}) {
    std::vector<std::string> paged;
    ListQuery page{.kind = "order", .index = "by_user", .value = bytes, .descending = descending, .limit = 3};
    while (true) {
      const auto listed = store_->reader().List(page);
      ASSERT_TRUE(listed.ok()) << listed.status();
      for (const ListedAggregate& row : *listed) {
        EXPECT_EQ(row.value, "value of " + row.key);
        paged.push_back(row.key);
      }
      if (listed->size() < 3) break;
      page.after = ListQuery::After{listed->back().order, listed->back().key};
    }
    EXPECT_EQ(paged, descending ? down : up);
  }
}

TEST_P(StoreContract, MovesAnAggregateInItsIndexes) {
  uint64_t version = Write("order", "1", 0, "open", {{"by_state", "open", 1}, {"by_user", "u", 1}});
  version = Write("order", "1", version, "closed", {{"by_state", "closed", 2}}, {{"by_state", "open", 1}});
  EXPECT_THAT(ListKeys({.kind = "order", .index = "by_state", .value = "open"}), IsEmpty());
  EXPECT_THAT(ListKeys({.kind = "order", .index = "by_state", .value = "closed"}), ElementsAre("1"));
  EXPECT_THAT(ListKeys({.kind = "order", .index = "by_user", .value = "u"}), ElementsAre("1"));
  // Added again where it is: as if once.
  version = Write("order", "1", version, "closed", {{"by_user", "u", 1}});
  EXPECT_THAT(ListKeys({.kind = "order", .index = "by_user", .value = "u"}), ElementsAre("1"));
  Write("order", "1", version, std::nullopt, {}, {{"by_state", "closed", 2}, {"by_user", "u", 1}});
  EXPECT_THAT(ListKeys({.kind = "order", .index = "by_state", .value = "closed"}), IsEmpty());
  EXPECT_THAT(ListKeys({.kind = "order", .index = "by_user", .value = "u"}), IsEmpty());
}

// Two aggregates that every commit changes together are never seen half changed, by any of many readers at once.
TEST_P(StoreContract, ReadersSeeWholeCommitsOnly) {
  constexpr int kReaders = 3;
  constexpr int kCommits = 100;
  uint64_t left = Write("pair", "left", 0, "0", {{"all", "", 0}});
  uint64_t right = Write("pair", "right", 0, "0", {{"all", "", 0}});
  std::atomic<bool> done = false;
  std::atomic<int> reads = 0;
  std::vector<std::thread> readers;
  for (int i = 0; i < kReaders; ++i) {
    readers.emplace_back([&] {
      do {
        const auto listed = store_->reader().List({.kind = "pair", .index = "all"});
        ASSERT_TRUE(listed.ok()) << listed.status();
        ASSERT_THAT(*listed, SizeIs(2));
        ASSERT_EQ((*listed)[0].value, (*listed)[1].value);
        ASSERT_TRUE(store_->reader().Get("pair", "left").ok());
        ++reads;
      } while (!done);
    });
  }
  for (int i = 1; i <= kCommits; ++i) {
    const std::string value = std::to_string(i);
    Batch batch;
    batch.aggregates = {MakeWrite("pair", "left", left, value), MakeWrite("pair", "right", right, value)};
    const CommitResult result = Commit(batch);
    EXPECT_EQ(result.kind, Kind::kCommitted);
    left = result.versions[0];
    right = result.versions[1];
  }
  done = true;
  for (std::thread& reader : readers) reader.join();
  EXPECT_GE(reads, kReaders);
}

TEST_P(StoreContract, PinsTheFirstCountOfPartitions) {
  using Counts = std::map<std::string, int32_t>;
  const auto pin = [&](const Counts& counts, bool replace = false) { return store_->PinPartitions(counts, replace); };
  EXPECT_EQ(*pin({{"orders", 12}, {"users", 6}}), (Counts{{"orders", 12}, {"users", 6}}));
  EXPECT_EQ(*pin({{"orders", 24}, {"stock", 24}}), (Counts{{"orders", 12}, {"stock", 24}}));
  Reopen();
  EXPECT_EQ(*pin({{"orders", 24}, {"users", 24}}), (Counts{{"orders", 12}, {"users", 6}}));
  EXPECT_EQ(*pin({{"orders", 24}}, /*replace=*/true), (Counts{{"orders", 24}}));
  Reopen();
  EXPECT_EQ(*pin({{"orders", 48}, {"users", 48}}), (Counts{{"orders", 24}, {"users", 6}}));
}

}  // namespace
}  // namespace tradewind::store
