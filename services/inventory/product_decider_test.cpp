#include "services/inventory/product_decider.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "google/protobuf/util/message_differencer.h"
#include "google/protobuf/util/time_util.h"

#include "tradewind/testing/fake_context.h"

namespace tradewind::inventory {
namespace {

using google::protobuf::util::MessageDifferencer;
using google::protobuf::util::TimeUtil;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Kind = Outcome::Kind;

v1::CreateProductRequest CreateTea() {
  v1::CreateProductRequest command;
  command.set_id("tea");
  command.set_name("Green tea");
  command.set_description("100 g");
  command.mutable_unit_price()->set_currency_code("EUR");
  command.mutable_unit_price()->set_units(9);
  command.mutable_unit_price()->set_nanos(950'000'000);
  command.set_stock(5);
  return command;
}

v1::AdjustStockRequest AdjustTea(int64_t delta) {
  v1::AdjustStockRequest command;
  command.set_id("tea");
  command.set_delta(delta);
  command.set_reason("delivery 4711");
  return command;
}

std::vector<std::string> ViolatedFields(const Outcome& outcome) {
  std::vector<std::string> fields;
  for (const auto& violation : outcome.problem().violations) fields.push_back(violation.field);
  return fields;
}

class ProductDeciderTest : public ::testing::Test {
 protected:
  Outcome Run(const v1::CreateProductRequest& command) { return context_.Decide<ProductDecider>(command); }
  Outcome Run(const v1::AdjustStockRequest& command) { return context_.Decide<ProductDecider>(command); }

  void GivenTea(int64_t free, int64_t reserved = 0, int64_t sold = 0) {
    v1::Product product;
    product.set_id("tea");
    product.set_free(free);
    product.set_reserved(reserved);
    product.set_sold(sold);
    product.set_revision(7);
    context_.Put("tea", product);
  }

  const v1::Product& Tea() { return *context_.Find<v1::Product>("tea"); }

