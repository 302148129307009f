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
  EXPECT_THAT(options.reading.topics, ElementsAre("a", "b"));
  EXPECT_EQ(options.filter.key, "k.1");
  EXPECT_EQ(options.filter.type, "T");
  EXPECT_TRUE(options.reading.until_end);
  EXPECT_FALSE(options.reading.from_beginning);
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

TEST(CommandLine, ReadsWhoseTimelineIsWanted) {
  const auto options = OptionsOf<HistoryOptions>(Parse({"timeline", "o-1", "--json"}));
  EXPECT_EQ(options.key, "o-1");
  EXPECT_TRUE(options.json);
}

TEST(CommandLine, RefusesTheTimelineOfNothing) {
  const CommandLine line = Parse({"timeline", ""});
  EXPECT_EQ(line.exit_code, 2);
  EXPECT_THAT(line.output, HasSubstr("is empty: give the id of an order or of a user"));
}

TEST(CommandLine, LeavesTheGeneralWordsToTheSettings) {
  for (const char* word : {"--version", "--check-config", "--print-config"}) {
    const CommandLine line = Parse({word});
    EXPECT_EQ(line.output, "");
    EXPECT_FALSE(line.verb.has_value());
    EXPECT_THAT(line.settings, ElementsAre(word));
  }
}

TEST(CommandLine, ReadsWhatIsToBeMade) {
  const auto subscriber =
      OptionsOf<NewOptions>(Parse({"new", "subscriber", "points", "--on", "order.v1.OrderConfirmed"}));
  EXPECT_EQ(subscriber.kind, NewOptions::Kind::kSubscriber);
  EXPECT_EQ(subscriber.name, "points");
  EXPECT_EQ(subscriber.on, "order.v1.OrderConfirmed");
  EXPECT_EQ(subscriber.into, ".");
  const auto service = OptionsOf<NewOptions>(Parse({"new", "service", "gifts", "--into=services"}));
  EXPECT_EQ(service.kind, NewOptions::Kind::kService);
  EXPECT_EQ(service.into, "services");
}

TEST(CommandLine, ASubscriberNeedsAnEventType) {
  EXPECT_EQ(Parse({"new", "subscriber", "points"}).exit_code, 2);
  EXPECT_EQ(Parse({"new", "service"}).exit_code, 2);
}

TEST(CommandLine, HelpListsTheVerbsAndTheExitCodes) {
  const CommandLine line = Parse({"--help"});
  EXPECT_EQ(line.exit_code, 0);
  for (const char* word :
       {"demo", "new", "parked", "partition", "status", "tail", "timeline", "topics", "Exit codes"}) {
    EXPECT_THAT(line.output, HasSubstr(word));
  }
}

TEST(CommandLine, HelpOfAVerbListsItsOptions) {
  const CommandLine line = Parse({"tail", "--help"});
  EXPECT_EQ(line.exit_code, 0);
  EXPECT_THAT(line.output, HasSubstr("--until-end"));
}

// What is said of a line that is wrong.
std::string Mistake(std::vector<const char*> arguments) {
  const CommandLine line = Parse(std::move(arguments));
  EXPECT_EQ(line.exit_code, 2);
  EXPECT_FALSE(line.verb.has_value());
  EXPECT_EQ(line.output.find('\n'), line.output.size() - 1) << line.output;
  return line.output;
}

TEST(CommandLine, ExplainsAMistakeInOneLine) {
  EXPECT_THAT(Mistake({"tial"}), HasSubstr("did you mean tail?"));
  EXPECT_THAT(Mistake({"frobnicate"}),
              HasSubstr("verbs are demo, keys, new, parked, partition, status, tail, timeline, topics"));
  EXPECT_THAT(Mistake({}), HasSubstr("--help"));
  EXPECT_THAT(Mistake({"demo", "--orders", "0"}), HasSubstr("--orders"));
  EXPECT_THAT(Mistake({"demo", "--ordres", "1"}), HasSubstr("--ordres"));
  EXPECT_THAT(Mistake({"tail", "--count", "x"}), HasSubstr("--count"));
  EXPECT_THAT(Mistake({"tail", "--count", "x"}), HasSubstr("see tradewind tail --help"));
}

