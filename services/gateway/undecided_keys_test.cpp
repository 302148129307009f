#include "services/gateway/undecided_keys.h"

#include "gtest/gtest.h"

#include "tradewind/clock/steady_now.h"
#include "tradewind/errors/problem.h"
#include "tradewind/mesh/v1/envelope.pb.h"

namespace tradewind::gateway {
namespace {

class UndecidedKeysTest : public testing::Test {
 protected:
  void SetUp() override { keys_.StartInMemory(); }

  // A command that creates the subject and is about to be sent.
  void Add(UndecidedKeys& undecided, uint64_t id, const std::string& subject) {
    keys_.Prepare(subject, absl::InfiniteFuture(), [](const absl::Status& made) { ASSERT_TRUE(made.ok()) << made; });
    undecided.Add(id, subject, now_);
  }
  bool HasKey(const std::string& subject) const { return keys_.Seal(subject, "x").ok(); }

  static mesh::v1::Reply Answer(uint64_t id) {
    mesh::v1::Reply reply;
    reply.set_correlation_id(id);
    reply.mutable_resource();
    return reply;
  }
  static mesh::v1::Reply Refusal(uint64_t id, const std::string& reason) {
    mesh::v1::Reply reply;
    reply.set_correlation_id(id);
    *reply.mutable_error() =
        errors::ToRpcStatus({.code = absl::StatusCode::kAlreadyExists, .reason = reason, .message = "refused"});
    return reply;
  }

  absl::Time now_ = clock::SteadyNow();
  seal::Keys keys_;
  UndecidedKeys undecided_{keys_};
};

TEST_F(UndecidedKeysTest, TakesBackTheKeyOfWhatIsRefused) {
  Add(undecided_, 1, "ann");
  Add(undecided_, 2, "bob");
  undecided_.OnReply(Refusal(1, "EMAIL_TAKEN"));
  EXPECT_FALSE(HasKey("ann"));
  EXPECT_TRUE(HasKey("bob"));
}

TEST_F(UndecidedKeysTest, TakesBackTheKeyOfWhatKafkaDoesNotHave) {
  Add(undecided_, 1, "ann");
  undecided_.OnAbsent(1);
  EXPECT_FALSE(HasKey("ann"));
}

TEST_F(UndecidedKeysTest, KeepsTheKeyOfWhatIsDone) {
  Add(undecided_, 1, "ann");
  undecided_.OnReply(Answer(1));
  undecided_.OnReply(Refusal(1, "EMAIL_TAKEN"));
  undecided_.OnAbsent(1);
  EXPECT_TRUE(HasKey("ann"));
}

TEST_F(UndecidedKeysTest, ListensOnToACommandThatWaits) {
  Add(undecided_, 1, "ann");
  undecided_.OnReply(Refusal(1, "OUTCOME_PENDING"));
  EXPECT_TRUE(HasKey("ann"));
  undecided_.OnReply(Refusal(1, "EMAIL_TAKEN"));
  EXPECT_FALSE(HasKey("ann"));
}

// Somebody may have it retried.
TEST_F(UndecidedKeysTest, KeepsTheKeyOfWhatWasSetAside) {
  Add(undecided_, 1, "ann");
  undecided_.OnReply(Refusal(1, "COMMAND_DEAD"));
  undecided_.OnReply(Refusal(1, "EMAIL_TAKEN"));
  EXPECT_TRUE(HasKey("ann"));
}

// The service's own answer comes after one that somebody made up.
TEST_F(UndecidedKeysTest, PutsTheKeyBackOfWhatIsDoneAfterAll) {
  Add(undecided_, 1, "ann");
  const std::string sealed = keys_.Seal("ann", "x").value();
  undecided_.OnReply(Refusal(1, "EMAIL_TAKEN"));
  EXPECT_FALSE(HasKey("ann"));
  undecided_.OnReply(Answer(1));
  EXPECT_EQ(keys_.Open(sealed, absl::ZeroDuration()).value(), "x");
}

TEST_F(UndecidedKeysTest, KeepsTheKeyOfWhatIsNotAnsweredInTime) {
  Add(undecided_, 1, "ann");
  now_ += seal::Keys::kWithdrawableFor + absl::Seconds(1);
  Add(undecided_, 2, "bob");
  undecided_.OnReply(Refusal(1, "EMAIL_TAKEN"));
  EXPECT_TRUE(HasKey("ann"));
}

TEST_F(UndecidedKeysTest, KeepsTheKeyOfTheOldestOfTooMany) {
  UndecidedKeys two(keys_, 2);
  Add(two, 1, "ann");
  Add(two, 2, "bob");
  Add(two, 3, "cid");
  for (const uint64_t id : {1, 2, 3}) two.OnReply(Refusal(id, "EMAIL_TAKEN"));
  EXPECT_TRUE(HasKey("ann"));
  EXPECT_FALSE(HasKey("bob"));
  EXPECT_FALSE(HasKey("cid"));
}

}  // namespace
}  // namespace tradewind::gateway
