#include "tradewind/seal/sealed_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace tradewind::seal {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

DataKey KeyOf(unsigned char fill) {
  DataKey key;
  key.fill(fill);
  return key;
}

const SubjectTag kAnn = TagOf("ann");

TEST(SealedText, OpensToWhatWasSealed) {
  for (const std::string& clear : {std::string("ann@example.com"), std::string(), std::string(5000, 'x'),
                                   std::string("\0;sealed:1:", 11), std::string("阿安")}) {
    const std::string sealed = SealText(KeyOf(1), kAnn, clear);
    const auto value = FindSealed(sealed);
    ASSERT_TRUE(value.has_value());
    EXPECT_EQ(value->begin, 0);
    EXPECT_EQ(value->end, sealed.size());
    EXPECT_EQ(value->subject, kAnn);
    EXPECT_EQ(OpenValue(KeyOf(1), *value), clear);
  }
}

TEST(SealedText, ShowsNothingOfTheTextAndSaysWhoseItIs) {
  const std::string sealed = SealText(KeyOf(1), kAnn, "ann@example.com");
  EXPECT_THAT(sealed, StartsWith("sealed:1:" + ToText(kAnn) + ":"));
  EXPECT_THAT(sealed, EndsWith(";"));
  EXPECT_THAT(sealed, Not(HasSubstr("example")));
}

// A repeat of a request must be the same request.
TEST(SealedText, IsTheSameForTheSameTextOnly) {
  EXPECT_EQ(SealText(KeyOf(1), kAnn, "a"), SealText(KeyOf(1), kAnn, "a"));
  EXPECT_NE(SealText(KeyOf(1), kAnn, "a"), SealText(KeyOf(1), kAnn, "b"));
  EXPECT_NE(SealText(KeyOf(1), kAnn, "a"), SealText(KeyOf(2), kAnn, "a"));
}

TEST(SealedText, OpensForNoOtherKeyAndNoOtherSubject) {
  auto value = FindSealed(SealText(KeyOf(1), kAnn, "a"));
  ASSERT_TRUE(value.has_value());
  EXPECT_EQ(OpenValue(KeyOf(2), *value), std::nullopt);
  value->subject = TagOf("bob");
  EXPECT_EQ(OpenValue(KeyOf(1), *value), std::nullopt);
}

TEST(SealedText, NoticesEveryChangedBit) {
  const auto value = FindSealed(SealText(KeyOf(1), kAnn, "a"));
  ASSERT_TRUE(value.has_value());
  for (size_t bit = 0; bit < value->box.size() * 8; ++bit) {
    SealedValue changed = *value;
    changed.box[bit / 8] = static_cast<char>(changed.box[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_EQ(OpenValue(KeyOf(1), changed), std::nullopt) << bit;
  }
}

TEST(SealedText, IsFoundInsideOtherText) {
  const std::string name = SealText(KeyOf(1), kAnn, "Ann");
  const std::string text = "Dear " + name + name + "s friend";
  const auto first = FindSealed(text);
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(first->begin, 5);
  const auto second = FindSealed(text, first->end);
  ASSERT_TRUE(second.has_value());
  EXPECT_EQ(second->begin, first->end);
  EXPECT_EQ(FindSealed(text, second->end), std::nullopt);
}

TEST(SealedText, KnowsWhatIsSealedForASubjectAsAWhole) {
  const std::string sealed = SealText(KeyOf(1), kAnn, "Ann");
  EXPECT_TRUE(IsSealedFor("ann", sealed));
  EXPECT_FALSE(IsSealedFor("bob", sealed));
  for (const std::string& text :
       {"Ann " + sealed, sealed + " Smith", sealed + sealed, std::string("Ann"), std::string()}) {
    EXPECT_FALSE(IsSealedFor("ann", text)) << text;
  }
}

TEST(SealedText, PassesOverWhatOnlyLooksSealed) {
  const std::string good = SealText(KeyOf(1), kAnn, "Ann");
  const std::string tag = ToText(kAnn);
  for (const std::string& text :
       {std::string("sealed:1:"), std::string("sealed:1:;"), "sealed:1:" + tag + ";", "sealed:1:" + tag + ":;",
        "sealed:1:" + tag + ":AAAA;", std::string("sealed:1:short:AAAA;"), "sealed:1:" + tag + ":not base64!;",
        "sealed:2:" + good.substr(9), good.substr(0, good.size() - 1)}) {
    EXPECT_FALSE(HasSealed(text)) << text;
    EXPECT_TRUE(HasSealed(text + " " + good)) << text;
  }
}

// Where each prefix searched the rest of the text, these would take minutes.
TEST(SealedText, LooksAtATextFullOfPrefixesOnce) {
  std::string prefixes;
  std::string boxes;
  while (prefixes.size() < (16u << 20)) prefixes += "sealed:1:";
  while (boxes.size() < (16u << 20)) boxes += "sealed:1:" + std::string(22, 'A') + ":";
  EXPECT_FALSE(HasSealed(prefixes));
  EXPECT_FALSE(HasSealed(prefixes + ";"));
  EXPECT_FALSE(HasSealed(boxes));
  EXPECT_FALSE(HasSealed(boxes + ";"));
  EXPECT_TRUE(HasSealed(prefixes + SealText({}, TagOf("ann"), "Ann")));
}

}  // namespace
}  // namespace tradewind::seal
