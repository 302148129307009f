#include "tests/fuzz/record_script.h"

#include <gtest/gtest.h>

namespace tradewind::fuzz {
namespace {

std::string Append(const std::string& bytes) { return bytes + "x"; }

TEST(RecordScript, ReadsWhatItWrites) {
  std::minstd_rand random(1);
  Script script;
  for (int i = 0; i < 2000; ++i) {
    Mutate(script, random, Append);
    ASSERT_EQ(Parse(Serialize(script)), script) << "after " << i << " changes";
  }
}

TEST(RecordScript, ReadsAnyBytesWithinItsBounds) {
  std::minstd_rand random(2);
  for (int i = 0; i < 2000; ++i) {
    std::string bytes(random() % 400, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random());
    const Script script = Parse(bytes);
    ASSERT_LE(script.size(), kMaxSteps);
    for (const Step& step : script) {
      ASSERT_LE(step.headers.size(), kMaxHeaders);
      ASSERT_LE(step.key.Expand().size(), kMaxTextBytes);
    }
  }
}

TEST(RecordScript, TellsNoValueFromAnEmptyOne) {
  Script script(2);
  script[1].value.emplace();
  EXPECT_FALSE(Parse(Serialize(script)).at(0).value.has_value());
  EXPECT_TRUE(Parse(Serialize(script)).at(1).value.has_value());
}

}  // namespace
}  // namespace tradewind::fuzz
