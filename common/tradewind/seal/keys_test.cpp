#include "tradewind/seal/keys.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "common/tradewind/seal/sealed_test.pb.h"

#include "tradewind/telemetry/metrics.h"

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
  EXPECT_EQ(keys_.Seal("ann", "Ann of the North").status().code(), absl::StatusCode::kNotFound);
  const std::string sealed = Sealed("ann", "Ann of the North");
  EXPECT_THAT(sealed, Not(HasSubstr("Ann of the North")));
  EXPECT_EQ(keys_.Open(sealed).value(), "Ann of the North");
  EXPECT_EQ(Sealed("ann", "Ann of the North"), sealed);
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
  card.set_id("ann");
  card.set_name(ann);
  card.add_notes("of " + ann);
  card.add_notes("plain");
  card.set_raw(ann);
  card.mutable_note()->set_text(ann);
  card.mutable_parent()->set_id("ann");
  card.mutable_parent()->set_name(ann);
  card.add_children()->mutable_parent()->set_id("ann");
  card.mutable_children(0)->mutable_parent()->set_name(ann);
  ASSERT_TRUE(keys_.OpenFields(card).ok());
  EXPECT_EQ(card.name(), "Ann");
  EXPECT_THAT(card.notes(), ::testing::ElementsAre("of Ann", "plain"));
  EXPECT_EQ(card.raw(), ann);
  EXPECT_EQ(card.note().text(), "Ann");
  EXPECT_EQ(card.parent().name(), "Ann");
  EXPECT_EQ(card.children(0).parent().name(), "Ann");
}

// Who can put a text before somebody's eyes could else read with them what was sealed for another.
TEST_F(KeysTest, OpensNothingOfAnotherSubject) {
  const std::string ann = Sealed("ann", "Ann");
  const std::string bob = Sealed("bob", "Bob");
  const std::string text = "to " + ann + ", because " + bob + " says so";
  EXPECT_EQ(keys_.OpenOf("ann", text).value(), "to Ann, because " + bob + " says so");
  EXPECT_EQ(keys_.OpenOf("", text).value(), text);

  test::v1::Card card;
  card.set_id("ann");
  card.set_name(bob);
  card.add_notes(text);
  card.mutable_note()->set_text(bob);
  card.mutable_parent()->set_id("bob");
  card.mutable_parent()->set_name(bob);
  ASSERT_TRUE(keys_.OpenFields(card).ok());
  EXPECT_EQ(card.name(), bob);
  EXPECT_EQ(card.notes(0), "to Ann, because " + bob + " says so");
  EXPECT_EQ(card.note().text(), bob);
  EXPECT_EQ(card.parent().name(), "Bob");

  test::v1::Note note;
  note.set_text(bob);
  ASSERT_TRUE(keys_.OpenFields(note).ok());
  EXPECT_EQ(note.text(), bob);
  ASSERT_TRUE(keys_.OpenFields(note, "bob").ok());
  EXPECT_EQ(note.text(), "Bob");
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

// ---- over a log that loses and delays -------------------------------------------------------------------------------

// What was appended waits until it is delivered, or is lost.
class ManualLog final : public KeyLog {
 public:
  struct Record {
    std::string name;
    std::string value;
  };
  explicit ManualLog(KeyLogListener listener) : listener_(std::move(listener)) {}

  absl::Status Append(const SubjectTag&, std::string_view name, std::string_view value) override {
    waiting.push_back({std::string(name), std::string(value)});
    return absl::OkStatus();
  }
  End AskForEnd(const SubjectTag&) override { return {.partition = 0, .question = ++asked}; }
  bool HasRead(const End& end) const override { return end.question <= read; }
  int32_t Partitions() const override { return partitions; }
  void PinPartitions(int32_t count) override { partitions = count; }

  void Deliver() {
    while (!waiting.empty()) {
      const std::vector<Record> records = std::exchange(waiting, {});
      for (const Record& record : records) Put(record.name, record.value);
    }
  }
  // As a record of anybody's.
  void Put(const std::string& name, const std::string& value) {
    if (value.empty()) {
      kept.erase(name);
    } else {
      kept[name] = value;
    }
    static_cast<void>(listener_.on_record(name, value));
  }
  void Lose() {
    waiting.clear();
    listener_.on_lost();
  }
  void Tick() { listener_.on_tick(); }

  std::vector<Record> waiting;
  // What compaction leaves.
  std::map<std::string, std::string> kept;
  uint64_t asked = 0;
  uint64_t read = 0;
  int32_t partitions = 0;

 private:
  const KeyLogListener listener_;
};

class KeysOverManualLog : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(Start(keys_, log_).ok());
    log_->Deliver();
  }
  absl::Status Start(Keys& keys, ManualLog*& log, bool require_signed = false) const {
    return keys.StartOver(master_, require_signed, [&](KeyLogListener listener) {
      auto made = std::make_unique<ManualLog>(std::move(listener));
      log = made.get();
      log->partitions = partitions_;
      for (const auto& [name, value] : kept_before_) log->Put(name, value);
      return made;
    });
  }
  // What a process says of the log as compaction leaves it.
  std::unique_ptr<Keys> Restart(bool require_signed = false) {
    kept_before_ = log_->kept;
    auto keys = std::make_unique<Keys>();
    ManualLog* log = nullptr;
    EXPECT_TRUE(Start(*keys, log, require_signed).ok());
    return keys;
  }
  struct Answer {
    std::optional<absl::Status> status;
    Keys::Done Take() {
      return [this](absl::Status given) { status = std::move(given); };
    }
  };
  std::string Sealed(const std::string& subject, const std::string& clear) {
    keys_.Prepare(subject, absl::InfiniteFuture(), [](const absl::Status&) {});
    log_->Deliver();
    return keys_.Seal(subject, clear).value();
  }
  size_t KeptOf(const std::string& subject) const { return KeptOf(TagOf(subject)); }
  size_t KeptOf(const SubjectTag& subject) const {
    const std::string tag = ToText(subject);
    return static_cast<size_t>(
        std::count_if(log_->kept.begin(), log_->kept.end(), [&](const auto& it) { return it.first.starts_with(tag); }));
  }
  std::string NameOf(const std::string& subject) const { return log_->kept.lower_bound(ToText(TagOf(subject)))->first; }

  const MasterKey master_ = MasterKey::Random();
  std::map<std::string, std::string> kept_before_;
  // Of the topic.
  int32_t partitions_ = 3;
  Keys keys_;
  ManualLog* log_ = nullptr;
};

