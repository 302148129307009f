#include "tradewind/money/money.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <limits>

namespace tradewind::money {
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

Money Amount(int64_t units, int32_t nanos, const std::string& currency) {
  Money money = Euro(units, nanos);
  money.set_currency_code(currency);
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

TEST(MoneyTest, SubtractsNanosFromUnits) {
  const auto rest = Subtract(Euro(2, 100'000'000), Euro(1, 600'000'000));
  ASSERT_TRUE(rest.ok());
  EXPECT_EQ(rest->units(), 0);
  EXPECT_EQ(rest->nanos(), 500'000'000);
  EXPECT_TRUE(IsZero(*Subtract(Euro(1, 5), Euro(1, 5))));
  EXPECT_TRUE(absl::IsOutOfRange(Subtract(Euro(1, 5), Euro(1, 6)).status()));
  EXPECT_TRUE(absl::IsOutOfRange(Subtract(Euro(1, 0), Euro(2, 0)).status()));
}

TEST(MoneyTest, TellsAmountsAndCurrenciesApart) {
  EXPECT_TRUE(Equal(Euro(1, 5), Euro(1, 5)));
  EXPECT_FALSE(Equal(Euro(1, 5), Euro(1, 6)));
  EXPECT_FALSE(Equal(Euro(1, 5), Amount(1, 5, "USD")));
  EXPECT_TRUE(Equal(Zero("JPY"), Amount(0, 0, "JPY")));
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

TEST(MoneyTest, WritesMoneyAsItsCurrencyDoes) {
  EXPECT_EQ(Format(Amount(24, 500'000'000, "EUR")), "24.50 EUR");
  EXPECT_EQ(Format(Amount(24, 0, "EUR")), "24.00 EUR");
  EXPECT_EQ(Format(Amount(0, 50'000'000, "USD")), "0.05 USD");
  EXPECT_EQ(Format(Amount(1200, 0, "JPY")), "1200 JPY");
  EXPECT_EQ(Format(Amount(1, 250'000'000, "KWD")), "1.250 KWD");
}

TEST(MoneyTest, NeverDropsAFractionOfMoney) {
  EXPECT_EQ(Format(Amount(0, 1, "EUR")), "0.000000001 EUR");
  EXPECT_EQ(Format(Amount(0, 5'000'000, "EUR")), "0.005 EUR");
  EXPECT_EQ(Format(Amount(10, 500'000'000, "JPY")), "10.5 JPY");
}

TEST(MoneyTest, WritesNegativeMoney) {
  EXPECT_EQ(Format(Amount(0, -500'000'000, "EUR")), "-0.50 EUR");
  EXPECT_EQ(Format(Amount(std::numeric_limits<int64_t>::min(), 0, "EUR")), "-9223372036854775808.00 EUR");
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
  RC_ASSERT(Equal(*Subtract(*sum, right), left));
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
}  // namespace tradewind::money
