#include "tradewind/app/paging.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <limits>

#include "google/rpc/status.pb.h"

#include "tradewind/telemetry/metrics.h"
#include "tradewind/testing/fake_reader.h"

namespace tradewind {
namespace {

using store::ListQuery;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const ListQuery kQuery{.kind = "test.Thing", .index = "owner", .value = "ada"};

TEST(PageSizeTest, ClampsToTheMaximumAndHasADefault) {
  EXPECT_EQ(PageSize(0), 50);
  EXPECT_EQ(PageSize(1), 1);
  EXPECT_EQ(PageSize(1000), 1000);
  EXPECT_EQ(PageSize(1001), 1000);
  EXPECT_EQ(PageSize(std::numeric_limits<int32_t>::max()), 1000);
  EXPECT_EQ(PageSize(-1), std::nullopt);
}

RC_GTEST_PROP(PageTokenProperty, GivesBackWhatWentIn, (int64_t order, const std::string& key)) {
  const std::string token = MakePageToken(kQuery, {.order = order, .key = key});
  const auto after = ReadPageToken(kQuery, token);
  RC_ASSERT(after.has_value());
  RC_ASSERT(after->order == order);
  RC_ASSERT(after->key == key);
  // Fits into a URL as it is.
  RC_ASSERT(token.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") ==
            std::string::npos);
}

RC_GTEST_PROP(PageTokenProperty, NoticesAnyChangedCharacter, (int64_t order, const std::string& key)) {
  const std::string token = MakePageToken(kQuery, {.order = order, .key = key});
  std::string damaged = token;
  const size_t place = *rc::gen::inRange<size_t>(0, token.size());
  damaged[place] = *rc::gen::suchThat(rc::gen::inRange('A', 'Z'), [&](char other) { return other != token[place]; });
  const auto after = ReadPageToken(kQuery, damaged);
  // The last character may carry bits that say nothing.
  RC_ASSERT(!after.has_value() || (after->order == order && after->key == key));
}

TEST(PageTokenTest, BelongsToOneQuery) {
  const std::string token = MakePageToken(kQuery, {.order = 1, .key = "k"});
  ASSERT_TRUE(ReadPageToken(kQuery, token).has_value());

  ListQuery other = kQuery;
  other.value = "bob";
  EXPECT_FALSE(ReadPageToken(other, token).has_value());
  other = kQuery;
  other.index = "all";
  EXPECT_FALSE(ReadPageToken(other, token).has_value());
  other = kQuery;
  other.kind = "test.Other";
  EXPECT_FALSE(ReadPageToken(other, token).has_value());
  other = kQuery;
  other.descending = true;
  EXPECT_FALSE(ReadPageToken(other, token).has_value());
  // The same letters, cut elsewhere.
  other = kQuery;
  other.index = "ownera";
  other.value = "da";
  EXPECT_FALSE(ReadPageToken(other, token).has_value());
  // A page of another size goes on where the first one ended.
  other = kQuery;
  other.limit = 7;
  EXPECT_TRUE(ReadPageToken(other, token).has_value());
}

TEST(PageTokenTest, IsRefusedWhereItIsNone) {
  for (const char* token : {"?", "AAAA", "not a token", "AAAAAAAAAAAAAAAAAAAAAAAA"}) {
    EXPECT_FALSE(ReadPageToken(kQuery, token).has_value()) << token;
  }
}

class ListPageTest : public ::testing::Test {
 protected:
  void Put(const std::string& key, int64_t order) {
    reader_.Put("test.Thing", key, "value of " + key, {{.index = "owner", .value = "ada", .order = order}});
  }

  grpc::Status List(int32_t page_size, std::string token = "") {
    items_.clear();
    next_.clear();
    return ListPage(
        reader_, kQuery, page_size, token,
        [&](const std::string& value) {
          if (value == unreadable_) return false;
          items_.push_back(value);
          return true;
        },
        &next_);
  }

  testing::FakeReader reader_;
  std::vector<std::string> items_;
  std::string next_;
  std::string unreadable_;
};

TEST_F(ListPageTest, WalksThroughAllPages) {
  Put("c", 10);
  Put("a", 20);
  Put("b", 20);
  ASSERT_TRUE(List(2).ok());
  EXPECT_THAT(items_, ElementsAre("value of c", "value of a"));
  ASSERT_FALSE(next_.empty());
  ASSERT_TRUE(List(2, next_).ok());
  EXPECT_THAT(items_, ElementsAre("value of b"));
  EXPECT_EQ(next_, "");
}

TEST_F(ListPageTest, HasNoNextPageWhereTheLastOneIsFull) {
  Put("a", 1);
  Put("b", 2);
  ASSERT_TRUE(List(2).ok());
  EXPECT_EQ(items_.size(), 2);
  EXPECT_EQ(next_, "");
}

TEST_F(ListPageTest, AnswersAnEmptyListing) {
  ASSERT_TRUE(List(0).ok());
  EXPECT_THAT(items_, IsEmpty());
  EXPECT_EQ(next_, "");
}

TEST_F(ListPageTest, NamesTheFieldThatIsWrong) {
  const grpc::Status size = List(-1);
  EXPECT_EQ(size.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(size.error_message(), HasSubstr("page_size"));
  EXPECT_THAT(size.error_details(), HasSubstr("page_size"));

  const grpc::Status token = List(10, "AAAA");
  EXPECT_EQ(token.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(token.error_message(), HasSubstr("page_token"));
  EXPECT_THAT(token.error_details(), HasSubstr("page_token"));
}

TEST_F(ListPageTest, SaysThatTheStoreIsAway) {
  reader_.FailWith(absl::UnavailableError("the store is away"));
  EXPECT_EQ(List(10).error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(ListPageTest, LeavesOutWhatDoesNotParseAndCountsIt) {
  const telemetry::Counter unreadable =
      telemetry::NewCounter("tradewind_unreadable_aggregates_total", "", {{"kind", "test.Thing"}});
  Put("a", 1);
  Put("b", 2);
  Put("c", 3);
  unreadable_ = "value of b";
  ASSERT_TRUE(List(2).ok());
  EXPECT_THAT(items_, ElementsAre("value of a"));
  EXPECT_EQ(unreadable.value(), 1);
  // The page goes on behind it.
  ASSERT_TRUE(List(2, next_).ok());
  EXPECT_THAT(items_, ElementsAre("value of c"));
  EXPECT_EQ(UnreadableAggregate("test.Thing", "b").error_code(), grpc::StatusCode::INTERNAL);
  EXPECT_EQ(unreadable.value(), 2);
}

TEST(AddParsedTest, AddsNothingThatDoesNotParse) {
  google::rpc::Status status;
  EXPECT_FALSE(AddParsed("\xff", *status.mutable_details()));
  EXPECT_EQ(status.details_size(), 0);
  EXPECT_TRUE(AddParsed(google::protobuf::Any().SerializeAsString(), *status.mutable_details()));
  EXPECT_EQ(status.details_size(), 1);
}

TEST(GetStoredTest, FindsOrSaysWhatIsMissing) {
  testing::FakeReader reader;
  reader.Put("test.Thing", "a", "stored", {});
  std::string value;
  ASSERT_TRUE(GetStored(reader, "test.Thing", "thing", "a", &value).ok());
  EXPECT_EQ(value, "stored");

  const grpc::Status missing = GetStored(reader, "test.Thing", "thing", "b", &value);
  EXPECT_EQ(missing.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_THAT(missing.error_details(), HasSubstr("THING_NOT_FOUND"));
}

}  // namespace
}  // namespace tradewind
