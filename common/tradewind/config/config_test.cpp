#include "tradewind/config/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <utility>

namespace tradewind::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::Pair;

// Every type that a setting may have.
struct Settings {
  std::string brokers = "127.0.0.1:9092";
  int32_t partitions = 12;
  absl::Duration timeout = absl::Seconds(5);
  bool compress = false;
  std::string level = "info";
  double ratio = 0.5;
  ByteSize buffer{64 << 20};
  int64_t limit = 1;
  Secret password;
  std::vector<std::string> topics;
  std::map<std::string, std::string> routes;
};

void Describe(Schema& schema, Settings& settings) {
  auto kafka = schema.Section("kafka", "How to reach Kafka.");
  kafka.Field("brokers", &settings.brokers, "comma-separated host:port").NotEmpty();
  kafka.Field("partitions", &settings.partitions, "partitions of new topics").Min(1).Max(1000);
  kafka.Field("request_timeout", &settings.timeout, "longest request").Min(absl::Milliseconds(1));
  kafka.Field("compress", &settings.compress, "compress what is sent");
  auto log = schema.Section("log", "Log lines.");
  log.Field("level", &settings.level, "least level").OneOf({"debug", "info"});
  auto store = schema.Section("store.cache", "The cache of the store.");
  store.Field("ratio", &settings.ratio, "share of memory").Min(0).Max(1);
  store.Field("buffer", &settings.buffer, "most memory").Max(ByteSize{int64_t{1} << 30});
  store.Field("limit", &settings.limit, "most entries");
  store.Field("password", &settings.password, "of the store");
  store.Field("topics", &settings.topics, "what to cache").OneOf({"orders", "users"});
  store.Field("routes", &settings.routes, "where to fetch");
}

// Sets variables for one test. gtest runs tests one after another, so nothing reads the environment meanwhile.
class ConfigTest : public testing::Test {
 protected:
  ConfigTest() { Describe(schema_, settings_); }
  ~ConfigTest() override {
    for (const std::string& name : variables_) unsetenv(name.c_str());  // NOLINT(concurrency-mt-unsafe)
    std::filesystem::remove(file_);
  }

  void SetVariable(const std::string& name, const std::string& value) {
    ASSERT_EQ(setenv(name.c_str(), value.c_str(), 1), 0);  // NOLINT(concurrency-mt-unsafe)
    variables_.push_back(name);
  }

  std::string WriteFile(const std::string& content) {
    std::ofstream(file_) << content;
    return file_;
  }

  absl::StatusOr<Command> LoadWith(const std::vector<std::string>& arguments) {
    std::vector<const char*> argv = {"tradewind-test"};
    for (const std::string& argument : arguments) argv.push_back(argument.c_str());
    return Load(schema_, {"tradewind-test", "tries the configuration"}, static_cast<int>(argv.size()), argv.data());
  }

  std::string LoadYaml(const std::string& yaml) { return Refusal({"--config", WriteFile(yaml)}); }

  // The message without the test's own folder.
  std::string Refusal(const std::vector<std::string>& arguments) {
    absl::StatusOr<Command> command = LoadWith(arguments);
    if (command.ok()) return "";
    EXPECT_EQ(command.status().code(), absl::StatusCode::kInvalidArgument);
    std::string message(command.status().message());
    EXPECT_THAT(message, Not(HasSubstr("\n")));
    for (std::size_t at; (at = message.find(file_)) != std::string::npos;) message.replace(at, file_.size(), "file");
    return message;
  }

  Settings settings_;
  Schema schema_;
  std::string file_ = testing::TempDir() + testing::UnitTest::GetInstance()->current_test_info()->name() + ".yaml";
  std::vector<std::string> variables_;
};

TEST_F(ConfigTest, KeepsDefaultsWhereNothingIsSaid) {
  absl::StatusOr<Command> command = LoadWith({});
  ASSERT_TRUE(command.ok()) << command.status();
  EXPECT_EQ(command->verb, Verb::kRun);
  EXPECT_THAT(command->output, IsEmpty());
  EXPECT_EQ(settings_.brokers, "127.0.0.1:9092");
  EXPECT_EQ(settings_.partitions, 12);
}