TEST(ParkedCommandLine, ReadsTheOptionsOfList) {
  const auto bare = OptionsOf<ParkedListOptions>(Parse({"parked", "list"}));
  EXPECT_EQ(bare.service, std::nullopt);
  EXPECT_TRUE(bare.query.empty());
  EXPECT_EQ(bare.limit, 100);
  EXPECT_FALSE(bare.json);
  const auto options =
      OptionsOf<ParkedListOptions>(Parse({"parked", "list", "order", "--key", "a\\xff.b", "--type=T", "--state", "held",
                                          "--limit", "3", "--timeout=2", "--json"}));
  EXPECT_EQ(options.service, "order");
  EXPECT_EQ(options.query.key, "a\xff.b");
  EXPECT_EQ(options.query.type, "T");
  EXPECT_EQ(options.query.state, "held");
  EXPECT_EQ(options.limit, 3);
  EXPECT_EQ(options.timeout, absl::Seconds(2));
  EXPECT_TRUE(options.json);
}

TEST(ParkedCommandLine, ReadsTheOptionsOfShow) {
  const auto options = OptionsOf<ParkedShowOptions>(Parse({"parked", "show", "order", "12", "--json"}));
  EXPECT_EQ(options.service, "order");
  EXPECT_EQ(options.id, 12);
  EXPECT_TRUE(options.json);
}

TEST(ParkedCommandLine, ReadsTheOptionsOfRetryAndSkip) {
  const auto retry = OptionsOf<ParkedRequestOptions>(Parse({"parked", "retry", "order", "--id", "12"}));
  EXPECT_EQ(retry.verb, ParkedVerb::kRetry);
  EXPECT_EQ(retry.service, "order");
  EXPECT_EQ(retry.query.id, 12);
  EXPECT_EQ(retry.wait, absl::Seconds(5));
  const auto skip =
      OptionsOf<ParkedRequestOptions>(Parse({"parked", "skip", "--key", "k", "--state=dead", "--wait", "0"}));
  EXPECT_EQ(skip.verb, ParkedVerb::kSkip);
  EXPECT_EQ(skip.service, std::nullopt);
  EXPECT_EQ(skip.query.key, "k");
  EXPECT_EQ(skip.query.state, "dead");
  EXPECT_EQ(skip.wait, absl::ZeroDuration());
  EXPECT_TRUE(OptionsOf<ParkedRequestOptions>(Parse({"parked", "skip", "user", "--all"})).query.empty());
}

TEST(ParkedCommandLine, ChoosesNothingByOversight) {
  EXPECT_THAT(Mistake({"parked", "skip"}),
              HasSubstr("say which: --id N (with SERVICE), --key K, --type T, --state S, or --all"));
  EXPECT_THAT(Mistake({"parked", "retry", "order"}), HasSubstr("say which"));
  EXPECT_THAT(Mistake({"parked", "skip", "--key", ""}), HasSubstr("--key: is empty"));
  EXPECT_THAT(Mistake({"parked", "list", "--key", "a\\xZZ"}), HasSubstr("has '\\xZZ': \\x stands for a byte"));
  EXPECT_THAT(Mistake({"parked", "skip", "--type="}), HasSubstr("--type"));
  EXPECT_THAT(Mistake({"parked", "skip", "--key=k", "--all"}), HasSubstr("goes with no other filter"));
  EXPECT_THAT(Mistake({"parked", "skip", "--id", "3"}), HasSubstr("needs the SERVICE"));
  EXPECT_THAT(Mistake({"parked", "skip", "order", "--id", "0"}), HasSubstr("--id"));
}

TEST(ParkedCommandLine, ExplainsAMistakeInOneLine) {
  EXPECT_THAT(Mistake({"parked", "lst"}), HasSubstr("there is no verb 'parked lst'; did you mean list?"));
  EXPECT_THAT(Mistake({"parked", "frobnicate"}), HasSubstr("verbs are list, show, retry, skip"));
  EXPECT_THAT(Mistake({"parked"}), HasSubstr("say what to do: parked list, show, retry, skip"));
  EXPECT_THAT(Mistake({"parked", "show", "order"}), HasSubstr("see tradewind parked show --help"));
  EXPECT_THAT(Mistake({"parked", "list", "--state", "ded"}), HasSubstr("dead,parked,held"));
}

TEST(ParkedCommandLine, HelpOfASubverbListsItsOptions) {
  const CommandLine line = Parse({"parked", "skip", "--help"});
  EXPECT_EQ(line.exit_code, 0);
  EXPECT_THAT(line.output, HasSubstr("--wait"));
  EXPECT_THAT(Parse({"parked", "--help"}).output, HasSubstr("retry"));
}

}  // namespace
}  // namespace tradewind::cli
