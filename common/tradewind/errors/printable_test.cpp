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

TEST(Printable, ChangesNothingTheSecondTime) {
  const std::string once = Printable("a\n\xff\\x0a");
  EXPECT_EQ(Printable(once), once);
}

}  // namespace
}  // namespace tradewind::errors
