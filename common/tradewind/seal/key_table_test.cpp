#include "tradewind/seal/key_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace tradewind::seal {
namespace {

using State = KeyTable::State;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class KeyTableTest : public ::testing::Test {
 protected:
  using Record = std::pair<std::string, std::string>;

  static DataKey KeyOf(unsigned char fill) {
    DataKey key;
    key.fill(fill);
    return key;
  }
  Record Made(uint64_t number, unsigned char fill) const {
    return {KeyRecordName(ann_, number), master_.Wrap(KeyOf(fill), ann_)};
  }
  Record Forgotten(uint64_t number) const { return {KeyRecordName(ann_, number), ""}; }
  Record Erased() const { return {ErasureRecordName(ann_), "2026-01-01T00:00:00Z"}; }
  absl::Status Take(const Record& record) {
    SubjectTag subject;
    absl::Status taken = table_.Apply(record.first, record.second, subject);
    if (taken.ok()) {
      EXPECT_EQ(subject, ann_);
    }
    return taken;
  }
  void TakeAll(const std::vector<Record>& records) {
    for (const Record& record : records) ASSERT_TRUE(Take(record).ok());
  }

  const SubjectTag ann_ = TagOf("ann");
  const MasterKey master_ = MasterKey::Random();
  KeyTable table_{master_};
};

TEST_F(KeyTableTest, TakesTheFirstKeyOfASubject) {
  EXPECT_EQ(table_.Find(ann_).state, State::kUnknown);
  TakeAll({Made(1, 11), Made(2, 22)});
  ASSERT_EQ(table_.Find(ann_).state, State::kKnown);
  EXPECT_EQ(*table_.Find(ann_).key, KeyOf(11));
  EXPECT_EQ(table_.Find(TagOf("bob")).state, State::kUnknown);
}

TEST_F(KeyTableTest, ForgetsTheKeyOfASubjectThatIsErased) {
  TakeAll({Made(1, 11), Made(2, 22), Erased()});
  EXPECT_EQ(table_.Find(ann_).state, State::kErased);
  EXPECT_EQ(*table_.Find(ann_).key, DataKey{});
  EXPECT_THAT(table_.KeyRecordsOf(ann_), ElementsAre(KeyRecordName(ann_, 1), KeyRecordName(ann_, 2)));
  TakeAll({Forgotten(1), Forgotten(2)});
  EXPECT_THAT(table_.KeyRecordsOf(ann_), IsEmpty());
  EXPECT_EQ(table_.Find(ann_).state, State::kErased);
}

TEST_F(KeyTableTest, TakesNoKeyThatStandsBehindTheErasure) {
  TakeAll({Erased(), Made(3, 33)});
  EXPECT_EQ(table_.Find(ann_).state, State::kErased);
  EXPECT_EQ(*table_.Find(ann_).key, DataKey{});
  // It is still a record that somebody has to remove.
  EXPECT_THAT(table_.KeyRecordsOf(ann_), ElementsAre(KeyRecordName(ann_, 3)));
}

// What is left after compaction, which keeps the order and the newest record of each name.
TEST_F(KeyTableTest, SaysTheSameOfACompactedLog) {
  TakeAll({Made(1, 11), Made(2, 22)});
  KeyTable compacted(master_);
  SubjectTag subject;
  for (const Record& record : {Made(1, 11), Made(2, 22)}) {
    ASSERT_TRUE(compacted.Apply(record.first, record.second, subject).ok());
  }
  EXPECT_EQ(*compacted.Find(ann_).key, *table_.Find(ann_).key);
  KeyTable erased(master_);
  for (const Record& record : {Erased(), Forgotten(1), Forgotten(2)}) {
    ASSERT_TRUE(erased.Apply(record.first, record.second, subject).ok());
  }
  EXPECT_EQ(erased.Find(ann_).state, State::kErased);
}

TEST_F(KeyTableTest, RefusesAKeyOfAnotherMasterKeyAndSaysWhatToDo) {
  const absl::Status taken = Take({KeyRecordName(ann_, 1), MasterKey::Random().Wrap(KeyOf(1), ann_)});
  EXPECT_EQ(taken.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(taken.message()), ::testing::HasSubstr("seal.key_file"));
  EXPECT_EQ(table_.Find(ann_).state, State::kUnknown);
}

TEST_F(KeyTableTest, RefusesWhatIsNoRecord) {
  const std::string tag = ToText(ann_);
  for (const std::string& name : {std::string(), std::string("x"), tag + "/", tag + "/12", tag + "x0123456789abcdef",
                                  tag + "/0123456789abcdeg", tag + "/0123456789abcdef0"}) {
    EXPECT_EQ(Take({name, "value"}).code(), absl::StatusCode::kInvalidArgument) << name;
  }
  for (const std::string& value : {std::string("x"), std::string(40, '\xfe'), std::string(1'000'000, 'x')}) {
    EXPECT_EQ(Take({KeyRecordName(ann_, 1), value}).code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(Take({ErasureRecordName(ann_), value}).code(), absl::StatusCode::kInvalidArgument);
  }
  EXPECT_EQ(Take({ErasureRecordName(ann_), ""}).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(table_.Find(ann_).state, State::kUnknown);
  EXPECT_FALSE(table_.HasLost());
}

// ---- the master key -------------------------------------------------------------------------------------------------

class CheckOfTheMasterKey : public KeyTableTest {
 protected:
  static Record CheckOf(const MasterKey& master, uint64_t number = 1) {
    return {KeyRecordName(kCheckSubject, number), master.Wrap(kCheckKey, kCheckSubject)};
  }
  Record KeyOfSomebodyElses() const { return {KeyRecordName(ann_, 9), other_.Wrap(KeyOf(9), ann_)}; }
  absl::Status CheckAfter(const std::vector<Record>& records) {
    SubjectTag subject;
    for (const Record& record : records) static_cast<void>(table_.Apply(record.first, record.second, subject));
    return table_.CheckMaster();
  }

  const MasterKey other_ = MasterKey::Random();
};

TEST_F(CheckOfTheMasterKey, PassesOnAnEmptyLog) {
  EXPECT_TRUE(CheckAfter({}).ok());
  EXPECT_FALSE(table_.HasCheck());
}

TEST_F(CheckOfTheMasterKey, PassesWithJunkOfEveryForm) {
  EXPECT_TRUE(CheckAfter({{"junk", "x"}, {KeyRecordName(ann_, 1), std::string(40, 'x')}, {ToText(ann_), "x"}}).ok());
}

TEST_F(CheckOfTheMasterKey, PassesWithOurCheckWhateverElseThereIs) {
  EXPECT_TRUE(CheckAfter({CheckOf(master_), KeyOfSomebodyElses(), CheckOf(other_, 2)}).ok());
  EXPECT_TRUE(table_.HasCheck());
}

TEST_F(CheckOfTheMasterKey, PassesWithAKeyOfOursThoughTheCheckWasForged) {
  EXPECT_TRUE(CheckAfter({CheckOf(other_), Made(1, 11)}).ok());
}

TEST_F(CheckOfTheMasterKey, RefusesTheCheckOfAnother) {
  const absl::Status checked = CheckAfter({CheckOf(other_)});
  EXPECT_EQ(checked.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(checked.message()),
              ::testing::HasSubstr("was wrapped by another master key; give every process of the mesh the same "
                                   "seal.key_file"));
}

TEST_F(CheckOfTheMasterKey, RefusesASecondMasterKeyThatCameLater) {
  EXPECT_FALSE(CheckAfter({CheckOf(other_), CheckOf(master_, 2)}).ok());
}

TEST_F(CheckOfTheMasterKey, RefusesKeysOfWhichNoneCanBeUnwrapped) {
  EXPECT_FALSE(CheckAfter({KeyOfSomebodyElses()}).ok());
}

// ---- what was taken away --------------------------------------------------------------------------------------------

class TakenAway : public KeyTableTest {
 protected:
  // What is to be written again makes up for what was taken away.
  void ExpectRestored(const std::string& name) {
    ASSERT_TRUE(table_.HasLost());
    const std::vector<KeyTable::Lost> lost = table_.TakeLost();
    ASSERT_EQ(lost.size(), 1);
    EXPECT_EQ(lost[0].name, name);
    EXPECT_FALSE(table_.HasLost());
    KeyTable fresh(master_, true);
    SubjectTag subject;
    ASSERT_TRUE(fresh.Apply(lost[0].name, lost[0].value, subject).ok());
    EXPECT_EQ(fresh.Find(ann_).state, table_.Find(ann_).state);
    EXPECT_EQ(*fresh.Find(ann_).key, *table_.Find(ann_).key);
  }
  Record Signed() const { return {ErasureRecordName(ann_), SignedErasure(master_, ann_, absl::UnixEpoch())}; }
};

TEST_F(TakenAway, KeyIsKeptAndWrittenAgainWhereNobodyErasedIt) {
  TakeAll({Made(1, 11), Forgotten(1)});
  EXPECT_EQ(*table_.Find(ann_).key, KeyOf(11));
  ExpectRestored(KeyRecordName(ann_, 1));
}

TEST_F(TakenAway, KeyIsWrittenAgainWhereItWasReplaced) {
  for (const std::string& value : {std::string("x"), std::string(72, 'x'), MasterKey::Random().Wrap(KeyOf(1), ann_),
                                   master_.Wrap(KeyOf(22), ann_)}) {
    TakeAll({Made(1, 11)});
    static_cast<void>(Take({KeyRecordName(ann_, 1), value}));
    EXPECT_EQ(*table_.Find(ann_).key, KeyOf(11));
    ExpectRestored(KeyRecordName(ann_, 1));
  }
}

TEST_F(TakenAway, KeyIsLeftAwayWhereItIsBackOrErased) {
  TakeAll({Made(1, 11), Forgotten(1), Made(1, 11)});
  EXPECT_FALSE(table_.HasLost());
  TakeAll({Forgotten(1), Erased()});
  EXPECT_FALSE(table_.HasLost());
  TakeAll({Forgotten(1)});
  EXPECT_FALSE(table_.HasLost());
}

TEST_F(TakenAway, ErasureIsWrittenAgain) {
  TakeAll({Signed()});
  for (const std::string& value : {std::string(), std::string("x"), std::string("2026-01-01T00:00:00Z")}) {
    static_cast<void>(Take({ErasureRecordName(ann_), value}));
    EXPECT_EQ(table_.Find(ann_).state, State::kErased);
    ExpectRestored(ErasureRecordName(ann_));
  }
  TakeAll({Signed()});
  EXPECT_FALSE(table_.HasLost());
}

// Whichever of them is first after a compaction.
TEST_F(TakenAway, EveryKeyOfASubjectOpens) {
  TakeAll({Made(1, 11), Made(2, 22)});
  EXPECT_THAT(table_.KeysOf(ann_), ElementsAre(KeyOf(11), KeyOf(22)));
}

TEST_F(TakenAway, ErasureWithoutProofCountsUntilProofsAreRequired) {
  TakeAll({Made(1, 11), Erased()});
  EXPECT_EQ(table_.Find(ann_).state, State::kErased);
  EXPECT_THAT(table_.UnsignedErasures(), ElementsAre(ann_));
  TakeAll({Signed()});
  EXPECT_THAT(table_.UnsignedErasures(), IsEmpty());

  KeyTable strict(master_, true);
  SubjectTag subject;
  ASSERT_TRUE(strict.Apply(Made(1, 11).first, Made(1, 11).second, subject).ok());
  EXPECT_FALSE(strict.Apply(Erased().first, Erased().second, subject).ok());
  EXPECT_EQ(strict.Find(ann_).state, State::kKnown);
  ASSERT_TRUE(strict.Apply(Signed().first, Signed().second, subject).ok());
  EXPECT_EQ(strict.Find(ann_).state, State::kErased);
}

TEST_F(TakenAway, KeyThatWasWithdrawnIsGoneAndRemembered) {
  TakeAll({Made(1, 11), {KeyRecordName(ann_, 1), WithdrawalOf(master_, ann_, 1)}, Forgotten(1)});
  EXPECT_EQ(table_.Find(ann_).state, State::kUnknown);
  EXPECT_FALSE(table_.HasLost());
  ASSERT_NE(table_.WithdrawnFrom(ann_), nullptr);
  EXPECT_EQ(*table_.WithdrawnFrom(ann_), KeyOf(11));
}

TEST_F(TakenAway, WithdrawalOfOneKeyLeavesTheOthers) {
  TakeAll({Made(1, 11), Made(2, 22), {KeyRecordName(ann_, 1), WithdrawalOf(master_, ann_, 1)}, Forgotten(1)});
  EXPECT_EQ(*table_.Find(ann_).key, KeyOf(22));
  // Copied to where it does not belong it is one more key.
  TakeAll({{KeyRecordName(ann_, 3), WithdrawalOf(master_, ann_, 1)}});
  EXPECT_EQ(*table_.Find(ann_).key, KeyOf(22));
}

TEST_F(TakenAway, RemembersTheNewestWithdrawalsOnly) {
  SubjectTag tag;
  const auto take = [&](int i, bool withdraw) {
    const SubjectTag subject = TagOf(std::to_string(i));
    const std::string value = withdraw ? WithdrawalOf(master_, subject, 1) : master_.Wrap(KeyOf(1), subject);
    ASSERT_TRUE(table_.Apply(KeyRecordName(subject, 1), value, tag).ok());
  };
  for (int i = 0; i <= static_cast<int>(KeyTable::kMaxWithdrawn); ++i) {
    take(i, false);
    take(i, true);
  }
  EXPECT_EQ(table_.WithdrawnFrom(TagOf("0")), nullptr);
  EXPECT_NE(table_.WithdrawnFrom(TagOf("1")), nullptr);
}

}  // namespace
}  // namespace tradewind::seal
