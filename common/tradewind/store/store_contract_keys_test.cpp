// Keys of any length, as producers outside the mesh may choose them: each is found again and meets no other.
#include <gmock/gmock.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"

#include "tradewind/store/short_key.h"
#include "tradewind/store/store_contract.h"

namespace tradewind::store {
namespace {

using testing::ElementsAre;
using testing::SizeIs;
using Kind = CommitResult::Kind;

// Bytes that no compression makes shorter.
std::string Incompressible(size_t size) {
  std::string bytes;
  bytes.reserve(size);
  uint64_t state = 88'172'645'463'325'252U;
  while (bytes.size() < size) {
    state ^= state << 13U;
    state ^= state >> 7U;
    state ^= state << 17U;
    bytes.push_back(static_cast<char>(state >> 24U));
  }
  return bytes;
}

// Each twice: the second differs in the last byte alone.
std::vector<std::string> Keys() {
  std::vector<std::string> keys{""};
  for (const size_t size : {size_t{1}, kMaxPlainKeyBytes, kMaxPlainKeyBytes + 1, kMaxPlainKeyBytes + 32, size_t{2705},
                            size_t{4000}, size_t{230'000}, size_t{1'000'000}}) {
    keys.push_back(Incompressible(size));
    keys.push_back(keys.back());
    keys.back().back() ^= 1;
  }
  // What a longer key is shortened to is a key, too.
  keys.push_back(ShortKey(keys.back()));
  return keys;
}

KeptRecord MakeKept(const TaskId& task, KeptState state, const std::string& key, std::string record) {
  KeptRecord kept;
  kept.task = task;
  kept.state = state;
  kept.queued = state == KeptState::kParked;
  kept.key = key;
  kept.record = std::move(record);
  return kept;
}

TEST(ShortKey, IsTheKeyItselfUpToItsLimit) {
  EXPECT_EQ(ShortKey(""), "");
  const std::string plain = Incompressible(kMaxPlainKeyBytes);
  EXPECT_EQ(ShortKey(plain), plain);
}

TEST(ShortKey, EndsInTheDigestOfAnyLongerKey) {
  // Stores on disk depend on it: from sha256sum.
  const std::string key(kMaxPlainKeyBytes + 1, 'k');
  const std::string digest =
      "\x01\x1c\xc8\xdc\xad\xe2\x4f\x43\xd2\xd7\xf9\x56\x05\xd8\x48\x1d\xa1\xd0\xb8\x64\x75\xde\xf4\x9b\xe0\x2b\xfc\x20"
      "\xce\xe8\x6e\x65";
  EXPECT_EQ(ShortKey(key), std::string(kMaxPlainKeyBytes, 'k') + digest);
}

TEST_P(StoreContract, FindsQueuesOfKeysOfAnyLength) {
  const TaskId task{"orders", 1};
  const std::vector<std::string> keys = Keys();
  Batch batch;
  for (size_t i = 0; i < keys.size(); ++i) {
    for (const char* const place : {"a", "b"}) {
      batch.kept.push_back(MakeKept(task, KeptState::kParked, keys[i], place + std::to_string(i)));
    }
  }
  ASSERT_EQ(Commit(batch).kind, Kind::kCommitted);
  Reopen();
  const auto heads = session_->LoadQueueHeads(task);
  ASSERT_TRUE(heads.ok()) << heads.status();
  ASSERT_THAT(*heads, SizeIs(keys.size()));
  for (size_t i = 0; i < keys.size(); ++i) {
    const std::vector<std::string> wanted{ShortKey(keys[i])};
    const auto queue = session_->LoadQueues(task, wanted, 10);
    ASSERT_TRUE(queue.ok()) << queue.status();
    ASSERT_THAT(*queue, SizeIs(2)) << keys[i].size();
    EXPECT_EQ((*queue)[0].record, "a" + std::to_string(i));
    EXPECT_EQ((*queue)[1].record, "b" + std::to_string(i));
    EXPECT_EQ((*queue)[0].key, keys[i]);
    EXPECT_TRUE(std::any_of(heads->begin(), heads->end(),
                            [&](const QueueHead& head) { return head.key == wanted[0] && head.id == (*queue)[0].id; }));
  }
}

TEST_P(StoreContract, ListsKeptRecordsOfKeysOfAnyLength) {
  const std::vector<std::string> keys = Keys();
  Batch batch;
  for (size_t i = 0; i < keys.size(); ++i) {
    const KeptState state = i % 2 == 0 ? KeptState::kDead : KeptState::kHeld;
    batch.kept.push_back(MakeKept({"orders", 1}, state, keys[i], std::to_string(i)));
  }
  ASSERT_EQ(Commit(batch).kind, Kind::kCommitted);
  for (size_t i = 0; i < keys.size(); ++i) {
    const auto kept = store_->reader().ListKept({.key = keys[i]}, 0, 10);
    ASSERT_TRUE(kept.ok()) << kept.status();
    ASSERT_THAT(*kept, SizeIs(1)) << keys[i].size();
    EXPECT_EQ((*kept)[0].key, keys[i]);
    EXPECT_EQ((*kept)[0].record, std::to_string(i));
    EXPECT_EQ(*store_->Request({.key = keys[i]}, KeptAction::kSkip), 1);
  }
}

TEST_P(StoreContract, SetsAndRemovesTimersOfKeysOfAnyLength) {
  const TaskId task{"orders", 1};
  const std::vector<std::string> keys = Keys();
  for (const char* const record : {"first", "second"}) {
    Batch batch;
    for (size_t i = 0; i < keys.size(); ++i) {
      Timer& timer = batch.timers_set.emplace_back();
      timer.task = task;
      timer.key = keys[i];
      timer.name = "pay";
      timer.due = absl::FromUnixSeconds(static_cast<int64_t>(i));
      timer.record = record + std::to_string(i);
    }
    ASSERT_EQ(Commit(batch).kind, Kind::kCommitted);
  }
  const auto timers = session_->LoadTimers(task, 100);
  ASSERT_TRUE(timers.ok()) << timers.status();
  ASSERT_THAT(*timers, SizeIs(keys.size()));
  for (size_t i = 0; i < keys.size(); ++i) {
    EXPECT_EQ((*timers)[i].key, keys[i]);
    EXPECT_EQ((*timers)[i].record, "second" + std::to_string(i));
    Batch removal;
    removal.timers_removed = {{task, keys[i], "pay"}};
    ASSERT_EQ(Commit(removal).kind, Kind::kCommitted);
    EXPECT_THAT(*session_->LoadTimers(task, 100), SizeIs(keys.size() - i - 1));
  }
}

TEST_P(StoreContract, KnowsRequestsByPartsOfAnyLength) {
  const std::vector<std::string> keys = Keys();
  for (const std::string& part : keys) {
    const std::string hash = std::to_string(part.size()) + (part.empty() ? '-' : part.back());
    const RequestKey request{part, part, part};
    EXPECT_FALSE(LoadRequest(request).has_value());
    Batch batch;
    batch.requests = {{request, hash, "reply"}};
    ASSERT_EQ(Commit(batch).kind, Kind::kCommitted);
    EXPECT_EQ(Commit(batch).kind, Kind::kConflict);
  }
  Reopen();
  for (const std::string& part : keys) {
    const std::string hash = std::to_string(part.size()) + (part.empty() ? '-' : part.back());
    EXPECT_EQ(LoadRequest({part, part, part})->hash, hash);
  }
}

TEST_P(StoreContract, FindsAggregatesAndIndexEntriesOfAnyLength) {
  const std::vector<std::string> keys = Keys();
  for (const std::string& key : keys) {
    const uint64_t version = Write("Order", key, 0, "new", {{"by_name", key, 1}, {"all", "", 7}});
    EXPECT_GT(Write("Order", key, version, "changed"), version);
  }
  Reopen();
  std::vector<std::string> listed;
  ListQuery all{.kind = "Order", .index = "all", .limit = 1};
  for (size_t i = 0; i < keys.size(); ++i) {
    EXPECT_EQ(Load("Order", keys[i]).value, "changed");
    EXPECT_EQ((*store_->reader().Get("Order", keys[i]))->value, "changed");
    EXPECT_THAT(ListKeys({.kind = "Order", .index = "by_name", .value = keys[i]}), ElementsAre(keys[i]));
    const auto page = ListKeys(all);
    ASSERT_THAT(page, SizeIs(1));
    listed.push_back(page[0]);
    all.after = {.order = 7, .key = page[0]};
  }
  EXPECT_THAT(ListKeys(all), SizeIs(0));
  EXPECT_THAT(listed, testing::UnorderedElementsAreArray(keys));
  const std::string& longest = keys[keys.size() - 2];
  const Aggregate stored = Load("Order", longest);
  Write("Order", longest, stored.version, std::nullopt, {}, {{"by_name", longest, 1}, {"all", "", 7}});
  EXPECT_EQ(Load("Order", longest).version, 0u);
  EXPECT_THAT(ListKeys({.kind = "Order", .index = "by_name", .value = longest}), SizeIs(0));
}

}  // namespace
}  // namespace tradewind::store
