#include "services/user/keyless_users.h"

#include <gtest/gtest.h>

#include <string>

#include "services/user/user_decider.h"
#include "tradewind/testing/fake_reader.h"

namespace tradewind::user {
namespace {

class KeylessUsersTest : public ::testing::Test {
 protected:
  KeylessUsersTest() { keys_.StartInMemory(); }

  void GivenUser(const std::string& id, const std::string& email) {
    internal::v1::UserRecord record;
    record.mutable_user()->set_id(id);
    record.mutable_user()->set_email(email);
    reader_.Put(record.GetDescriptor()->full_name(), id, record.SerializeAsString(), IndexUser(record));
  }
  absl::StatusCode Sealing(const std::string& id) const { return keys_.Seal(id, "x").status().code(); }

  seal::Keys keys_;
  testing::FakeReader reader_;
};

TEST_F(KeylessUsersTest, GivesAKeyToAccountsThatWereNotSealed) {
  for (int i = 0; i < 1001; ++i) GivenUser("u-" + std::to_string(i), "ann@shop.example");
  EXPECT_EQ(GiveKeys(reader_, keys_, {}), 1001);
  EXPECT_EQ(Sealing("u-0"), absl::StatusCode::kOk);
  EXPECT_EQ(Sealing("u-1000"), absl::StatusCode::kOk);
}

// Another key would not open what is sealed.
TEST_F(KeylessUsersTest, LeavesAnAccountAloneWhoseKeyIsMissing) {
  GivenUser("u-1", seal::SealText({}, seal::TagOf("u-1"), "ann@shop.example"));
  EXPECT_EQ(GiveKeys(reader_, keys_, {}), 0);
  EXPECT_EQ(Sealing("u-1"), absl::StatusCode::kNotFound);
}

TEST_F(KeylessUsersTest, GivesNoKeyToWhoWasErased) {
  GivenUser("u-1", "ann@shop.example");
  ASSERT_TRUE(keys_.Erase("u-1", absl::InfiniteFuture()).ok());
  GiveKeys(reader_, keys_, {});
  EXPECT_EQ(Sealing("u-1"), absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace tradewind::user
