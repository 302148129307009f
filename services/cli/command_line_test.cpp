#include "services/cli/command_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tradewind::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

CommandLine Parse(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "tradewind");
  return ParseCommandLine(static_cast<int>(arguments.size()), arguments.data());
}

template <typename Options>
Options OptionsOf(const CommandLine& line) {
  EXPECT_EQ(line.output, "");
  EXPECT_TRUE(line.verb.has_value() && std::holds_alternative<Options>(*line.verb));
  return line.verb.has_value() && std::holds_alternative<Options>(*line.verb) ? std::get<Options>(*line.verb)
                                                                              : Options{};
}

TEST(CommandLine, GivesTheDemoItsDefaults) {
  const auto options = OptionsOf<DemoOptions>(Parse({"demo"}));
  EXPECT_EQ(options.orders, 1);
  EXPECT_EQ(options.timeout, absl::Seconds(10));
  EXPECT_FALSE(options.json);
}

TEST(CommandLine, ReadsTheOptionsOfTail) {
  const auto options = OptionsOf<TailOptions>(
      Parse({"tail", "a", "--key", "k.1", "b", "--type=T", "--until-end", "--count", "3", "--headers"}));
  EXPECT_THAT(options.topics, ElementsAre("a", "b"));
  EXPECT_EQ(options.filter.key, "k.1");
  EXPECT_EQ(options.filter.type, "T");
  EXPECT_TRUE(options.until_end);
  EXPECT_FALSE(options.from_beginning);
  EXPECT_EQ(options.count, 3);
  EXPECT_TRUE(options.headers);
}

TEST(CommandLine, AFilterThatWasNotGivenIsAbsent) {
  const auto options = OptionsOf<TailOptions>(Parse({"tail"}));
  EXPECT_EQ(options.filter.key, std::nullopt);
  EXPECT_EQ(options.filter.type, std::nullopt);
}

TEST(CommandLine, AnEmptyKeyIsAFilter) {
  EXPECT_EQ(OptionsOf<TailOptions>(Parse({"tail", "--key", ""})).filter.key, "");
}

TEST(CommandLine, SetsSettingsApartWhereverTheyStand) {
  const CommandLine line =
      Parse({"--kafka.brokers=h:1", "demo", "--config", "file", "--orders", "2", "--cli.gateway", "g:2", "--json"});
  EXPECT_THAT(line.settings, ElementsAre("--kafka.brokers=h:1", "--config", "file", "--cli.gateway", "g:2"));
  const auto options = OptionsOf<DemoOptions>(line);
  EXPECT_EQ(options.orders, 2);
  EXPECT_TRUE(options.json);
}

TEST(CommandLine, AKeyWithADotIsNoSetting) {
  const CommandLine line = Parse({"tail", "--key=a.b", "order.events.v1"});
  EXPECT_THAT(line.settings, IsEmpty());
  EXPECT_EQ(OptionsOf<TailOptions>(line).filter.key, "a.b");
}

TEST(CommandLine, LeavesTheGeneralWordsToTheSettings) {
  for (const char* word : {"--version", "--check-config", "--print-config"}) {
    const CommandLine line = Parse({word});
    EXPECT_EQ(line.output, "");
    EXPECT_FALSE(line.verb.has_value());
    EXPECT_THAT(line.settings, ElementsAre(word));
  }
}

TEST(CommandLine, HelpListsTheVerbsAndTheExitCodes) {
  const CommandLine line = Parse({"--help"});
  EXPECT_EQ(line.exit_code, 0);
  for (const char* word : {"demo", "status", "tail", "topics", "Exit codes"}) {
    EXPECT_THAT(line.output, HasSubstr(word));
  }
}

TEST(CommandLine, HelpOfAVerbListsItsOptions) {
  const CommandLine line = Parse({"tail", "--help"});
  EXPECT_EQ(line.exit_code, 0);
  EXPECT_THAT(line.output, HasSubstr("--until-end"));
}

TEST(CommandLine, ExplainsAMistakeInOneLine) {
  const auto mistake = [](std::vector<const char*> arguments) {
    const CommandLine line = Parse(std::move(arguments));
    EXPECT_EQ(line.exit_code, 2);
    EXPECT_FALSE(line.verb.has_value());
    EXPECT_EQ(line.output.find('\n'), line.output.size() - 1) << line.output;
    return line.output;
  };
  EXPECT_THAT(mistake({"tial"}), HasSubstr("did you mean tail?"));
  EXPECT_THAT(mistake({"frobnicate"}), HasSubstr("verbs are demo, status, tail, topics"));
  EXPECT_THAT(mistake({}), HasSubstr("--help"));
  EXPECT_THAT(mistake({"demo", "--orders", "0"}), HasSubstr("--orders"));
  EXPECT_THAT(mistake({"demo", "--ordres", "1"}), HasSubstr("--ordres"));
  EXPECT_THAT(mistake({"tail", "--count", "x"}), HasSubstr("--count"));
}

}  // namespace
}  // namespace tradewind::cli
