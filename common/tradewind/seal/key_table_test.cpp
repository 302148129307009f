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
}

}  // namespace
}  // namespace tradewind::seal
