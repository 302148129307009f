#include "tradewind/auth/password.h"

#include <sodium.h>

#include <array>
#include <string>
#include <string_view>

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

TEST(CostsTooMuch, KnowsWhatAHashAsksFor) {
  EXPECT_FALSE(CostsTooMuch("$argon2id$v=19$m=262144,t=10,p=1$c2FsdA$aGFzaA"));
  EXPECT_TRUE(CostsTooMuch("$argon2id$v=19$m=262145,t=1,p=1$c2FsdA$aGFzaA"));
  EXPECT_TRUE(CostsTooMuch("$argon2id$v=19$m=19456,t=11,p=1$c2FsdA$aGFzaA"));
  EXPECT_TRUE(CostsTooMuch("$argon2i$v=19$m=19456,t=2,p=2$c2FsdA$aGFzaA"));
  EXPECT_TRUE(CostsTooMuch("$argon2id$v=19$m=99999999999999999999999,t=1,p=1$c2FsdA$aGFzaA"));
  EXPECT_FALSE(CostsTooMuch("$argon2id$something else"));
  EXPECT_FALSE(CostsTooMuch("$argon2"));
  EXPECT_FALSE(CostsTooMuch(""));
}

// It would take a gibibyte and seconds.
TEST(VerifyPassword, RefusesAHashThatCostsTooMuch) {
  std::array<char, crypto_pwhash_STRBYTES> hash{};
  ASSERT_EQ(crypto_pwhash_str_alg(hash.data(), kPassword, std::string_view(kPassword).size(), kMaxHashPasses + 1, 8192,
                                  crypto_pwhash_ALG_ARGON2ID13),
            0);
  ASSERT_EQ(crypto_pwhash_str_verify(hash.data(), kPassword, std::string_view(kPassword).size()), 0);
  EXPECT_FALSE(VerifyPassword(hash.data(), kPassword));
}

TEST(HashOfNobody, CostsWhatAHashOfThatCostDoes) {
  const HashCost cost{.memory_bytes = 1 << 20, .passes = 3};
  const std::string nobody = HashOfNobody(cost);
  // Zero means that libsodium reads it and finds the same cost.
  EXPECT_EQ(crypto_pwhash_str_needs_rehash(nobody.c_str(), 3, 1 << 20), 0);
  EXPECT_FALSE(VerifyPassword(nobody, kPassword));
  EXPECT_FALSE(VerifyPassword(nobody, ""));
}

}  // namespace
}  // namespace tradewind::auth
