#include "services/user/user_decider.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "google/protobuf/util/message_differencer.h"
#include "google/protobuf/util/time_util.h"

#include "services/user/session_decider.h"
#include "services/user/test_keys.h"
#include "tradewind/testing/fake_context.h"

namespace tradewind::user {
namespace {

using google::protobuf::util::MessageDifferencer;
using google::protobuf::util::TimeUtil;
using internal::v1::EmailClaim;
using internal::v1::UserRecord;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using Kind = Outcome::Kind;

constexpr char kHash[] = "$argon2id$v=19$m=65536,t=2,p=1$c2FsdA$aGFzaA";

// Commands come here as the gateway sends them: sealed.
class UserDeciderTest : public ::testing::Test {
 protected:
  v1::RegisterUserRequest Register(const std::string& id, const std::string& email) {
    v1::RegisterUserRequest command;
    command.set_id(id);
    command.set_email(keys_.Sealed(id, email));
    command.set_display_name(keys_.Sealed(id, "Ada Lovelace"));
    command.set_locale("en-GB");
    command.set_password(kHash);
    command.set_email_fingerprint(keys_.FingerprintOf(email));
    return command;
  }

  v1::UpdateUserRequest Update(const std::string& id, const std::vector<std::string>& paths,
                               const std::string& email = "new@example.org") {
    v1::UpdateUserRequest command;
    command.set_id(id);
    command.set_email(keys_.Sealed(id, email));
    command.set_display_name(keys_.Sealed(id, "Countess"));
    command.set_locale("fr");
    command.set_email_fingerprint(keys_.FingerprintOf(email));
    for (const std::string& path : paths) command.mutable_update_mask()->add_paths(path);
    return command;
  }

  // Null where nobody has the address.
  const EmailClaim* ClaimOn(const testing::FakeContext& context, const std::string& email) {
    return context.Find<EmailClaim>(keys_.FingerprintOf(email));
  }

  // All accounts, and what the last run told.
  static std::string EverythingIn(const testing::FakeContext& context) {
    std::string all;
    for (const UserRecord& record : context.All<UserRecord>()) all += record.SerializeAsString();
    for (const auto& event : context.events()) all += event->SerializeAsString();
    if (context.reply() != nullptr) all += context.reply()->SerializeAsString();
    return all;
  }

