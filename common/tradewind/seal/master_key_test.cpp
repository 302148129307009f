#include "tradewind/seal/master_key.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace tradewind::seal {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class KeyFile : public ::testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directories(path_.parent_path()); }
  absl::StatusOr<MasterKey> Read(const std::string& content) const {
    std::ofstream(path_) << content;
    return MasterKey::Read(path_);
  }

  const std::filesystem::path path_ = std::filesystem::path(::testing::TempDir()) / "seal" / "key";
};

// 32 times 0xfb, which has the two characters in which the alphabets differ.
constexpr char kBase64[] = "+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/s=";

TEST_F(KeyFile, IsReadInEitherAlphabetWithOrWithoutPadding) {
  const auto first = Read(std::string(kBase64) + "\n");
  ASSERT_TRUE(first.ok()) << first.status();
  const auto second = Read("-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_s");
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_EQ(first->Fingerprint("a"), second->Fingerprint("a"));
}

TEST_F(KeyFile, SaysHowToMakeOne) {
  for (const char* content : {"", "short", "not base64 at all, however long it may be in the end"}) {
    const auto key = Read(content);
    EXPECT_EQ(key.status().code(), absl::StatusCode::kFailedPrecondition) << content;
    EXPECT_THAT(std::string(key.status().message()),
                AllOf(HasSubstr("bring back the one that this mesh was begun with"), Not(HasSubstr("urandom"))));
  }
  EXPECT_THAT(std::string(MasterKey::Read("/nowhere/key").status().message()),
              AllOf(HasSubstr("/nowhere/key cannot be read"), HasSubstr("head -c 32 /dev/urandom | base64")));
}

TEST(MasterKey, UnwrapsWhatItWrappedForThatSubject) {
  const MasterKey master = MasterKey::Random();
  DataKey key;
  key.fill(7);
  std::string wrapped = master.Wrap(key, TagOf("ann"));
  EXPECT_EQ(master.Unwrap(wrapped, TagOf("ann")), key);
  EXPECT_EQ(master.Unwrap(wrapped, TagOf("bob")), std::nullopt);
  EXPECT_EQ(MasterKey::Random().Unwrap(wrapped, TagOf("ann")), std::nullopt);
  EXPECT_EQ(master.Unwrap("", TagOf("ann")), std::nullopt);
  wrapped.back() = static_cast<char>(wrapped.back() ^ 1);
  EXPECT_EQ(master.Unwrap(wrapped, TagOf("ann")), std::nullopt);
}

TEST(MasterKey, FingerprintsAllWaysToWriteATextAlike) {
  const MasterKey master = MasterKey::Random();
  const std::string print = master.Fingerprint("ann@example.com");
  EXPECT_EQ(print.size(), 43);
  EXPECT_EQ(master.Fingerprint("  Ann@Example.COM\n"), print);
  EXPECT_NE(master.Fingerprint("ann@example.org"), print);
  EXPECT_NE(MasterKey::Random().Fingerprint("ann@example.com"), print);
  EXPECT_EQ(master.Fingerprint(" "), "");
}

TEST(MasterKey, DerivesASecretFromItsPartsAndItself) {
  const MasterKey master = MasterKey::Random();
  const std::string secret = master.DeriveSecret({"ab", "c"});
  EXPECT_EQ(secret.size(), 44);
  EXPECT_EQ(master.DeriveSecret({"ab", "c"}), secret);
  EXPECT_NE(master.DeriveSecret({"a", "bc"}), secret);
  EXPECT_NE(MasterKey::Random().DeriveSecret({"ab", "c"}), secret);
}

}  // namespace
}  // namespace tradewind::seal