TEST_F(ConfigTest, FlagBeatsEnvironmentBeatsFile) {
  std::string file = WriteFile("kafka: {brokers: from-file, partitions: 3, request_timeout: 3s}\n");
  SetVariable("TRADEWIND_KAFKA_PARTITIONS", "4");
  SetVariable("TRADEWIND_KAFKA_REQUEST_TIMEOUT", "4s");
  ASSERT_EQ(Refusal({"--config", file, "--kafka.request_timeout=5s"}), "");
  EXPECT_EQ(settings_.brokers, "from-file");
  EXPECT_EQ(settings_.partitions, 4);
  EXPECT_EQ(settings_.timeout, absl::Seconds(5));
}

TEST_F(ConfigTest, ReadsEveryTypeFromYaml) {
  ASSERT_EQ(LoadYaml("kafka: {compress: true, request_timeout: 250ms, partitions: 7}\n"
                     "log:\n"
                     "store:\n"
                     "  cache:\n"
                     "    ratio: 0.25\n"
                     "    buffer: 10kB\n"
                     "    limit: 5000000000\n"
                     "    password: hunter2\n"
                     "    topics: [orders, users]\n"
                     "    routes: {a: b, c: 'd,e'}\n"),
            "");
  EXPECT_TRUE(settings_.compress);
  EXPECT_EQ(settings_.timeout, absl::Milliseconds(250));
  EXPECT_EQ(settings_.partitions, 7);
  EXPECT_EQ(settings_.ratio, 0.25);
  EXPECT_EQ(settings_.buffer.bytes, 10'000);
  EXPECT_EQ(settings_.limit, 5'000'000'000);
  EXPECT_EQ(settings_.password.value(), "hunter2");
  EXPECT_THAT(settings_.topics, ElementsAre("orders", "users"));
  EXPECT_THAT(settings_.routes, ElementsAre(Pair("a", "b"), Pair("c", "d,e")));
}

TEST_F(ConfigTest, ReadsEveryTypeFromFlags) {
  ASSERT_EQ(Refusal({"--kafka.compress", "--kafka.request_timeout", "250ms", "--store.cache.ratio=1",
                     "--store.cache.buffer=1GiB", "--store.cache.limit=-4", "--store.cache.password=hunter2",
                     "--store.cache.topics=orders,users", "--store.cache.routes=a=b,c=d"}),
            "");
  EXPECT_TRUE(settings_.compress);
  EXPECT_EQ(settings_.timeout, absl::Milliseconds(250));
  EXPECT_EQ(settings_.ratio, 1);
  EXPECT_EQ(settings_.buffer.bytes, int64_t{1} << 30);
  EXPECT_EQ(settings_.limit, -4);
  EXPECT_EQ(settings_.password.value(), "hunter2");
  EXPECT_THAT(settings_.topics, ElementsAre("orders", "users"));
  EXPECT_THAT(settings_.routes, ElementsAre(Pair("a", "b"), Pair("c", "d")));
}

TEST_F(ConfigTest, SwitchesOffByFlagAndByVariable) {
  std::string file = WriteFile("kafka: {compress: true}\n");
  ASSERT_EQ(Refusal({"--config", file, "--kafka.compress=false"}), "");
  EXPECT_FALSE(settings_.compress);
  SetVariable("TRADEWIND_KAFKA_COMPRESS", "no");
  ASSERT_EQ(Refusal({"--config", file}), "");
  EXPECT_FALSE(settings_.compress);
}

TEST_F(ConfigTest, TakesTheLastOfARepeatedFlag) {
  ASSERT_EQ(Refusal({"--kafka.partitions=2", "--kafka.partitions=3"}), "");
  EXPECT_EQ(settings_.partitions, 3);
}

TEST_F(ConfigTest, AnEmptyFlagValueDoesNotEatTheNextArgument) {
  std::string file = WriteFile("store: {cache: {topics: [orders], password: hunter2}}\n");
  ASSERT_EQ(Refusal({"--config", file, "--store.cache.topics=", "--store.cache.password=", "--kafka.partitions=3"}),
            "");
  EXPECT_THAT(settings_.topics, IsEmpty());
  EXPECT_EQ(settings_.password.value(), "");
  EXPECT_EQ(settings_.partitions, 3);
}

TEST_F(ConfigTest, FindsTheFileByItsVariableUnlessAFlagNamesOne) {
  SetVariable("TRADEWIND_CONFIG", WriteFile("kafka: {partitions: 3}\n"));
  ASSERT_EQ(Refusal({}), "");
  EXPECT_EQ(settings_.partitions, 3);
  EXPECT_EQ(Refusal({"--config=/nonexistent/tradewind.yaml"}),
            "cannot read the configuration file '/nonexistent/tradewind.yaml': No such file or directory");
}

TEST_F(ConfigTest, RefusesAFolderAsFile) {
  EXPECT_EQ(Refusal({"--config", "/"}), "cannot read the configuration file '/': Is a directory");
}

TEST_F(ConfigTest, TakesAnEmptyFile) { EXPECT_EQ(LoadYaml(""), ""); }

TEST_F(ConfigTest, RefusesUnknownYamlKeysWithLineAndNearestName) {
  EXPECT_EQ(LoadYaml("kafka:\n  partitions: 3\n  broker: a:1\n"),
            "unknown setting 'kafka.broker' in file line 3; did you mean 'kafka.brokers'?");
  EXPECT_EQ(LoadYaml("kafak: {partitions: 3}\n"), "unknown setting 'kafak' in file line 1; did you mean 'kafka'?");
  EXPECT_EQ(LoadYaml("\nbrokers: a:1\n"), "unknown setting 'brokers' in file line 2; did you mean 'kafka.brokers'?");
  EXPECT_EQ(LoadYaml("weather: {tomorrow: dry}\n"), "unknown setting 'weather' in file line 1; --help lists all");
}

TEST_F(ConfigTest, RefusesMalformedYaml) {
  EXPECT_THAT(LoadYaml("kafka:\n  brokers: [a\n"), HasSubstr("is not valid YAML: "));
  EXPECT_EQ(LoadYaml("- kafka\n"), "file is not a YAML map of settings");
  EXPECT_EQ(LoadYaml("kafka: yes\n"), "setting 'kafka' in file line 1 is a section: its settings go under it");
  EXPECT_EQ(LoadYaml("kafka: {partitions: 1}\nkafka: {partitions: 2}\n"),
            "setting 'kafka' in file line 2 is there for the second time");
  EXPECT_EQ(LoadYaml("kafka:\n  brokers:\n"),
            "setting 'kafka.brokers' in file line 2 has no value; write \"\" for an empty text");
}

TEST_F(ConfigTest, RefusesUnknownFlagsWithTheNearestName) {
  EXPECT_EQ(Refusal({"--kafka.broker=a:1"}), "unknown flag '--kafka.broker'; did you mean '--kafka.brokers'?");
  EXPECT_EQ(Refusal({"--kafka.broker", "a:1"}), "unknown flag '--kafka.broker'; did you mean '--kafka.brokers'?");
  EXPECT_EQ(Refusal({"--halp"}), "unknown flag '--halp'; did you mean '--help'?");
  EXPECT_EQ(Refusal({"-x"}), "unknown flag '-x'; --help lists all");
  EXPECT_EQ(Refusal({"helth"}), "unexpected argument 'helth'; did you mean 'health'?");
  EXPECT_THAT(Refusal({"health", "now"}), HasSubstr("unexpected argument 'now'"));
  EXPECT_THAT(Refusal({"--kafka.brokers"}), HasSubstr("--kafka.brokers"));
}

TEST_F(ConfigTest, RefusesAMisspeltVariableAndLetsOthersPass) {
  SetVariable("TRADEWIND_GATEWAY_UPSTREAM", "another executable's");
  SetVariable("TRADEWIND_TEST_KAFKA_BROKERS", "a test's");
  ASSERT_EQ(Refusal({}), "");
  SetVariable("TRADEWIND_KAFKA_BROKER", "a:1");
  EXPECT_EQ(Refusal({}), "unknown environment variable TRADEWIND_KAFKA_BROKER; did you mean TRADEWIND_KAFKA_BROKERS?");
}

TEST_F(ConfigTest, RefusesValuesOutOfRangeWithTheirSource) {
  EXPECT_EQ(LoadYaml("kafka:\n  partitions: 0\n"),
            "setting 'kafka.partitions' in file line 2 is 0; allowed: 1 to 1000");
  EXPECT_EQ(Refusal({"--kafka.request_timeout=0s"}),
            "setting 'kafka.request_timeout' from --kafka.request_timeout is 0; allowed: at least 1ms");
  EXPECT_EQ(Refusal({"--store.cache.buffer=2GiB"}),
            "setting 'store.cache.buffer' from --store.cache.buffer is 2GiB; allowed: at most 1GiB");
  EXPECT_EQ(Refusal({"--store.cache.ratio=1.5"}),
            "setting 'store.cache.ratio' from --store.cache.ratio is 1.5; allowed: 0 to 1");
  EXPECT_EQ(Refusal({"--log.level=loud"}), "setting 'log.level' from --log.level is 'loud'; allowed: debug, info");
  EXPECT_EQ(Refusal({"--store.cache.topics=orders,cats"}),
            "setting 'store.cache.topics' from --store.cache.topics is 'orders,cats'; allowed: orders, users");
  EXPECT_EQ(Refusal({"--kafka.brokers="}), "setting 'kafka.brokers' from --kafka.brokers is empty; it needs a value");
  SetVariable("TRADEWIND_KAFKA_PARTITIONS", "1001");
  EXPECT_EQ(Refusal({}), "setting 'kafka.partitions' from TRADEWIND_KAFKA_PARTITIONS is 1001; allowed: 1 to 1000");
}

TEST_F(ConfigTest, RefusesAWrongValueEvenWhereAnotherSourceOverridesIt) {
  SetVariable("TRADEWIND_KAFKA_PARTITIONS", "many");
  EXPECT_EQ(Refusal({"--kafka.partitions=3"}),
            "setting 'kafka.partitions' from TRADEWIND_KAFKA_PARTITIONS is 'many', not a whole number");
}

TEST_F(ConfigTest, ARefusedValueLeavesTheTargetAlone) {
  EXPECT_NE(Refusal({"--kafka.partitions=0"}), "");
  EXPECT_EQ(settings_.partitions, 12);
}

TEST_F(ConfigTest, ADefaultThatFailsItsCheckMustBeGiven) {
  std::string data;
  schema_.Section("store", "The store.").Field("path", &data, "its folder").NotEmpty();
  EXPECT_EQ(Refusal({}),
            "setting 'store.path' is empty; it needs a value; set it in the YAML file, by TRADEWIND_STORE_PATH or by "
            "--store.path");
  EXPECT_EQ(Refusal({"--store.path=var"}), "");
  EXPECT_EQ(data, "var");
}

TEST_F(ConfigTest, RefusesSettingsThatDoNotGoTogether) {
  schema_.Check([this] {
    return settings_.compress && settings_.level == "debug"
               ? absl::InvalidArgumentError("kafka.compress leaves nothing for log.level debug to show")
               : absl::OkStatus();
  });
  EXPECT_EQ(Refusal({"--kafka.compress", "--check-config"}), "");
  EXPECT_EQ(Refusal({"--log.level=debug", "--check-config"}),
            "kafka.compress leaves nothing for log.level debug to show");
  settings_.compress = false;
  EXPECT_EQ(Refusal({"--help"}), "");
}

TEST_F(ConfigTest, HelpListsEverySettingWithItsPlaces) {
  absl::StatusOr<Command> command = LoadWith({"--help", "--kafka.partitions=3"});
  ASSERT_TRUE(command.ok()) << command.status();
  EXPECT_EQ(command->verb, Verb::kHelp);
  EXPECT_THAT(command->output, HasSubstr("tradewind-test: tries the configuration"));
  EXPECT_THAT(command->output, HasSubstr("--config FILE"));
  EXPECT_THAT(command->output,
              HasSubstr("\nkafka: How to reach Kafka.\n"
                        "  --kafka.brokers=TEXT\n"
                        "      comma-separated host:port\n"
                        "      default: 127.0.0.1:9092; YAML: brokers under kafka; environment: "
                        "TRADEWIND_KAFKA_BROKERS\n"
                        "  --kafka.partitions=NUMBER\n"
                        "      partitions of new topics (1 to 1000)\n"
                        "      default: 12; YAML: partitions under kafka; environment: TRADEWIND_KAFKA_PARTITIONS\n"));
  EXPECT_THAT(command->output, HasSubstr("YAML: password under store.cache"));
}

TEST_F(ConfigTest, HelpComesBeforeAnyCheckOfTheSettings) {
  SetVariable("TRADEWIND_KAFKA_PARTITIONS", "many");
  EXPECT_EQ(Refusal({"-h"}), "");
  EXPECT_NE(Refusal({"--check-config"}), "");
}

TEST_F(ConfigTest, TellsTheVerb) {
  constexpr std::pair<const char*, Verb> kVerbs[] = {
      {"--version", Verb::kVersion}, {"--check-config", Verb::kCheckConfig}, {"health", Verb::kHealth}};
  for (const auto& [argument, verb] : kVerbs) {
    for (bool first : {true, false}) {
      std::vector<std::string> arguments = {"--kafka.partitions=3"};
      arguments.insert(first ? arguments.begin() : arguments.end(), argument);
      absl::StatusOr<Command> command = LoadWith(arguments);
      ASSERT_TRUE(command.ok()) << command.status();
      EXPECT_EQ(command->verb, verb) << argument;
    }
  }
  EXPECT_THAT(LoadWith({"--version"})->output, testing::MatchesRegex("tradewind-test [0-9]+\\.[0-9]+\\.[0-9]+\n"));
}

TEST_F(ConfigTest, PrintsSettingsThatReadBackTheSame) {
  absl::StatusOr<Command> command = LoadWith({"--print-config", "--kafka.brokers=a: \"b\"#c", "--kafka.partitions=3",
                                              "--kafka.compress", "--store.cache.topics=orders,users",
                                              "--store.cache.routes=a=b,true=~", "--store.cache.buffer=1536KiB"});
  ASSERT_TRUE(command.ok()) << command.status();
  EXPECT_EQ(command->verb, Verb::kPrintConfig);
  settings_ = Settings();
  ASSERT_EQ(LoadYaml(command->output), "") << command->output;
  EXPECT_EQ(settings_.brokers, "a: \"b\"#c");
  EXPECT_EQ(settings_.partitions, 3);
  EXPECT_TRUE(settings_.compress);
  EXPECT_EQ(settings_.timeout, absl::Seconds(5));
  EXPECT_EQ(settings_.buffer.bytes, 1536 * 1024);
  EXPECT_THAT(settings_.topics, ElementsAre("orders", "users"));
  EXPECT_THAT(settings_.routes, ElementsAre(Pair("a", "b"), Pair("true", "~")));
}

TEST_F(ConfigTest, NeverShowsASecret) {
  absl::StatusOr<Command> command = LoadWith({"--print-config", "--store.cache.password=hunter2"});
  ASSERT_TRUE(command.ok()) << command.status();
  EXPECT_THAT(command->output, HasSubstr("******"));
  EXPECT_THAT(command->output, Not(HasSubstr("hunter2")));

  // Now the target holds it, so that --help meets it as the default.
  EXPECT_THAT(LoadWith({"--help"})->output, Not(HasSubstr("hunter2")));
  EXPECT_THAT(LoadYaml("store: {cache: {password: [hunter2]}}\n"), Not(HasSubstr("hunter2")));
}

TEST_F(ConfigTest, RefusesASchemaThatNamesOneThingTwice) {
  int32_t again = 0;
  schema_.Section("kafka", "").Field("partitions", &again, "again");
  EXPECT_EQ(LoadWith({}).status().code(), absl::StatusCode::kInternal);
}

TEST(SchemaTest, RefusesFieldsThatShareAVariable) {
  int32_t one = 0;
  int32_t other = 0;
  Schema schema;
  schema.Section("a", "").Field("b_c", &one, "one");
  schema.Section("a.b", "").Field("c", &other, "other");
  const char* argv[] = {"tradewind-test"};
  absl::Status status = Load(schema, {"tradewind-test", ""}, 1, argv).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(status.message()), HasSubstr("TRADEWIND_A_B_C"));
}

TEST(SchemaTest, RefusesBadNames) {
  for (const char* name : {"", "Upper", "with-dash", "with space", "1st", ".dot", "dot.", "two..dots"}) {
    int32_t value = 0;
    Schema schema;
    schema.Section("section", "").Field(name, &value, "");
    const char* argv[] = {"tradewind-test"};
    EXPECT_EQ(Load(schema, {"tradewind-test", ""}, 1, argv).status().code(), absl::StatusCode::kInternal) << name;
  }
}

TEST(SchemaTest, TakesSettingsOutsideAnySection) {
  int32_t workers = 1;
  Schema schema;
  schema.Section("", "General.").Field("workers", &workers, "threads");
  const char* argv[] = {"tradewind-test", "--workers=4", "--print-config"};
  absl::StatusOr<Command> command = Load(schema, {"tradewind-test", ""}, 3, argv);
  ASSERT_TRUE(command.ok()) << command.status();
  EXPECT_EQ(workers, 4);
  EXPECT_EQ(command->output, "workers: 4\n");
}

// ---- addresses
// -------------------------------------------------------------------------------------------------------

struct Addresses {
  std::string grpc = "127.0.0.1:50051";
  std::string metrics = "127.0.0.1:9464";
  std::string gateway = "127.0.0.1:50051";
  std::string brokers = "127.0.0.1:9092";
  std::map<std::string, std::string> services;
};

// What --check-config says of these arguments; empty where nothing is wrong.
std::string CheckAddresses(const std::vector<std::string>& arguments) {
  Addresses addresses;
  Schema schema;
  schema.Section("grpc", "").Field("address", &addresses.grpc, "").ListensOn();
  schema.Section("metrics", "").Field("address", &addresses.metrics, "").ListensOn(net::Use::kListenOnIpv4);
  auto cli = schema.Section("cli", "");
  cli.Field("gateway", &addresses.gateway, "").NotEmpty().Reaches();
  cli.Field("services", &addresses.services, "").Reaches();
  schema.Section("kafka", "").Field("brokers", &addresses.brokers, "").NotEmpty().ReachesBrokers();
  std::vector<const char*> argv = {"tradewind-test", "--check-config"};
  for (const std::string& argument : arguments) argv.push_back(argument.c_str());
  const auto command = Load(schema, {"tradewind-test", ""}, static_cast<int>(argv.size()), argv.data());
  return std::string(command.status().message());
}

TEST(AddressTest, NamesTheSettingTheValueAndTheFix) {
  EXPECT_EQ(CheckAddresses({"--grpc.address=50051"}),
            "setting 'grpc.address' from --grpc.address is '50051', which has no port; write host:port, such as "
            "127.0.0.1:50051");
  EXPECT_THAT(CheckAddresses({"--grpc.address=order:99999"}), HasSubstr("whose port is not from 0 to 65535"));
  EXPECT_THAT(CheckAddresses({"--metrics.address=[::1]:9464"}), HasSubstr("IPv4 alone"));
  EXPECT_THAT(CheckAddresses({"--cli.gateway=order:0"}), HasSubstr("'cli.gateway' from --cli.gateway is 'order:0'"));
  EXPECT_THAT(
      CheckAddresses({"--cli.services=order=order:1,user=user"}),
      HasSubstr("setting 'cli.services' from --cli.services gives for 'user' what is 'user', which has no port"));
}

TEST(AddressTest, TakesWhatServersAndClientsTake) {
  EXPECT_EQ(CheckAddresses({"--grpc.address=", "--metrics.address=localhost:0", "--cli.gateway=dns:///order"}), "");
  EXPECT_EQ(CheckAddresses({"--grpc.address=[::]:50051", "--cli.services=order=order_1:50053,user=[::1]:1"}), "");
}

TEST(AddressTest, TakesBrokersAsKafkaClientsWriteThem) {
  for (const char* brokers : {"kafka", "a:9092,b:9093", "SSL://kafka:9093", "a, b:1", "[::1]:9092", "[::1]"}) {
    EXPECT_EQ(CheckAddresses({std::string("--kafka.brokers=") + brokers}), "") << brokers;
  }
  for (const char* brokers : {"kafka:", "kafka:x", "a:9092,b:70000", "a:0", "a,,b", "a b:1"}) {
    EXPECT_THAT(CheckAddresses({std::string("--kafka.brokers=") + brokers}),
                HasSubstr("setting 'kafka.brokers' from --kafka.brokers names a broker that is '"))
        << brokers;
  }
}

TEST(AddressTest, RefusesTwoListenersOnOnePort) {
  EXPECT_EQ(
      CheckAddresses({"--metrics.address=127.0.0.1:50051"}),
      "setting 'metrics.address' is '127.0.0.1:50051', and setting 'grpc.address' is '127.0.0.1:50051': one process "
      "cannot listen there twice; give one of them another port");
  EXPECT_THAT(CheckAddresses({"--grpc.address=0.0.0.0:9464"}), HasSubstr("cannot listen there twice"));
  EXPECT_EQ(CheckAddresses({"--grpc.address=127.0.0.1:0", "--metrics.address=127.0.0.1:0"}), "");
  EXPECT_EQ(CheckAddresses({"--grpc.address=", "--metrics.address=127.0.0.1:50051"}), "");
}

}  // namespace
}  // namespace tradewind::config
