#include "tradewind/auth/password.h"

#include <sodium.h>

#include <atomic>
#include <future>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tradewind::auth {
namespace {

constexpr const char* kMethod = "/p.S/Register";
constexpr const char* kRequest = "0199e7c8-0000-7000-8000-000000000001";
constexpr const char* kPassword = "correct horse battery";

// The least that Argon2id takes: what is tested does not depend on the cost.
constexpr HashCost kCheap{.memory_bytes = 8192, .passes = 1};

std::string Hash(std::string_view password, std::string_view field = "password", std::string_view request = kRequest,
                 HashCost cost = kCheap) {
  const absl::StatusOr<std::string> hash = HashPassword(cost, password, kMethod, field, request);
  EXPECT_TRUE(hash.ok()) << hash.status();
  return hash.value_or("");
}

TEST(PasswordHasher, MakesWhatLibsodiumVerifies) {
  const std::string hash = Hash(kPassword);
  EXPECT_TRUE(VerifyPassword(hash, kPassword)) << hash;
  EXPECT_FALSE(VerifyPassword(hash, "wrong"));
  EXPECT_FALSE(VerifyPassword("no hash", kPassword));
  EXPECT_THAT(hash, testing::StartsWith("$argon2id$v=19$m=8,t=1,p=1$"));
}

TEST(PasswordHasher, UsesTheCostItIsGiven) {
  const std::string hash = Hash(kPassword, "password", kRequest, HashCost{});
  EXPECT_THAT(hash, testing::StartsWith("$argon2id$v=19$m=19456,t=2,p=1$"));
  EXPECT_TRUE(VerifyPassword(hash, kPassword));
  EXPECT_EQ(crypto_pwhash_str_needs_rehash(hash.c_str(), 2, 19 << 20), 0);
}

TEST(PasswordHasher, GivesARepeatedRequestTheSameBytes) {
  EXPECT_EQ(Hash(kPassword), Hash(kPassword));
  EXPECT_NE(Hash(kPassword), Hash("another password"));
  EXPECT_NE(Hash(kPassword), Hash(kPassword, "other_field"));
  EXPECT_NE(Hash(kPassword), Hash(kPassword, "password", "0199e7c8-0000-7000-8000-000000000002"));
}

TEST(PasswordHasher, SaltsAtRandomWithoutARequestId) {
  const std::string first = Hash(kPassword, "password", "");
  const std::string second = Hash(kPassword, "password", "");
  EXPECT_NE(first, second);
  EXPECT_TRUE(VerifyPassword(first, kPassword));
  EXPECT_TRUE(VerifyPassword(second, kPassword));
}

TEST(HasherPool, TurnsJobsAwayWhenItsQueueIsFull) {
  std::promise<void> started;
  std::promise<void> release;
  std::atomic<int> ran = 0;
  {
    HasherPool pool(1, 1);
    HasherPool::Job blocking = [&] {
      started.set_value();
      release.get_future().wait();
      ++ran;
    };
    ASSERT_TRUE(pool.Submit(blocking));
    started.get_future().wait();
    HasherPool::Job queued = [&] { ++ran; };
    EXPECT_TRUE(pool.Submit(queued));
    HasherPool::Job refused = [&] { ran += 100; };
    EXPECT_FALSE(pool.Submit(refused));
    release.set_value();
  }
  // What was queued ran before the pool ended.
  EXPECT_EQ(ran, 2);
}

}  // namespace
}  // namespace tradewind::auth