  TestKeys keys_;
};

using SessionDeciderTest = UserDeciderTest;

TEST_F(UserDeciderTest, OpensAnAccountAndTellsOfIt) {
  testing::FakeContext context;
  ASSERT_EQ(context.Decide<UserDecider>(Register("u-1", "Ada@Example.org")).kind(), Kind::kAck);

  const auto* record = context.Find<UserRecord>("u-1");
  ASSERT_NE(record, nullptr);
  EXPECT_EQ(record->password_hash(), kHash);
  EXPECT_EQ(record->user().id(), "u-1");
  EXPECT_EQ(keys_.Opened(record->user().email()), "Ada@Example.org");
  EXPECT_EQ(keys_.Opened(record->user().display_name()), "Ada Lovelace");
  EXPECT_EQ(record->email_fingerprint(), keys_.FingerprintOf("ada@example.org"));
  EXPECT_EQ(record->user().locale(), "en-GB");
  EXPECT_EQ(TimeUtil::TimestampToMicroseconds(record->user().create_time()), absl::ToUnixMicros(context.now()));
  EXPECT_EQ(record->user().update_time(), record->user().create_time());

  ASSERT_NE(context.Answer<v1::User>(), nullptr);
  EXPECT_TRUE(MessageDifferencer::Equals(*context.Answer<v1::User>(), record->user()));
  ASSERT_EQ(context.events().size(), 1);
  const auto events = context.Events<v1::UserRegistered>();
  ASSERT_EQ(events.size(), 1);
  EXPECT_EQ(events[0].user_id(), "u-1");
  EXPECT_EQ(keys_.Opened(events[0].email()), "Ada@Example.org");
  EXPECT_EQ(events[0].register_time(), record->user().create_time());
  EXPECT_EQ(ClaimOn(context, "ada@example.org")->user_id(), "u-1");
}

TEST_F(UserDeciderTest, NeverOpensWhatIsSealed) {
  testing::FakeContext context;
  ASSERT_EQ(context.Decide<UserDecider>(Register("u-1", "ada@example.org")).kind(), Kind::kAck);
  EXPECT_THAT(EverythingIn(context), AllOf(Not(HasSubstr("ada@example.org")), Not(HasSubstr("Ada Lovelace"))));
  ASSERT_EQ(context.Decide<UserDecider>(Update("u-1", {"email", "display_name"})).kind(), Kind::kAck);
  EXPECT_THAT(EverythingIn(context), AllOf(Not(HasSubstr("new@example.org")), Not(HasSubstr("Countess"))));
}

TEST_F(UserDeciderTest, KeepsThePasswordHashToItself) {
  testing::FakeContext context;
  ASSERT_EQ(context.Decide<UserDecider>(Register("u-1", "ada@example.org")).kind(), Kind::kAck);
  EXPECT_THAT(context.Answer<v1::User>()->SerializeAsString(), Not(HasSubstr("argon2")));
  EXPECT_THAT(context.events()[0]->SerializeAsString(), Not(HasSubstr("argon2")));
}

TEST_F(UserDeciderTest, RefusesAnAddressThatIsTakenHoweverItIsWritten) {
  testing::FakeContext context;
  ASSERT_EQ(context.Decide<UserDecider>(Register("u-1", "ada@example.org")).kind(), Kind::kAck);

  const Outcome outcome = context.Decide<UserDecider>(Register("u-2", " ADA@example.ORG "));
  ASSERT_EQ(outcome.kind(), Kind::kReject);
  EXPECT_EQ(outcome.problem().code, absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(outcome.problem().reason, "EMAIL_TAKEN");
  EXPECT_TRUE(outcome.problem().metadata.empty());
  EXPECT_TRUE(outcome.problem().violations.empty());
  EXPECT_EQ(context.Find<UserRecord>("u-2"), nullptr);
  EXPECT_EQ(ClaimOn(context, "ada@example.org")->user_id(), "u-1");
  EXPECT_TRUE(context.events().empty());
}

TEST_F(UserDeciderTest, GivesAnotherAddressAnAccountOfItsOwn) {
  testing::FakeContext context;
  ASSERT_EQ(context.Decide<UserDecider>(Register("u-1", "ada@example.org")).kind(), Kind::kAck);
  ASSERT_EQ(context.Decide<UserDecider>(Register("u-2", "ada@example.com")).kind(), Kind::kAck);
  EXPECT_EQ(context.Count<UserRecord>(), 2);
}

TEST_F(UserDeciderTest, RefusesAnIdThatIsTaken) {
  testing::FakeContext context;
  ASSERT_EQ(context.Decide<UserDecider>(Register("u-1", "ada@example.org")).kind(), Kind::kAck);

  const Outcome outcome = context.Decide<UserDecider>(Register("u-1", "bob@example.org"));
  ASSERT_EQ(outcome.kind(), Kind::kReject);
  EXPECT_EQ(outcome.problem().code, absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(outcome.problem().reason, "USER_EXISTS");
  EXPECT_EQ(keys_.Opened(context.Find<UserRecord>("u-1")->user().email()), "ada@example.org");
  EXPECT_EQ(ClaimOn(context, "bob@example.org"), nullptr);
}

// Each try to log in would take a gibibyte, whoever tries.
TEST_F(UserDeciderTest, KeepsNoHashThatCostsTooMuch) {
  testing::FakeContext context;
  v1::RegisterUserRequest command = Register("u-1", "ada@example.org");
  command.set_password("$argon2id$v=19$m=1048576,t=2,p=1$c2FsdA$aGFzaA");
  EXPECT_EQ(context.Decide<UserDecider>(command).problem().reason, "PASSWORD_NOT_HASHED");
}

TEST_F(UserDeciderTest, NeverKeepsAPasswordThatArrivedInTheClear) {
  testing::FakeContext context;
  v1::RegisterUserRequest command = Register("u-1", "ada@example.org");
  command.set_password("correct horse battery staple");

  const Outcome outcome = context.Decide<UserDecider>(command);
  ASSERT_EQ(outcome.kind(), Kind::kReject);
  EXPECT_EQ(outcome.problem().reason, "PASSWORD_NOT_HASHED");
  EXPECT_THAT(outcome.problem().message, Not(HasSubstr("horse")));
  EXPECT_EQ(context.Find<UserRecord>("u-1"), nullptr);
}

TEST_F(UserDeciderTest, NeverKeepsAnAddressOrNameThatArrivedUnsealed) {
  using Change = void (*)(TestKeys&, v1::RegisterUserRequest&);
  const std::vector<Change> changes = {
      [](TestKeys&, v1::RegisterUserRequest& command) { command.set_email("bob@example.org"); },
      [](TestKeys&, v1::RegisterUserRequest& command) { command.clear_email(); },
      [](TestKeys&, v1::RegisterUserRequest& command) { command.set_display_name("Bob"); },
      [](TestKeys&, v1::RegisterUserRequest& command) { command.clear_email_fingerprint(); },
      // In part, or for somebody else: both would be left of a user who is erased.
      [](TestKeys&, v1::RegisterUserRequest& command) { command.set_display_name("Bob " + command.display_name()); },
      [](TestKeys&, v1::RegisterUserRequest& command) { command.set_display_name(command.display_name() + " Bob"); },
      [](TestKeys& keys, v1::RegisterUserRequest& command) {
        command.set_email(keys.Sealed("u-2", "bob@example.org"));
      },
  };
  for (size_t i = 0; i < changes.size(); ++i) {
    SCOPED_TRACE(i);
    testing::FakeContext context;
    v1::RegisterUserRequest command = Register("u-1", "bob@example.org");
    changes[i](keys_, command);
    const Outcome outcome = context.Decide<UserDecider>(command);
    ASSERT_EQ(outcome.kind(), Kind::kReject);
    EXPECT_EQ(outcome.problem().code, absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(outcome.problem().reason, "NOT_SEALED");
    EXPECT_THAT(outcome.problem().message, AllOf(HasSubstr("call RegisterUser through the gateway"),
                                                 Not(HasSubstr("bob")), Not(HasSubstr("Bob"))));
    EXPECT_EQ(context.Find<UserRecord>("u-1"), nullptr);
    EXPECT_EQ(ClaimOn(context, "bob@example.org"), nullptr);
  }
}

TEST_F(UserDeciderTest, RefusesAnUpdateThatArrivedUnsealed) {
  testing::FakeContext context;
  ASSERT_EQ(context.Decide<UserDecider>(Register("u-1", "ada@example.org")).kind(), Kind::kAck);
  v1::UpdateUserRequest email = Update("u-1", {"email"});
  email.set_email("new@example.org");
  v1::UpdateUserRequest name = Update("u-1", {"display_name"});
  name.set_display_name("Countess");
  v1::UpdateUserRequest no_fingerprint = Update("u-1", {"email"});
  no_fingerprint.clear_email_fingerprint();
  for (const v1::UpdateUserRequest& command : {email, name, no_fingerprint}) {
    const Outcome outcome = context.Decide<UserDecider>(command);
    ASSERT_EQ(outcome.kind(), Kind::kReject);
    EXPECT_EQ(outcome.problem().reason, "NOT_SEALED");
    EXPECT_THAT(outcome.problem().message, HasSubstr("call UpdateUser through the gateway"));
  }
  EXPECT_EQ(keys_.Opened(context.Find<UserRecord>("u-1")->user().email()), "ada@example.org");
  // Without an address there is no fingerprint to miss.
  v1::UpdateUserRequest locale = Update("u-1", {"locale"});
  locale.clear_email();
  locale.clear_email_fingerprint();
  locale.clear_display_name();
  EXPECT_EQ(context.Decide<UserDecider>(locale).kind(), Kind::kAck);
}

TEST_F(UserDeciderTest, ChangesWhatTheMaskNamesAndNothingElse) {
  testing::FakeContext context;
  ASSERT_EQ(context.Decide<UserDecider>(Register("u-1", "ada@example.org")).kind(), Kind::kAck);
  ASSERT_EQ(context.Decide<UserDecider>(Update("u-1", {"display_name", "locale"})).kind(), Kind::kAck);
  const v1::User& user = context.Find<UserRecord>("u-1")->user();
  EXPECT_EQ(keys_.Opened(user.display_name()), "Countess");
  EXPECT_EQ(user.locale(), "fr");
  EXPECT_EQ(keys_.Opened(user.email()), "ada@example.org");
  EXPECT_TRUE(MessageDifferencer::Equals(*context.Answer<v1::User>(), user));
  const auto updated = context.Events<v1::UserUpdated>();
  ASSERT_EQ(updated.size(), 1);
  EXPECT_EQ(updated[0].display_name(), user.display_name());
  EXPECT_EQ(updated[0].email(), user.email());
}

TEST_F(UserDeciderTest, MovesTheClaimWithTheAddress) {
  testing::FakeContext context;
  ASSERT_EQ(context.Decide<UserDecider>(Register("u-1", "ada@example.org")).kind(), Kind::kAck);
  ASSERT_EQ(context.Decide<UserDecider>(Update("u-1", {"email"})).kind(), Kind::kAck);
  EXPECT_EQ(ClaimOn(context, "ada@example.org"), nullptr);
  EXPECT_EQ(ClaimOn(context, "new@example.org")->user_id(), "u-1");
  // The old one is free, the new one is not.
  EXPECT_EQ(context.Decide<UserDecider>(Register("u-2", "ada@example.org")).kind(), Kind::kAck);
  EXPECT_EQ(context.Decide<UserDecider>(Update("u-2", {"email"})).problem().reason, "EMAIL_TAKEN");
  EXPECT_EQ(ClaimOn(context, "ada@example.org")->user_id(), "u-2");
  // The same address in other letters is no move.
  ASSERT_EQ(context.Decide<UserDecider>(Update("u-1", {"email"}, "New@Example.org")).kind(), Kind::kAck);
  EXPECT_EQ(ClaimOn(context, "new@example.org")->user_id(), "u-1");
  EXPECT_EQ(keys_.Opened(context.Find<UserRecord>("u-1")->user().email()), "New@Example.org");
}

TEST_F(UserDeciderTest, NamesWhatIsWrongWithAnUpdate) {
  testing::FakeContext context;
  EXPECT_EQ(context.Decide<UserDecider>(Update("u-1", {"locale"})).problem().reason, "USER_NOT_FOUND");
  ASSERT_EQ(context.Decide<UserDecider>(Register("u-1", "ada@example.org")).kind(), Kind::kAck);
  EXPECT_EQ(context.Decide<UserDecider>(Update("u-1", {})).problem().violations.at(0).field, "update_mask");
  EXPECT_EQ(context.Decide<UserDecider>(Update("u-1", {"id"})).problem().violations.at(0).field, "update_mask");
  v1::UpdateUserRequest empty = Update("u-1", {"email", "display_name"});
  empty.clear_email();
  empty.clear_display_name();
  EXPECT_EQ(context.Decide<UserDecider>(empty).problem().violations.size(), 2);
}

v1::DeleteUserRequest Delete(const std::string& id) {
  v1::DeleteUserRequest command;
  command.set_id(id);
  return command;
}

TEST_F(UserDeciderTest, LeavesNothingOfADeletedAccount) {
  testing::FakeContext context;
  ASSERT_EQ(context.Decide<UserDecider>(Register("u-1", "ada@example.org")).kind(), Kind::kAck);
  ASSERT_EQ(context.Decide<UserDecider>(Register("u-2", "bob@example.org")).kind(), Kind::kAck);
  ASSERT_EQ(context.Decide<UserDecider>(Update("u-1", {"email"})).kind(), Kind::kAck);
  ASSERT_EQ(context.Decide<UserDecider>(Delete("u-1")).kind(), Kind::kAck);
  EXPECT_EQ(context.Find<UserRecord>("u-1"), nullptr);
  EXPECT_EQ(context.Count<EmailClaim>(), 1);
  EXPECT_EQ(ClaimOn(context, "bob@example.org")->user_id(), "u-2");
  EXPECT_NE(context.Answer<v1::DeleteUserResponse>(), nullptr);
  ASSERT_EQ(context.events().size(), 1);
  const auto deleted = context.Events<v1::UserDeleted>();
  ASSERT_EQ(deleted.size(), 1);
  EXPECT_EQ(deleted[0].user_id(), "u-1");
  EXPECT_EQ(TimeUtil::TimestampToMicroseconds(deleted[0].delete_time()), absl::ToUnixMicros(context.now()));
}

TEST_F(UserDeciderTest, KnowsADeletedUserNoMore) {
  testing::FakeContext context;
  EXPECT_EQ(context.Decide<UserDecider>(Delete("u-1")).problem().reason, "USER_NOT_FOUND");
  ASSERT_EQ(context.Decide<UserDecider>(Register("u-1", "ada@example.org")).kind(), Kind::kAck);
  ASSERT_EQ(context.Decide<UserDecider>(Delete("u-1")).kind(), Kind::kAck);
  EXPECT_EQ(context.Decide<UserDecider>(Delete("u-1")).problem().reason, "USER_NOT_FOUND");
  EXPECT_TRUE(context.events().empty());
  EXPECT_EQ(context.Decide<UserDecider>(Update("u-1", {"locale"})).problem().reason, "USER_NOT_FOUND");
}

TEST_F(UserDeciderTest, GivesTheAddressOfADeletedUserToANewOne) {
  testing::FakeContext context;
  ASSERT_EQ(context.Decide<UserDecider>(Register("u-1", "ada@example.org")).kind(), Kind::kAck);
  ASSERT_EQ(context.Decide<UserDecider>(Delete("u-1")).kind(), Kind::kAck);
  ASSERT_EQ(context.Decide<UserDecider>(Register("u-2", "Ada@Example.org")).kind(), Kind::kAck);
  EXPECT_EQ(ClaimOn(context, "ada@example.org")->user_id(), "u-2");
  EXPECT_EQ(context.Count<UserRecord>(), 1);
}

v1::SetPasswordRequest SetPassword(const std::string& hash, int64_t changes) {
  v1::SetPasswordRequest command;
  command.set_id("u-1");
  command.set_password_hash(hash);
  command.set_password_changes(changes);
  return command;
}

TEST_F(UserDeciderTest, ChangesAPasswordOnceForEachThatWasShown) {
  testing::FakeContext context;
  ASSERT_EQ(context.Decide<UserDecider>(Register("u-1", "ada@example.org")).kind(), Kind::kAck);
  ASSERT_EQ(context.Decide<UserDecider>(SetPassword("$argon2id$new", 0)).kind(), Kind::kAck);
  EXPECT_EQ(context.Find<UserRecord>("u-1")->password_hash(), "$argon2id$new");
  EXPECT_EQ(context.Events<v1::PasswordChanged>().size(), 1);
  EXPECT_THAT(context.events()[0]->SerializeAsString(), Not(HasSubstr("argon2")));
  EXPECT_THAT(context.Answer<v1::User>()->SerializeAsString(), Not(HasSubstr("argon2")));

  // Another one that had shown the old password too.
  EXPECT_EQ(context.Decide<UserDecider>(SetPassword("$argon2id$other", 0)).problem().reason, "WRONG_CREDENTIALS");
  EXPECT_EQ(context.Decide<UserDecider>(SetPassword("in the clear", 1)).problem().reason, "PASSWORD_NOT_HASHED");
  EXPECT_EQ(context.Find<UserRecord>("u-1")->password_hash(), "$argon2id$new");
}

v1::StartSessionRequest Start(int64_t changes, absl::Time expires) {
  v1::StartSessionRequest command;
  command.set_id("s-1");
  command.set_user_id("u-1");
  command.set_secret_hash("hash");
  command.set_password_changes(changes);
  *command.mutable_expire_time() = TimeUtil::MicrosecondsToTimestamp(absl::ToUnixMicros(expires));
  return command;
}

TEST_F(SessionDeciderTest, KeepsASessionUntilItEndsOrExpires) {
  testing::FakeContext context;
  ASSERT_EQ(context.Decide<UserDecider>(Register("u-1", "ada@example.org")).kind(), Kind::kAck);
  const absl::Time expires = absl::FromUnixMicros(absl::ToUnixMicros(context.now() + absl::Hours(1)));
  ASSERT_EQ(context.Decide<SessionDecider>(Start(0, expires)).kind(), Kind::kAck);
  ASSERT_NE(context.Find<internal::v1::SessionRecord>("s-1"), nullptr);
  ASSERT_NE(context.FindTimer("s-1", "expiry"), nullptr);
  EXPECT_EQ(context.FindTimer("s-1", "expiry")->due, expires);

  v1::EndSessionRequest end;
  end.set_id("s-1");
  ASSERT_EQ(context.Decide<SessionDecider>(end).kind(), Kind::kAck);
  EXPECT_EQ(context.Find<internal::v1::SessionRecord>("s-1"), nullptr);
  EXPECT_EQ(context.FindTimer("s-1", "expiry"), nullptr);

  ASSERT_EQ(context.Decide<SessionDecider>(Start(0, expires)).kind(), Kind::kAck);
  context.FireAt<SessionDecider, internal::v1::SessionExpired>("s-1", "expiry");
  EXPECT_EQ(context.Find<internal::v1::SessionRecord>("s-1"), nullptr);
}

TEST_F(SessionDeciderTest, StartsNoneForAPasswordThatIsNoMore) {
  testing::FakeContext context;
  ASSERT_EQ(context.Decide<UserDecider>(Register("u-1", "ada@example.org")).kind(), Kind::kAck);
  ASSERT_EQ(context.Decide<UserDecider>(SetPassword("$argon2id$new", 0)).kind(), Kind::kAck);
  EXPECT_EQ(context.Decide<SessionDecider>(Start(0, context.now())).problem().reason, "SESSION_ENDED");
  EXPECT_EQ(context.Find<internal::v1::SessionRecord>("s-1"), nullptr);
}

TEST_F(SessionDeciderTest, StartsNoneForAnAccountThatIsNoMore) {
  testing::FakeContext context;
  ASSERT_EQ(context.Decide<UserDecider>(Register("u-1", "ada@example.org")).kind(), Kind::kAck);
  ASSERT_EQ(context.Decide<UserDecider>(Delete("u-1")).kind(), Kind::kAck);
  EXPECT_EQ(context.Decide<SessionDecider>(Start(0, context.now())).problem().reason, "WRONG_CREDENTIALS");
  EXPECT_EQ(context.Find<internal::v1::SessionRecord>("s-1"), nullptr);
}

TEST(SigningKeyDeciderTest, MakesOneKeyAndShowsItsPublicHalfAlone) {
  testing::FakeContext context;
  v1::MakeSigningKeyRequest make;
  make.set_id(std::string(kSigningKey));
  ASSERT_EQ(context.Decide<SigningKeyDecider>(make).kind(), Kind::kAck);
  const mesh::v1::VerificationKey first = *context.Answer<mesh::v1::VerificationKey>();
  EXPECT_THAT(first.public_pem(), HasSubstr("BEGIN PUBLIC KEY"));
  EXPECT_THAT(first.SerializeAsString(), Not(HasSubstr("PRIVATE")));
  ASSERT_EQ(context.Decide<SigningKeyDecider>(make).kind(), Kind::kAck);
  EXPECT_TRUE(MessageDifferencer::Equals(*context.Answer<mesh::v1::VerificationKey>(), first));
}

TEST(UserIndexTest, ListsAnAccountWithAllAndUnderTheFingerprintOfItsAddress) {
  UserRecord record;
  record.mutable_user()->set_email("sealed:1:subject:box;");
  record.set_email_fingerprint("fingerprint");
  *record.mutable_user()->mutable_create_time() = TimeUtil::MicrosecondsToTimestamp(77);
  EXPECT_THAT(IndexUser(record), ElementsAre(store::IndexEntry{.index = "all", .value = "", .order = 77},
                                             store::IndexEntry{.index = "email", .value = "fingerprint", .order = 77}));
}

}  // namespace
}  // namespace tradewind::user
