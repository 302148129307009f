#include "tradewind/seal/key_records.h"

#include <gtest/gtest.h>

#include <string>

namespace tradewind::seal {
namespace {

class KeyRecordsTest : public ::testing::Test {
 protected:
  const MasterKey master_ = MasterKey::Random();
  const SubjectTag ann_ = TagOf("ann");
  const SubjectTag bob_ = TagOf("bob");
  const absl::Time now_ = absl::FromUnixSeconds(1'700'000'000);
};

TEST_F(KeyRecordsTest, ReadsTheNamesThatItWrites) {
  const auto key = ParseRecordName(KeyRecordName(ann_, 0xabc));
  ASSERT_TRUE(key.has_value());
  EXPECT_EQ(key->subject, ann_);
  EXPECT_EQ(key->number, 0xabc);
  const auto erasure = ParseRecordName(ErasureRecordName(ann_));
  ASSERT_TRUE(erasure.has_value());
  EXPECT_EQ(erasure->subject, ann_);
  EXPECT_FALSE(erasure->number.has_value());
}

// To Kafka each is a record of its own, so that it may not count as the one that it resembles.
TEST_F(KeyRecordsTest, RefusesEveryOtherName) {
  const std::string tag = ToText(ann_);
  std::string ends_otherwise = tag;
  // The last character has bits that are no part of the 16 bytes.
  ends_otherwise.back() = ends_otherwise.back() == 'A' ? 'B' : static_cast<char>(ends_otherwise.back() + 1);
  for (const std::string& name :
       {std::string(), std::string("junk"), std::string(1'000'000, 'x'), std::string("\xff\0\x01", 3), tag + "/",
        tag + "/12", tag + "x0123456789abcdef", tag + "/0123456789abcdeg", tag + "/0123456789abcdef0",
        tag + "/0123456789ABCDEF", tag + "/+123456789abcdef", tag + " ", ends_otherwise}) {
    EXPECT_FALSE(ParseRecordName(name).has_value()) << name.substr(0, 60);
  }
}

TEST_F(KeyRecordsTest, TellsSignedErasuresFromThoseOfBefore) {
  EXPECT_EQ(ReadErasure(master_, ann_, SignedErasure(master_, ann_, now_)), ErasureKind::kSigned);
  EXPECT_EQ(ReadErasure(master_, ann_, UnsignedErasure(now_)), ErasureKind::kUnsigned);
  // As the version before wrote it.
  EXPECT_EQ(ReadErasure(master_, ann_, "2026-11-29T23:43:00+00:00"), ErasureKind::kUnsigned);
  EXPECT_EQ(ReadErasure(master_, ann_, "2026-01-01T00:00:00Z"), ErasureKind::kUnsigned);
}

TEST_F(KeyRecordsTest, TakesNoErasureThatSomebodyElseSigned) {
  const std::string erasure = SignedErasure(master_, ann_, now_);
  EXPECT_EQ(ReadErasure(MasterKey::Random(), ann_, erasure), ErasureKind::kNone);
  EXPECT_EQ(ReadErasure(master_, bob_, erasure), ErasureKind::kNone);
  std::string later = SignedErasure(master_, ann_, now_ + absl::Seconds(1));
  EXPECT_EQ(ReadErasure(master_, ann_, erasure.substr(0, 25) + later.substr(25)), ErasureKind::kNone);
  for (const std::string& value : {std::string(), std::string("x"), std::string("now"), std::string(1'000'000, '9'),
                                   erasure + "x", erasure.substr(0, erasure.size() - 1), UnsignedErasure(now_) + " 1:",
                                   UnsignedErasure(now_) + " ", std::string("\0\xff", 2)}) {
    EXPECT_EQ(ReadErasure(master_, ann_, value), ErasureKind::kNone) << value.substr(0, 60);
  }
}

TEST_F(KeyRecordsTest, ReadsTheNumberOfPartitionsThatItWrites) {
  for (const int32_t count : {1, 12, 200'000}) {
    EXPECT_EQ(ReadPartitions(master_, PartitionsRecord(master_, count)), count);
  }
  const std::string twelve = PartitionsRecord(master_, 12);
  for (const std::string& value :
       {std::string(), std::string("12"), std::string("12 1:"), twelve + " ", " " + twelve, "+" + twelve, "0" + twelve,
        "13" + twelve.substr(2), twelve.substr(0, twelve.size() - 1), std::string(1'000'000, '9'),
        PartitionsRecord(master_, 0), PartitionsRecord(master_, -1), PartitionsRecord(MasterKey::Random(), 12)}) {
    EXPECT_FALSE(ReadPartitions(master_, value).has_value()) << value.substr(0, 60);
  }
}

TEST_F(KeyRecordsTest, MarksTheWithdrawalOfOneRecordOnly) {
  const auto mark = master_.Unwrap(WithdrawalOf(master_, ann_, 7), ann_);
  ASSERT_TRUE(mark.has_value());
  EXPECT_TRUE(IsWithdrawal(master_, ann_, 7, *mark));
  EXPECT_FALSE(IsWithdrawal(master_, ann_, 8, *mark));
  EXPECT_FALSE(IsWithdrawal(master_, bob_, 7, *mark));
  EXPECT_FALSE(IsWithdrawal(MasterKey::Random(), ann_, 7, *mark));
}

}  // namespace
}  // namespace tradewind::seal
