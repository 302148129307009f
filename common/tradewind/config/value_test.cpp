#include "tradewind/config/value.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "yaml-cpp/yaml.h"

namespace tradewind::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

template <typename T>
T Parsed(std::string_view text) {
  T value{};
  absl::Status status = ParseValue(text, &value);
  EXPECT_TRUE(status.ok()) << text << ": " << status;
  return value;
}

template <typename T>
std::string Refusal(std::string_view text) {
  T value{};
  absl::Status status = ParseValue(text, &value);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << text;
  return std::string(status.message());
}

TEST(ValueTest, ReadsTruth) {
  for (const char* text : {"true", "True", "yes", "1"}) EXPECT_TRUE(Parsed<bool>(text)) << text;
  for (const char* text : {"false", "FALSE", "no", "0"}) EXPECT_FALSE(Parsed<bool>(text)) << text;
  EXPECT_EQ(Refusal<bool>("maybe"), "is 'maybe', not true or false");
}

TEST(ValueTest, ReadsWholeNumbersAndNoMore) {
  EXPECT_EQ(Parsed<int32_t>("-12"), -12);
  EXPECT_EQ(Parsed<int64_t>("9223372036854775807"), std::numeric_limits<int64_t>::max());
  EXPECT_EQ(Refusal<int32_t>("2147483648"), "is 2147483648; allowed: -2147483648 to 2147483647");
  for (const char* text : {"", "12x", "1.5", " 1", "0x10", "five"}) {
    EXPECT_THAT(Refusal<int32_t>(text), HasSubstr("not a whole number")) << text;
  }
}

TEST(ValueTest, ReadsFiniteNumbers) {
  EXPECT_EQ(Parsed<double>("-2.5e3"), -2500);
  for (const char* text : {"", "nan", "inf", "1e999", "half"}) {
    EXPECT_THAT(Refusal<double>(text), HasSubstr("not a number")) << text;
  }
}

TEST(ValueTest, ReadsDurationsWithTheirUnit) {
  EXPECT_EQ(Parsed<absl::Duration>("250ms"), absl::Milliseconds(250));
  EXPECT_EQ(Parsed<absl::Duration>("1h30m"), absl::Minutes(90));
  EXPECT_EQ(Parsed<absl::Duration>("0"), absl::ZeroDuration());
  for (const char* text : {"", "5", "5 seconds", "inf", "-inf", "soon"}) {
    EXPECT_THAT(Refusal<absl::Duration>(text), HasSubstr("not a duration such as 250ms, 5s or 1h30m")) << text;
  }
}

TEST(ValueTest, ReadsSizesInEitherPower) {
  EXPECT_EQ(Parsed<ByteSize>("4096").bytes, 4096);
  EXPECT_EQ(Parsed<ByteSize>("64MiB").bytes, 64 * 1024 * 1024);
  EXPECT_EQ(Parsed<ByteSize>("10kB").bytes, 10'000);
  EXPECT_EQ(Parsed<ByteSize>("2 gib").bytes, int64_t{2} << 30);
  for (const char* text : {"", "MiB", "-1", "5x", "1.5GB", "9000000TiB"}) {
    EXPECT_THAT(Refusal<ByteSize>(text), HasSubstr("not a size such as 64MiB, 10kB or 4096")) << text;
  }
}

TEST(ValueTest, ReadsListsAndMapsFromText) {
  EXPECT_THAT(Parsed<TextList>("a, b,c"), ElementsAre("a", "b", "c"));
  EXPECT_THAT(Parsed<TextList>(""), IsEmpty());
  EXPECT_THAT(Refusal<TextList>("a,,b"), HasSubstr("an element is empty"));
  EXPECT_THAT(Parsed<TextMap>("a=b, c=d=e"), ElementsAre(Pair("a", "b"), Pair("c", "d=e")));
  EXPECT_THAT(Refusal<TextMap>("a"), HasSubstr("not pairs such as a=b,c=d"));
  EXPECT_THAT(Refusal<TextMap>("a=1,a=2"), HasSubstr("'a' has two"));
}

TEST(ValueTest, ReadsListsAndMapsFromYaml) {
  TextList list;
  ASSERT_TRUE(ParseNode(YAML::Load("[a, 'b,c', 7]"), &list).ok());
  EXPECT_THAT(list, ElementsAre("a", "b,c", "7"));
  ASSERT_TRUE(ParseNode(YAML::Load("a, b"), &list).ok());
  EXPECT_THAT(list, ElementsAre("a", "b"));
  EXPECT_FALSE(ParseNode(YAML::Load("[[a]]"), &list).ok());
  EXPECT_FALSE(ParseNode(YAML::Load("{a: b}"), &list).ok());

  TextMap map;
  ASSERT_TRUE(ParseNode(YAML::Load("{a: 'b,c', d: 7}"), &map).ok());
  EXPECT_THAT(map, ElementsAre(Pair("a", "b,c"), Pair("d", "7")));
  EXPECT_FALSE(ParseNode(YAML::Load("[a]"), &map).ok());
  EXPECT_FALSE(ParseNode(YAML::Load("{a: [b]}"), &map).ok());
}

TEST(ValueTest, RefusesACollectionWhereOneValueBelongs) {
  int32_t number = 0;
  EXPECT_EQ(ParseNode(YAML::Load("[1]"), &number).message(), "is a list, not a single value");
  EXPECT_EQ(ParseNode(YAML::Load("{a: 1}"), &number).message(), "is a map, not a single value");
  EXPECT_EQ(ParseNode(YAML::Load("~"), &number).message(), "has no value; write \"\" for an empty text");
}

TEST(ValueTest, WritesWhatItReads) {
  EXPECT_EQ(FormatValue(true), "true");
  EXPECT_EQ(FormatValue(int32_t{-3}), "-3");
  EXPECT_EQ(FormatValue(0.1), "0.1");
  EXPECT_EQ(FormatValue(absl::Milliseconds(1500)), "1.5s");
  EXPECT_EQ(FormatValue(TextMap{{"a", "b"}, {"c", "d"}}), "a=b,c=d");
  for (const char* text : {"0", "1000", "1023", "64MiB", "1536KiB", "3TB", "1kB"}) {
    EXPECT_EQ(Parsed<ByteSize>(FormatValue(Parsed<ByteSize>(text))), Parsed<ByteSize>(text)) << text;
  }
  EXPECT_EQ(FormatValue(ByteSize{64 << 20}), "64MiB");
}

TEST(ValueTest, MasksSecrets) {
  EXPECT_EQ(FormatValue(Secret("hunter2")), "******");
  EXPECT_EQ(FormatValue(Secret()), "");
}

}  // namespace
}  // namespace tradewind::config
