#include "services/user/user_decider.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "google/protobuf/util/message_differencer.h"
#include "google/protobuf/util/time_util.h"

#include "services/user/email.h"
#include "tradewind/testing/fake_context.h"

namespace tradewind::user {
namespace {

using google::protobuf::util::MessageDifferencer;
using google::protobuf::util::TimeUtil;
using internal::v1::EmailClaim;
using internal::v1::UserRecord;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using Kind = Outcome::Kind;

constexpr char kHash[] = "$argon2id$v=19$m=65536,t=2,p=1$c2FsdA$aGFzaA";

v1::RegisterUserRequest Register(const std::string& id, const std::string& email) {
  v1::RegisterUserRequest command;
  command.set_id(id);
  command.set_email(email);
  command.set_display_name("Ada");
  command.set_locale("en-GB");
  command.set_password(kHash);
  return command;
}

TEST(UserDeciderTest, OpensAnAccountAndTellsOfIt) {
  testing::FakeContext context;
  ASSERT_EQ(context.Decide<UserDecider>(Register("u-1", "Ada@Example.org")).kind(), Kind::kAck);

  const auto* record = context.Find<UserRecord>("u-1");
  ASSERT_NE(record, nullptr);
  EXPECT_EQ(record->password_hash(), kHash);
  EXPECT_EQ(record->user().id(), "u-1");
  EXPECT_EQ(record->user().email(), "Ada@Example.org");
  EXPECT_EQ(record->user().display_name(), "Ada");
  EXPECT_EQ(record->user().locale(), "en-GB");
  EXPECT_EQ(TimeUtil::TimestampToMicroseconds(record->user().create_time()), absl::ToUnixMicros(context.now()));
  EXPECT_EQ(record->user().update_time(), record->user().create_time());

  ASSERT_NE(context.Answer<v1::User>(), nullptr);
  EXPECT_TRUE(MessageDifferencer::Equals(*context.Answer<v1::User>(), record->user()));
  ASSERT_EQ(context.events().size(), 1);
  const auto events = context.Events<v1::UserRegistered>();
  ASSERT_EQ(events.size(), 1);
  EXPECT_EQ(events[0].user_id(), "u-1");
  EXPECT_EQ(events[0].email(), "Ada@Example.org");
  EXPECT_EQ(events[0].register_time(), record->user().create_time());
  EXPECT_EQ(context.Find<EmailClaim>("ada@example.org")->user_id(), "u-1");
}

TEST(UserDeciderTest, KeepsThePasswordHashToItself) {
  testing::FakeContext context;
  ASSERT_EQ(context.Decide<UserDecider>(Register("u-1", "ada@example.org")).kind(), Kind::kAck);
  EXPECT_THAT(context.Answer<v1::User>()->SerializeAsString(), Not(HasSubstr("argon2")));
  EXPECT_THAT(context.events()[0]->SerializeAsString(), Not(HasSubstr("argon2")));
}

TEST(UserDeciderTest, RefusesAnAddressThatIsTakenHoweverItIsWritten) {
  testing::FakeContext context;
  ASSERT_EQ(context.Decide<UserDecider>(Register("u-1", "ada@example.org")).kind(), Kind::kAck);

  const Outcome outcome = context.Decide<UserDecider>(Register("u-2", " ADA@example.ORG "));
  ASSERT_EQ(outcome.kind(), Kind::kReject);
  EXPECT_EQ(outcome.problem().code, absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(outcome.problem().reason, "EMAIL_TAKEN");
  EXPECT_EQ(outcome.problem().metadata.at("email"), " ADA@example.ORG ");
  EXPECT_TRUE(outcome.problem().violations.empty());
  EXPECT_EQ(context.Find<UserRecord>("u-2"), nullptr);
  EXPECT_EQ(context.Find<EmailClaim>("ada@example.org")->user_id(), "u-1");
  EXPECT_TRUE(context.events().empty());
}

TEST(UserDeciderTest, GivesAnotherAddressAnAccountOfItsOwn) {
  testing::FakeContext context;
  ASSERT_EQ(context.Decide<UserDecider>(Register("u-1", "ada@example.org")).kind(), Kind::kAck);
  ASSERT_EQ(context.Decide<UserDecider>(Register("u-2", "ada@example.com")).kind(), Kind::kAck);
  EXPECT_EQ(context.Count<UserRecord>(), 2);
}

TEST(UserDeciderTest, RefusesAnIdThatIsTaken) {
  testing::FakeContext context;
  ASSERT_EQ(context.Decide<UserDecider>(Register("u-1", "ada@example.org")).kind(), Kind::kAck);

  const Outcome outcome = context.Decide<UserDecider>(Register("u-1", "bob@example.org"));
  ASSERT_EQ(outcome.kind(), Kind::kReject);
  EXPECT_EQ(outcome.problem().code, absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(outcome.problem().reason, "USER_EXISTS");
  EXPECT_EQ(context.Find<UserRecord>("u-1")->user().email(), "ada@example.org");
  EXPECT_EQ(context.Find<EmailClaim>("bob@example.org"), nullptr);
}

TEST(UserDeciderTest, NeverKeepsAPasswordThatArrivedInTheClear) {
  testing::FakeContext context;
  v1::RegisterUserRequest command = Register("u-1", "ada@example.org");
  command.set_password("correct horse battery staple");

  const Outcome outcome = context.Decide<UserDecider>(command);
  ASSERT_EQ(outcome.kind(), Kind::kReject);
  EXPECT_EQ(outcome.problem().reason, "PASSWORD_NOT_HASHED");
  EXPECT_THAT(outcome.problem().message, Not(HasSubstr("horse")));
  EXPECT_EQ(context.Find<UserRecord>("u-1"), nullptr);
}

TEST(UserDeciderTest, RefusesAnEmptyAddress) {
  testing::FakeContext context;
  const Outcome outcome = context.Decide<UserDecider>(Register("u-1", "  "));
  ASSERT_EQ(outcome.kind(), Kind::kReject);
  ASSERT_EQ(outcome.problem().violations.size(), 1);
  EXPECT_EQ(outcome.problem().violations[0].field, "email");
}

TEST(EmailTest, NormalizesWhiteSpaceAndAsciiCaseOnly) {
  EXPECT_EQ(NormalizeEmail("\t Ada.Lovelace+shop@EXAMPLE.org\n"), "ada.lovelace+shop@example.org");
  EXPECT_EQ(NormalizeEmail("\xC3\x84@example.org"), "\xC3\x84@example.org");
}

TEST(UserIndexTest, ListsAnAccountWithAllAndUnderItsNormalizedAddress) {
  UserRecord record;
  record.mutable_user()->set_email("Ada@Example.org");
  *record.mutable_user()->mutable_create_time() = TimeUtil::MicrosecondsToTimestamp(77);
  EXPECT_THAT(IndexUser(record),
              ElementsAre(store::IndexEntry{.index = "all", .value = "", .order = 77},
                          store::IndexEntry{.index = "email", .value = "ada@example.org", .order = 77}));
}

}  // namespace
}  // namespace tradewind::user
