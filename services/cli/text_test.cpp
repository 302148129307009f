#include "services/cli/text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

namespace tradewind::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const std::vector<std::string> kTopics = {"order.commands.v1", "order.events.v1", "user.events.v1", "mesh.dead.v1"};

TEST(HexPrefix, StopsAtTheLimit) {
  EXPECT_EQ(HexPrefix(std::string_view("\x00\xff\x10", 3), 3), "00ff10");
  EXPECT_EQ(HexPrefix("abc", 2), "6162...");
}

TEST(FromPrintable, GivesBackTheBytesThatPrintableWrote) {
  std::string every;
  for (int byte = 0; byte < 256; ++byte) {
    every += static_cast<char>(byte);
  }
  for (const std::string& bytes : {every, std::string(), std::string("o-1"), std::string("Zo\xc3\xab\0", 6),
                                   std::string("\xc3"), std::string("a\\b"), std::string("\\\xff")}) {
    EXPECT_EQ(FromPrintable(Printable(bytes)), bytes) << Printable(bytes);
  }
}

TEST(FromPrintable, LetsStandWhatIsNoEscape) {
  for (const char* text : {"\\", "\\x", "\\x4", "\\xg0", "\\x4g", "\\n", "x41"}) {
    EXPECT_EQ(FromPrintable(text), text);
  }
  EXPECT_EQ(FromPrintable("\\x4A\\x4a"), "JJ");
}

TEST(BadEscape, FindsWhatIsNoByte) {
  for (const char* text : {"", "key", "\\x41", "a\\x00\\xff", "\\", "\\y", "\\x5cxZZ"})
    EXPECT_EQ(BadEscape(text), "") << text;
  EXPECT_EQ(BadEscape("\\xZZ"), "\\xZZ");
  EXPECT_EQ(BadEscape("a\\x41\\x4g!"), "\\x4g");
  EXPECT_EQ(BadEscape("\\x4"), "\\x4");
  EXPECT_EQ(BadEscape("\\x"), "\\x");
}

TEST(FromPrintable, TakesABackslashThatWouldBeginAnEscape) { EXPECT_EQ(FromPrintable("\\x5cx41"), "\\x41"); }

TEST(Shortened, CutsByCodePoints) {
  EXPECT_EQ(Shortened("Zo\xc3\xab!", 4), "Zo\xc3\xab!");
  EXPECT_EQ(Shortened("Zo\xc3\xabZo\xc3\xab", 6), "Zo\xc3\xabZo\xc3\xab");
  EXPECT_EQ(Shortened("Zo\xc3\xabZo\xc3\xab!", 6), "Zo\xc3\xab...");
  EXPECT_EQ(Shortened("", 3), "");
}

TEST(FormatTimestamp, IsUtcWithMilliseconds) {
  EXPECT_EQ(FormatTimestamp(1'000'000'000'007), "2001-09-09T01:46:40.007Z");
}

TEST(NearNames, FindsTheMisspeltOne) {
  EXPECT_THAT(NearNames("user.event.v1", kTopics), ElementsAre("user.events.v1", "order.events.v1"));
  EXPECT_THAT(NearNames("mesh.daed.v1", kTopics), ElementsAre("mesh.dead.v1"));
}

TEST(NearNames, FindsThoseWithTheWordInThem) {
  EXPECT_THAT(NearNames("Order", kTopics), ElementsAre("order.commands.v1", "order.events.v1"));
}

TEST(NearNames, KeepsSilentWhereNothingIsNear) { EXPECT_THAT(NearNames("payments", kTopics), IsEmpty()); }

TEST(Grouped, SetsAThousandsComma) {
  EXPECT_EQ(Grouped(0), "0");
  EXPECT_EQ(Grouped(999), "999");
  EXPECT_EQ(Grouped(-1000), "-1,000");
  EXPECT_EQ(Grouped(-100), "-100");
  EXPECT_EQ(Grouped(1234567), "1,234,567");
}

TEST(Table, AlignsByCodePointsAndEndsNoLineInSpaces) {
  Table table({{"NAME"}, {"N", true}, {"NOTE"}});
  table.AddRow({"Zoë", "5", "x"});
  table.AddRow({"longer", "1,000", ""});
  std::ostringstream out;
  table.Print(out, false);
  EXPECT_EQ(out.str(),
            "NAME        N  NOTE\n"
            "Zoë         5  x\n"
            "longer  1,000\n");
}

TEST(Table, ColoursDoNotShiftColumns) {
  Table table({{"A"}, {"B"}});
  table.AddRow({{"bad", Tone::kBad}, "x"});
  std::ostringstream out;
  table.Print(out, true);
  EXPECT_EQ(out.str(), "\x1b[2mA\x1b[0m    \x1b[2mB\x1b[0m\n\x1b[31mbad\x1b[0m  x\n");
}

}  // namespace
}  // namespace tradewind::cli