TEST_F(KeysOverManualLog, WriteOneCheckOfTheMasterKey) {
  EXPECT_EQ(KeptOf(kCheckSubject), 1);
  const auto again = Restart();
  EXPECT_EQ(KeptOf(kCheckSubject), 1);
  Keys others;
  const absl::Status started = others.StartOver(MasterKey::Random(), false, [&](KeyLogListener listener) {
    auto log = std::make_unique<ManualLog>(std::move(listener));
    for (const auto& [name, value] : kept_before_) log->Put(name, value);
    return log;
  });
  EXPECT_EQ(started.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(others.Seal("ann", "Ann").status().code(), absl::StatusCode::kFailedPrecondition);
}

// Some processes would else write to partitions, once they were added, that the others do not read.
TEST_F(KeysOverManualLog, SpreadSubjectsAsTheFirstProcessDid) {
  kept_before_ = log_->kept;
  partitions_ = 24;
  Keys later;
  ManualLog* grown = nullptr;
  ASSERT_TRUE(Start(later, grown).ok());
  EXPECT_EQ(grown->partitions, 3);
  grown->Put(std::string(kPartitionsRecordName), PartitionsRecord(MasterKey::Random(), 24));
  EXPECT_EQ(grown->partitions, 3);
}

TEST_F(KeysOverManualLog, PutTheNumberOfPartitionsBack) {
  const std::string name(kPartitionsRecordName);
  kept_before_ = log_->kept;
  for (const std::string& other :
       {std::string(), std::string("24"), PartitionsRecord(MasterKey::Random(), 3), PartitionsRecord(master_, 24)}) {
    Keys keys;
    ManualLog* log = nullptr;
    ASSERT_TRUE(Start(keys, log).ok());
    log->Put(name, other);
    log->Deliver();
    EXPECT_EQ(log->kept[name], kept_before_.at(name)) << other;
    EXPECT_EQ(log->partitions, 3);
  }
}

TEST_F(KeysOverManualLog, SendALostKeyAgain) {
  Answer answer;
  keys_.Prepare("ann", absl::InfiniteFuture(), answer.Take());
  ASSERT_EQ(log_->waiting.size(), 1);
  const std::string name = log_->waiting[0].name;
  log_->Lose();
  ASSERT_EQ(log_->waiting.size(), 1);
  EXPECT_EQ(log_->waiting[0].name, name);
  EXPECT_FALSE(answer.status.has_value());
  log_->Deliver();
  EXPECT_TRUE(answer.status->ok());
  EXPECT_EQ(KeptOf("ann"), 1);
}

TEST_F(KeysOverManualLog, SendNoLostKeyThatNobodyWaitsFor) {
  Answer answer;
  keys_.Prepare("ann", absl::InfinitePast(), answer.Take());
  log_->Tick();
  EXPECT_EQ(answer.status->code(), absl::StatusCode::kUnavailable);
  log_->Lose();
  EXPECT_TRUE(log_->waiting.empty());
}

TEST_F(KeysOverManualLog, MakeOneKeyHoweverManyWait) {
  Answer first;
  Answer second;
  keys_.Prepare("ann", absl::InfiniteFuture(), first.Take());
  keys_.Prepare("ann", absl::InfiniteFuture(), second.Take());
  EXPECT_EQ(log_->waiting.size(), 1);
  log_->Deliver();
  EXPECT_TRUE(first.status->ok());
  EXPECT_TRUE(second.status->ok());
}

TEST_F(KeysOverManualLog, FindNoKeyOnceTheLogHasBeenRead) {
  Answer answer;
  keys_.Require("nobody", absl::InfiniteFuture(), answer.Take());
  log_->Tick();
  EXPECT_FALSE(answer.status.has_value());
  log_->read = log_->asked;
  log_->Tick();
  EXPECT_EQ(answer.status->code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(KeptOf("nobody"), 0);
}

TEST_F(KeysOverManualLog, FindTheKeyThatIsOnItsWay) {
  Answer answer;
  keys_.Require("ann", absl::InfiniteFuture(), answer.Take());
  log_->Put(KeyRecordName(TagOf("ann"), 1), master_.Wrap(DataKey{1}, TagOf("ann")));
  EXPECT_TRUE(answer.status->ok());
  Answer now;
  keys_.Require("ann", absl::InfiniteFuture(), now.Take());
  EXPECT_TRUE(now.status->ok());
}

TEST_F(KeysOverManualLog, SayUnavailableWhereTheLogDoesNotAnswer) {
  Answer answer;
  keys_.Require("ann", absl::InfinitePast(), answer.Take());
  log_->Tick();
  EXPECT_EQ(answer.status->code(), absl::StatusCode::kUnavailable);
}

TEST_F(KeysOverManualLog, PutBackAKeyThatNobodyErased) {
  const std::string sealed = Sealed("ann", "Ann");
  const telemetry::Age alarm = telemetry::NewAge("tradewind_keys_taken_away_seconds", "");
  alarm.End();
  log_->Put(NameOf("ann"), "");
  EXPECT_GT(alarm.value(), 0);
  EXPECT_EQ(keys_.Open(sealed).value(), "Ann");
  log_->Deliver();
  EXPECT_EQ(Restart()->Open(sealed, absl::ZeroDuration()).value(), "Ann");
}

TEST_F(KeysOverManualLog, PutBackAKeyWhenTheyStart) {
  const std::string sealed = Sealed("ann", "Ann");
  const auto [name, value] = *log_->kept.lower_bound(ToText(TagOf("ann")));
  Keys keys;
  ManualLog* log = nullptr;
  ASSERT_TRUE(keys.StartOver(master_, false,
                             [&](KeyLogListener listener) {
                               auto made = std::make_unique<ManualLog>(std::move(listener));
                               log = made.get();
                               for (const auto& [before, bytes] : log_->kept) log->Put(before, bytes);
                               log->Put(name, "");
                               return made;
                             })
                  .ok());
  log->Deliver();
  EXPECT_TRUE(log->kept.contains(name));
  EXPECT_EQ(keys.Open(sealed).value(), "Ann");
}

TEST_F(KeysOverManualLog, TakeBackAKeyThatWasMadeInVain) {
  const std::string sealed = Sealed("ann", "Ann");
  keys_.Withdraw("ann");
  log_->Deliver();
  EXPECT_EQ(KeptOf("ann"), 0);
  EXPECT_EQ(keys_.Seal("ann", "Ann").status().code(), absl::StatusCode::kNotFound);
  // A repeated call is sealed to the same characters.
  EXPECT_EQ(Sealed("ann", "Ann"), sealed);
  EXPECT_EQ(KeptOf("ann"), 1);
}

TEST_F(KeysOverManualLog, TakeBackAKeyThoughTheWithdrawalIsLost) {
  Sealed("ann", "Ann");
  keys_.Withdraw("ann");
  log_->Lose();
  log_->Deliver();
  EXPECT_EQ(KeptOf("ann"), 0);
  EXPECT_TRUE(log_->waiting.empty());
}

TEST_F(KeysOverManualLog, TakeBackAKeyThatCameTooLate) {
  Answer answer;
  keys_.Prepare("ann", absl::InfinitePast(), answer.Take());
  log_->Tick();
  ASSERT_EQ(answer.status->code(), absl::StatusCode::kUnavailable);
  log_->Deliver();
  EXPECT_EQ(KeptOf("ann"), 0);
}

TEST_F(KeysOverManualLog, TakeBackNoKeyThatAnotherCallUses) {
  Sealed("ann", "Ann");
  Sealed("ann", "Ann");
  keys_.Withdraw("ann");
  log_->Deliver();
  EXPECT_EQ(KeptOf("ann"), 1);
  keys_.Withdraw("ann");
  log_->Deliver();
  EXPECT_EQ(KeptOf("ann"), 0);
}

// A call that came in vain and one that is repeated, here or at another gateway, meet.
TEST_F(KeysOverManualLog, PutBackWhatIsUsedAndWasTakenBack) {
  const std::string sealed = Sealed("ann", "Ann");
  keys_.Withdraw("ann");
  EXPECT_EQ(Sealed("ann", "Ann"), sealed);
  EXPECT_EQ(KeptOf("ann"), 1);
  EXPECT_EQ(Restart()->Open(sealed, absl::ZeroDuration()).value(), "Ann");
}

TEST_F(KeysOverManualLog, PutBackWhatAnotherProcessTookBack) {
  for (const std::string subject : {"used", "kept", "unused"}) {
    const SubjectTag tag = TagOf(subject);
    log_->Put(KeyRecordName(tag, 1), master_.Wrap(DataKey{1}, tag));
    if (subject != "unused") Sealed(subject, "x");
    if (subject == "kept") keys_.Keep(subject);
    log_->Put(KeyRecordName(tag, 1), WithdrawalOf(master_, tag, 1));
    log_->Put(KeyRecordName(tag, 1), "");
    log_->Deliver();
    EXPECT_EQ(KeptOf(subject), subject == "unused" ? 0 : 1) << subject;
  }
  EXPECT_EQ(Restart()->Open(SealText(DataKey{1}, TagOf("kept"), "x"), absl::ZeroDuration()).value(), "x");
}

TEST_F(KeysOverManualLog, TakeBackNoKeyThatIsToStay) {
  Sealed("ann", "Ann");
  keys_.Keep("ann");
  keys_.Withdraw("ann");
  log_->Deliver();
  EXPECT_EQ(KeptOf("ann"), 1);
}

TEST_F(KeysOverManualLog, TakeBackNoKeyThatAnotherProcessMade) {
  log_->Put(KeyRecordName(TagOf("ann"), 1), master_.Wrap(DataKey{1}, TagOf("ann")));
  keys_.Withdraw("ann");
  EXPECT_TRUE(log_->waiting.empty());
}

TEST_F(KeysOverManualLog, SignTheErasuresOfBefore) {
  log_->Put(ErasureRecordName(TagOf("ann")), "2026-01-01T00:00:00Z");
  EXPECT_EQ(keys_.CountUnsignedErasures(), 1);
  EXPECT_EQ(keys_.SignErasures(absl::InfinitePast()).code(), absl::StatusCode::kUnavailable);
  log_->Deliver();
  EXPECT_EQ(keys_.CountUnsignedErasures(), 0);
  EXPECT_EQ(Restart(/*require_signed=*/true)->Seal("ann", "Ann").status().code(),
            absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace tradewind::seal