  testing::FakeContext context_;
};

TEST_F(ProductDeciderTest, PutsANewProductOnTheShelfAndTellsOfIt) {
  ASSERT_EQ(Run(CreateTea()).kind(), Kind::kAck);

  ASSERT_NE(context_.Find<v1::Product>("tea"), nullptr);
  EXPECT_EQ(Tea().id(), "tea");
  EXPECT_EQ(Tea().name(), "Green tea");
  EXPECT_EQ(Tea().description(), "100 g");
  EXPECT_TRUE(MessageDifferencer::Equals(Tea().unit_price(), CreateTea().unit_price()));
  EXPECT_EQ(Tea().free(), 5);
  EXPECT_EQ(Tea().reserved(), 0);
  EXPECT_EQ(Tea().sold(), 0);
  EXPECT_EQ(Tea().revision(), 1);
  EXPECT_EQ(TimeUtil::TimestampToMicroseconds(Tea().create_time()), absl::ToUnixMicros(context_.now()));
  EXPECT_EQ(Tea().update_time(), Tea().create_time());

  ASSERT_NE(context_.Answer<v1::Product>(), nullptr);
  EXPECT_TRUE(MessageDifferencer::Equals(*context_.Answer<v1::Product>(), Tea()));
  ASSERT_EQ(context_.events().size(), 1);
  const auto events = context_.Events<v1::ProductCreated>();
  ASSERT_EQ(events.size(), 1);
  EXPECT_EQ(events[0].product_id(), "tea");
  EXPECT_EQ(events[0].name(), "Green tea");
  EXPECT_EQ(events[0].description(), "100 g");
  EXPECT_TRUE(MessageDifferencer::Equals(events[0].unit_price(), Tea().unit_price()));
  EXPECT_EQ(events[0].stock(), 5);
  EXPECT_EQ(events[0].create_time(), Tea().create_time());
}

TEST_F(ProductDeciderTest, AllowsAnEmptyShelfAndAPriceOfZero) {
  v1::CreateProductRequest command = CreateTea();
  command.set_stock(0);
  command.mutable_unit_price()->set_units(0);
  command.mutable_unit_price()->set_nanos(0);
  EXPECT_EQ(Run(command).kind(), Kind::kAck);
}

TEST_F(ProductDeciderTest, RefusesAnIdThatIsTaken) {
  ASSERT_EQ(Run(CreateTea()).kind(), Kind::kAck);
  v1::CreateProductRequest other = CreateTea();
  other.set_name("Black tea");

  const Outcome outcome = Run(other);
  ASSERT_EQ(outcome.kind(), Kind::kReject);
  EXPECT_EQ(outcome.problem().code, absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(outcome.problem().reason, "PRODUCT_EXISTS");
  EXPECT_EQ(outcome.problem().metadata.at("id"), "tea");
  EXPECT_EQ(Tea().name(), "Green tea");
  EXPECT_TRUE(context_.events().empty());
}

TEST_F(ProductDeciderTest, NamesEveryFieldThatIsMissing) {
  const Outcome outcome = Run(v1::CreateProductRequest());
  ASSERT_EQ(outcome.kind(), Kind::kReject);
  EXPECT_EQ(outcome.problem().code, absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(ViolatedFields(outcome), ElementsAre("id", "name", "unit_price"));
  EXPECT_EQ(context_.Count<v1::Product>(), 0);
}

TEST_F(ProductDeciderTest, RefusesAPriceThatIsNoAmount) {
  v1::CreateProductRequest negative = CreateTea();
  negative.mutable_unit_price()->set_units(-1);
  EXPECT_THAT(ViolatedFields(Run(negative)), ElementsAre("unit_price"));

  v1::CreateProductRequest nowhere = CreateTea();
  nowhere.mutable_unit_price()->clear_currency_code();
  EXPECT_THAT(ViolatedFields(Run(nowhere)), ElementsAre("unit_price"));
}

TEST_F(ProductDeciderTest, RefusesAStockBelowZeroOrAboveTheMost) {
  v1::CreateProductRequest command = CreateTea();
  for (const int64_t stock : {int64_t{-1}, kMostPieces + 1}) {
    command.set_stock(stock);
    EXPECT_THAT(ViolatedFields(Run(command)), ElementsAre("stock")) << stock;
  }
  command.set_stock(kMostPieces);
  EXPECT_EQ(Run(command).kind(), Kind::kAck);
}

TEST_F(ProductDeciderTest, ChangesWhatIsFreeAndNothingElse) {
  GivenTea(5, 2, 1);
  ASSERT_EQ(Run(AdjustTea(-3)).kind(), Kind::kAck);

  EXPECT_EQ(Tea().free(), 2);
  EXPECT_EQ(Tea().reserved(), 2);
  EXPECT_EQ(Tea().sold(), 1);
  EXPECT_EQ(Tea().revision(), 8);
  EXPECT_EQ(TimeUtil::TimestampToMicroseconds(Tea().update_time()), absl::ToUnixMicros(context_.now()));
  ASSERT_NE(context_.Answer<v1::Product>(), nullptr);
  EXPECT_TRUE(MessageDifferencer::Equals(*context_.Answer<v1::Product>(), Tea()));
  ASSERT_EQ(context_.events().size(), 1);
  const auto events = context_.Events<v1::StockAdjusted>();
  ASSERT_EQ(events.size(), 1);
  EXPECT_EQ(events[0].product_id(), "tea");
  EXPECT_EQ(events[0].delta(), -3);
  EXPECT_EQ(events[0].free(), 2);
  EXPECT_EQ(events[0].reason(), "delivery 4711");
  EXPECT_EQ(events[0].adjust_time(), Tea().update_time());
}

TEST_F(ProductDeciderTest, TakesOffTheLastPieceButNotOneMore) {
  GivenTea(5, 2);
  const Outcome outcome = Run(AdjustTea(-6));
  ASSERT_EQ(outcome.kind(), Kind::kReject);
  EXPECT_EQ(outcome.problem().code, absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(outcome.problem().reason, "NOT_ENOUGH_STOCK");
  EXPECT_EQ(outcome.problem().metadata.at("id"), "tea");
  EXPECT_EQ(outcome.problem().metadata.at("free"), "5");
  EXPECT_THAT(outcome.problem().message, HasSubstr("6 pieces of product 'tea'"));
  EXPECT_EQ(Tea().free(), 5);
  EXPECT_TRUE(context_.events().empty());

  ASSERT_EQ(Run(AdjustTea(-5)).kind(), Kind::kAck);
  EXPECT_EQ(Tea().free(), 0);
}

TEST_F(ProductDeciderTest, SaysThatThereIsNoSuchProduct) {
  const Outcome outcome = Run(AdjustTea(1));
  ASSERT_EQ(outcome.kind(), Kind::kReject);
  EXPECT_EQ(outcome.problem().code, absl::StatusCode::kNotFound);
  EXPECT_EQ(outcome.problem().reason, "PRODUCT_NOT_FOUND");
  EXPECT_EQ(context_.Find<v1::Product>("tea"), nullptr);
}

TEST_F(ProductDeciderTest, RefusesADeltaOfZeroOrBeyondTheMostInEitherDirection) {
  GivenTea(5);
  for (const int64_t delta : {int64_t{0}, kMostPieces + 1, -kMostPieces - 1, std::numeric_limits<int64_t>::max(),
                              std::numeric_limits<int64_t>::min()}) {
    const Outcome outcome = Run(AdjustTea(delta));
    ASSERT_EQ(outcome.kind(), Kind::kReject) << delta;
    EXPECT_EQ(outcome.problem().code, absl::StatusCode::kInvalidArgument) << delta;
    EXPECT_THAT(ViolatedFields(outcome), ElementsAre("delta")) << delta;
  }
}

TEST_F(ProductDeciderTest, FillsAShelfToTheMostAndNotBeyond) {
  GivenTea(5);
  EXPECT_THAT(ViolatedFields(Run(AdjustTea(kMostPieces - 4))), ElementsAre("delta"));
  EXPECT_EQ(Tea().free(), 5);
  ASSERT_EQ(Run(AdjustTea(kMostPieces - 5)).kind(), Kind::kAck);
  EXPECT_EQ(Tea().free(), kMostPieces);
}

TEST_F(ProductDeciderTest, TakesOffFromAShelfThatReturnsHaveOverfilled) {
  GivenTea(kMostPieces + 10);
  ASSERT_EQ(Run(AdjustTea(-1)).kind(), Kind::kAck);
  EXPECT_EQ(Tea().free(), kMostPieces + 9);
}

TEST(ProductIndexTest, ListsAProductWithAllInTheOrderOfCreation) {
  v1::Product product;
  *product.mutable_create_time() = TimeUtil::MicrosecondsToTimestamp(77);
  *product.mutable_update_time() = TimeUtil::MicrosecondsToTimestamp(99);
  EXPECT_THAT(IndexProduct(product), ElementsAre(store::IndexEntry{.index = "all", .value = "", .order = 77}));
}

}  // namespace
}  // namespace tradewind::inventory
