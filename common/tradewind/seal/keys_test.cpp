#include "tradewind/seal/keys.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/time/clock.h"
#include "common/tradewind/seal/sealed_test.pb.h"

namespace tradewind::seal {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class KeysTest : public ::testing::Test {
 protected:
  void SetUp() override { keys_.StartInMemory(); }

  absl::Status Prepare(const std::string& subject) {
    absl::Status prepared = absl::UnknownError("not called");
    keys_.Prepare(subject, absl::InfiniteFuture(), [&](absl::Status status) { prepared = std::move(status); });
    return prepared;
  }
  std::string Sealed(const std::string& subject, const std::string& clear) {
    EXPECT_TRUE(Prepare(subject).ok());
    return keys_.Seal(subject, clear).value();
  }

  Keys keys_;
};

TEST_F(KeysTest, OpensWhatItSealed) {
  EXPECT_EQ(keys_.Seal("ann", "Ann").status().code(), absl::StatusCode::kNotFound);
  const std::string sealed = Sealed("ann", "Ann");
  EXPECT_THAT(sealed, Not(HasSubstr("Ann")));
  EXPECT_EQ(keys_.Open(sealed).value(), "Ann");
  EXPECT_EQ(Sealed("ann", "Ann"), sealed);
}

TEST_F(KeysTest, OpensEveryValueInATextAndLeavesTheRest) {
  const std::string text = "Dear " + Sealed("ann", "Ann") + ", " + Sealed("bob", "Bob") + " says hello.";
  EXPECT_EQ(keys_.Open(text).value(), "Dear Ann, Bob says hello.");
  EXPECT_EQ(keys_.Open("sealed:1: is no such value").value(), "sealed:1: is no such value");
}

// Opened once: what somebody wrote that looks sealed is text.
TEST_F(KeysTest, DoesNotOpenWhatItOpened) {
  const std::string inner = Sealed("bob", "Bob's secret");
  EXPECT_EQ(keys_.Open(Sealed("ann", inner)).value(), inner);
}

TEST_F(KeysTest, OpensNothingOfAnErasedSubject) {
  const std::string text = Sealed("ann", "Ann") + " and " + Sealed("bob", "Bob");
  ASSERT_TRUE(keys_.Erase("ann", absl::InfiniteFuture()).ok());
  EXPECT_EQ(keys_.Open(text).value(), "[erased] and Bob");
  EXPECT_EQ(keys_.Seal("ann", "Ann").status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Prepare("ann").code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(keys_.Erase("ann", absl::InfiniteFuture()).ok());
  EXPECT_TRUE(keys_.Erase("nobody", absl::InfiniteFuture()).ok());
  EXPECT_EQ(Prepare("nobody").code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(KeysTest, SaysWhereAKeyIsMissingAndWhereAValueIsDamaged) {
  Keys others;
  others.StartInMemory();
  const std::string theirs = Sealed("ann", "Ann");
  EXPECT_EQ(others.Open(theirs, absl::ZeroDuration()).status().code(), absl::StatusCode::kUnavailable);
  others.Prepare("ann", absl::InfiniteFuture(), [](const absl::Status&) {});
  EXPECT_EQ(others.Open(theirs).status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(KeysTest, OpensTheFieldsThatAreMarkedAtAnyDepth) {
  const std::string ann = Sealed("ann", "Ann");
  test::v1::Card card;
  card.set_name(ann);
  card.add_notes("of " + ann);
  card.add_notes("plain");
  card.set_raw(ann);
  card.mutable_parent()->set_name(ann);
  card.add_children()->mutable_parent()->set_name(ann);
  ASSERT_TRUE(keys_.OpenFields(card).ok());
  EXPECT_EQ(card.name(), "Ann");
  EXPECT_THAT(card.notes(), ::testing::ElementsAre("of Ann", "plain"));
  EXPECT_EQ(card.raw(), ann);
  EXPECT_EQ(card.parent().name(), "Ann");
  EXPECT_EQ(card.children(0).parent().name(), "Ann");
}

TEST(UnstartedKeys, SayThatTheyAre) {
  Keys sealing;
  sealing.StartInMemory();
  sealing.Prepare("ann", absl::InfiniteFuture(), [](const absl::Status&) {});
  const std::string sealed = sealing.Seal("ann", "Ann").value();
  Keys keys;
  EXPECT_EQ(keys.Open("clear").value(), "clear");
  const auto unstarted = absl::StatusCode::kFailedPrecondition;
  EXPECT_EQ(keys.Open(sealed).status().code(), unstarted);
  EXPECT_EQ(keys.Seal("ann", "Ann").status().code(), unstarted);
  EXPECT_EQ(keys.Fingerprint("a").status().code(), unstarted);
  EXPECT_EQ(keys.Erase("ann", absl::InfiniteFuture()).code(), unstarted);
  absl::Status prepared;
  keys.Prepare("ann", absl::InfiniteFuture(), [&](absl::Status status) { prepared = std::move(status); });
  EXPECT_EQ(prepared.code(), unstarted);
}

TEST(UnstartedKeys, RefuseToStartWithoutAFileAndSayHowToMakeOne) {
  const absl::Status started = Keys().Start({}, {}, "test");
  EXPECT_EQ(started.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(started.message()), HasSubstr("seal.key_file is not set"));
}

}  // namespace
}  // namespace tradewind::seal
