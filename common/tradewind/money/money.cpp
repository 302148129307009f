#include "tradewind/money/money.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>

namespace tradewind::money {
namespace {

using google::type::Money;

constexpr int64_t kNanosPerUnit = 1'000'000'000;

absl::StatusOr<Money> Make(const std::string& currency, int64_t units, int64_t nanos) {
  Money money;
  int64_t all_units = 0;
  if (__builtin_add_overflow(units, nanos / kNanosPerUnit, &all_units)) {
    return absl::OutOfRangeError("the amount is too large");
  }
  money.set_currency_code(currency);
  money.set_units(all_units);
  money.set_nanos(static_cast<int32_t>(nanos % kNanosPerUnit));
  return money;
}

// ISO 4217: currencies whose minor unit is not a hundredth.
constexpr std::array<std::string_view, 16> kWithoutDecimals = {"BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW",
                                                               "PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF", "XPF"};
constexpr std::array<std::string_view, 7> kWithThreeDecimals = {"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"};

size_t UsualDecimals(std::string_view currency) {
  const auto is_one_of = [&](const auto& list) { return std::find(list.begin(), list.end(), currency) != list.end(); };
  if (is_one_of(kWithoutDecimals)) return 0;
  return is_one_of(kWithThreeDecimals) ? 3 : 2;
}

}  // namespace

absl::Status CheckAmount(const Money& money) {
  const std::string& currency = money.currency_code();
  if (currency.size() != 3 ||
      !std::all_of(currency.begin(), currency.end(), [](char c) { return c >= 'A' && c <= 'Z'; })) {
    return absl::InvalidArgumentError("needs a currency_code of three capital letters, such as EUR");
  }
  if (money.units() < 0 || money.nanos() < 0) return absl::InvalidArgumentError("must not be negative");
  if (money.nanos() >= kNanosPerUnit) return absl::InvalidArgumentError("has nanos of a whole unit or more");
  return absl::OkStatus();
}

absl::StatusOr<Money> Add(const Money& left, const Money& right) {
  int64_t units = 0;
  if (__builtin_add_overflow(left.units(), right.units(), &units)) {
    return absl::OutOfRangeError("the amount is too large");
  }
  return Make(left.currency_code(), units, int64_t{left.nanos()} + right.nanos());
}

absl::StatusOr<Money> Subtract(const Money& left, const Money& right) {
  int64_t units = left.units() - right.units();
  int64_t nanos = int64_t{left.nanos()} - right.nanos();
  if (nanos < 0) {
    nanos += kNanosPerUnit;
    --units;
  }
  if (units < 0) return absl::OutOfRangeError("the amount would be negative");
  return Make(left.currency_code(), units, nanos);
}

absl::StatusOr<Money> Multiply(const Money& price, int32_t count) {
  int64_t units = 0;
  if (__builtin_mul_overflow(price.units(), int64_t{count}, &units)) {
    return absl::OutOfRangeError("the amount is too large");
  }
  // Below 10^9 * 2^31: fits.
  return Make(price.currency_code(), units, int64_t{price.nanos()} * count);
}

bool IsZero(const Money& money) { return money.units() == 0 && money.nanos() == 0; }

bool Equal(const Money& left, const Money& right) {
  return left.currency_code() == right.currency_code() && left.units() == right.units() &&
         left.nanos() == right.nanos();
}

Money Zero(const std::string& currency) {
  Money money;
  money.set_currency_code(currency);
  return money;
}

std::string Format(const Money& money) {
  const bool negative = money.units() < 0 || money.nanos() < 0;
  std::string decimals = fmt::format("{:09}", std::abs(int64_t{money.nanos()}));
  const size_t usual = UsualDecimals(money.currency_code());
  while (decimals.size() > usual && decimals.back() == '0') decimals.pop_back();
  // Unsigned, so that the least of all amounts has an absolute value too.
  const uint64_t units =
      money.units() < 0 ? 0 - static_cast<uint64_t>(money.units()) : static_cast<uint64_t>(money.units());
  return fmt::format("{}{}{}{} {}", negative ? "-" : "", units, decimals.empty() ? "" : ".", decimals,
                     money.currency_code());
}

}  // namespace tradewind::money
