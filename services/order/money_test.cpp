#include "services/order/money.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <limits>

namespace tradewind::order {
namespace {

using google::type::Money;

// GCC's name for it is an extension that -Wpedantic would mention; the library itself does without.
__extension__ using Wide = __int128;

constexpr int64_t kMostUnits = std::numeric_limits<int64_t>::max();

Money Euro(int64_t units, int32_t nanos) {
  Money money;
  money.set_currency_code("EUR");
  money.set_units(units);
  money.set_nanos(nanos);
  return money;
}

Wide InNanos(const Money& money) { return static_cast<Wide>(money.units()) * 1'000'000'000 + money.nanos(); }

// The largest amount there is, in nanos.
Wide Most() { return InNanos(Euro(kMostUnits, 999'999'999)); }

Money AnyAmount() {
  return Euro(*rc::gen::suchThat(rc::gen::arbitrary<int64_t>(), [](int64_t units) { return units >= 0; }),
              *rc::gen::inRange<int32_t>(0, 1'000'000'000));
}

TEST(MoneyTest, AddsNanosIntoUnits) {
  const auto sum = Add(Euro(1, 600'000'000), Euro(2, 500'000'000));
  ASSERT_TRUE(sum.ok());
  EXPECT_EQ(sum->units(), 4);
  EXPECT_EQ(sum->nanos(), 100'000'000);
  EXPECT_EQ(sum->currency_code(), "EUR");
}

TEST(MoneyTest, MultipliesExactly) {
  const auto product = Multiply(Euro(19, 990'000'000), 3);
  ASSERT_TRUE(product.ok());
  EXPECT_EQ(product->units(), 59);
  EXPECT_EQ(product->nanos(), 970'000'000);
}

TEST(MoneyTest, RefusesASumThatDoesNotFit) {
  EXPECT_TRUE(absl::IsOutOfRange(Add(Euro(kMostUnits, 0), Euro(1, 0)).status()));
  EXPECT_TRUE(absl::IsOutOfRange(Add(Euro(kMostUnits, 999'999'999), Euro(0, 1)).status()));
  EXPECT_TRUE(absl::IsOutOfRange(Multiply(Euro(kMostUnits / 2 + 1, 0), 2).status()));
}

TEST(MoneyTest, ChecksCurrencySignAndNanos) {
  EXPECT_TRUE(CheckAmount(Euro(0, 0)).ok());
  EXPECT_TRUE(CheckAmount(Euro(kMostUnits, 999'999'999)).ok());
  EXPECT_FALSE(CheckAmount(Euro(-1, 0)).ok());
  EXPECT_FALSE(CheckAmount(Euro(0, -1)).ok());
  EXPECT_FALSE(CheckAmount(Euro(0, 1'000'000'000)).ok());
  for (const char* currency : {"", "EU", "eur", "EURO", "E1R"}) {
    Money money = Euro(1, 0);
    money.set_currency_code(currency);
    EXPECT_FALSE(CheckAmount(money).ok()) << currency;
  }
}

RC_GTEST_PROP(MoneyProperty, AddsLikeWideIntegers, ()) {
  const Money left = AnyAmount();
  const Money right = AnyAmount();
  const Wide expected = InNanos(left) + InNanos(right);
  const auto sum = Add(left, right);
  RC_ASSERT(sum.ok() == (expected <= Most()));
  if (!sum.ok()) return;
  RC_ASSERT(InNanos(*sum) == expected);
  RC_ASSERT(CheckAmount(*sum).ok());
}

RC_GTEST_PROP(MoneyProperty, MultipliesLikeWideIntegers, ()) {
  // Small and large prices alike: products that fit and products that do not.
  Money price = AnyAmount();
  price.set_units(price.units() >> *rc::gen::inRange(0, 63));
  const int32_t count = *rc::gen::inRange<int32_t>(0, std::numeric_limits<int32_t>::max());
  const Wide expected = InNanos(price) * count;
  const auto product = Multiply(price, count);
  RC_ASSERT(product.ok() == (expected <= Most()));
  if (!product.ok()) return;
  RC_ASSERT(InNanos(*product) == expected);
  RC_ASSERT(CheckAmount(*product).ok());
}

}  // namespace
}  // namespace tradewind::order
