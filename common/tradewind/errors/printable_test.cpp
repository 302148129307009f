#include "tradewind/errors/printable.h"

#include <gtest/gtest.h>

namespace tradewind::errors {
namespace {

TEST(Printable, KeepsTextOfAnyScript) { EXPECT_EQ(Printable("Zoë 東京 🚢"), "Zoë 東京 🚢"); }

TEST(Printable, EscapesWhatCouldSteerATerminal) {
  EXPECT_EQ(Printable("a\nb\x1b[2J\x7f"), "a\\x0ab\\x1b[2J\\x7f");
  // U+009B, the one-character CSI.
  EXPECT_EQ(Printable("\xc2\x9b"), "\\xc2\\x9b");
}

TEST(Printable, EscapesBytesThatAreNotUtf8) {
  EXPECT_EQ(Printable("a\xff"), "a\\xff");
  EXPECT_EQ(Printable("\xe6\x9d"), "\\xe6\\x9d");           // cut short
  EXPECT_EQ(Printable("\xc0\xaf"), "\\xc0\\xaf");           // overlong
  EXPECT_EQ(Printable("\xed\xa0\x80"), "\\xed\\xa0\\x80");  // a surrogate
}

TEST(Shortened, CutsNoCharacterInTwo) {
  EXPECT_EQ(Shortened("short", 5), "short");
  EXPECT_EQ(Shortened("shorter", 6), "sho...");
  EXPECT_EQ(Shortened("ääää", 7), "ää...");
  EXPECT_EQ(Shortened("ääää", 6), "ä...");
}

TEST(Printable, ChangesNothingTheSecondTime) {
  const std::string once = Printable("a\n\xff\\x0a");
  EXPECT_EQ(Printable(once), once);
}

TEST(Printable, CutsWhatIsTooLongAndSaysHowLongItWas) {
  EXPECT_EQ(Printable("abcdef", 6), "abcdef");
  EXPECT_EQ(Printable("abcdefg", 6), "abcdef... (7 bytes in all)");
  // Neither a letter nor an escape is cut in two.
  EXPECT_EQ(Printable("abécd", 3), "ab... (6 bytes in all)");
  EXPECT_EQ(Printable("ab\xff", 4), "ab... (3 bytes in all)");
  EXPECT_LT(Printable(std::string(1'000'000, '\xff'), 1024).size(), 1100U);
}

TEST(IsUtf8, KnowsWellFormedText) {
  for (const char* text : {"", "plain", "Zoë 東京 🚢", "\x01"}) EXPECT_TRUE(IsUtf8(text)) << text;
  for (const char* bytes : {"\xff", "a\xc3", "\xc0\xaf", "\xed\xa0\x80", "\xf5\x80\x80\x80"}) {
    EXPECT_FALSE(IsUtf8(bytes)) << Printable(bytes);
  }
}

TEST(IsUtf8, FindsABadByteWhereverItStands) {
  const std::string text(20, 'a');
  for (size_t at = 0; at < text.size(); ++at) {
    std::string bad = text;
    bad[at] = '\xff';
    EXPECT_FALSE(IsUtf8(bad)) << at;
    EXPECT_TRUE(IsUtf8(std::string(text).replace(at, 1, "é"))) << at;
  }
}

}  // namespace
}  // namespace tradewind::errors
