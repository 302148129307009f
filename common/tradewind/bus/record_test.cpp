#include "tradewind/bus/record.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tradewind/bus/record_copy.h"

namespace tradewind::bus {
namespace {

RecordContent Content() {
  return {.topic = "order.events.v1",
          .partition = 3,
          .offset = 42,
          .timestamp_ms = 1'700'000'000'123,
          .key = "order-1",
          .value = std::string("\0payload", 8),
          .headers = {{"ce_id", "first"}, {"other", ""}, {"ce_id", "last"}}};
}

TEST(Record, KeepsTheContentItWasMadeFrom) {
  const Record record = Record::FromContent(Content());
  EXPECT_EQ(record.topic(), "order.events.v1");
  EXPECT_EQ(record.partition(), 3);
  EXPECT_EQ(record.offset(), 42);
  EXPECT_EQ(record.timestamp_ms(), 1'700'000'000'123);
  EXPECT_EQ(record.key(), "order-1");
  EXPECT_EQ(record.value(), std::string_view("\0payload", 8));
  EXPECT_EQ(record.headers().size(), 3U);
}

TEST(Record, ViewsStayValidWhenItMoves) {
  Record first = Record::FromContent({.topic = "t", .key = "k", .value = "v", .headers = {{"n", "x"}}});
  const char* key = first.key().data();
  Record second = std::move(first);
  Record third;
  third = std::move(second);
  EXPECT_EQ(third.key().data(), key);
  EXPECT_EQ(third.key(), "k");
  EXPECT_EQ(third.header("n"), "x");
}

TEST(Record, GivesTheLastHeaderOfAName) {
  const Record record = Record::FromContent(Content());
  EXPECT_EQ(record.header("ce_id"), "last");
  EXPECT_EQ(record.header("other"), "");
  EXPECT_EQ(record.header("absent"), "");
}

TEST(Record, FingerprintTellsTimestampKeyAndValueApart) {
  const uint64_t original = Fingerprint(Record::FromContent(Content()));
  RecordContent moved = Content();
  moved.offset = 7;
  moved.partition = 1;
  moved.headers.clear();
  EXPECT_EQ(Fingerprint(Record::FromContent(moved)), original);

  RecordContent later = Content();
  later.timestamp_ms += 1;
  EXPECT_NE(Fingerprint(Record::FromContent(later)), original);
  RecordContent other_key = Content();
  other_key.key = "order-2";
  EXPECT_NE(Fingerprint(Record::FromContent(other_key)), original);
  RecordContent other_value = Content();
  other_value.value.back() = 'D';
  EXPECT_NE(Fingerprint(Record::FromContent(other_value)), original);
}

// Stores keep it: another number for the same record would look like a topic made anew.
TEST(Record, FingerprintNeverChanges) {
  EXPECT_EQ(Fingerprint(Record::FromContent({.timestamp_ms = 0, .key = "", .value = ""})), 0xa8c7f832281a39c5ULL);
}

TEST(Record, IsCopiedWithAllItHolds) {
  Record copy;
  {
    const Record record = Record::FromContent({.topic = "t",
                                               .partition = 3,
                                               .offset = 7,
                                               .timestamp_ms = 9,
                                               .key = "k",
                                               .headers = {{"name", "text"}},
                                               .has_value = false,
                                               .damage = "why"});
    copy = CopyOf(record);
  }
  EXPECT_EQ(copy.topic(), "t");
  EXPECT_EQ(copy.partition(), 3);
  EXPECT_EQ(copy.offset(), 7);
  EXPECT_EQ(copy.timestamp_ms(), 9);
  EXPECT_EQ(copy.key(), "k");
  EXPECT_FALSE(copy.has_value());
  EXPECT_EQ(copy.header("name"), "text");
  EXPECT_EQ(copy.damage(), "why");
}

TEST(Record, IsAsLargeAsKeyValueAndHeaders) {
  EXPECT_EQ(
      SizeOf(Record::FromContent({.topic = "t", .key = "12", .value = "345", .headers = {{"a", "bcd"}, {"e", ""}}})),
      10);
}

TEST(Record, TellsNoValueFromAnEmptyOne) {
  EXPECT_TRUE(Record::FromContent({.topic = "t", .value = ""}).has_value());
  EXPECT_FALSE(Record::FromContent({.topic = "t", .has_value = false}).has_value());
}

}  // namespace
}  // namespace tradewind::bus
