#include "services/order/money.h"

#include <algorithm>
#include <cstdint>

namespace tradewind::order {
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

absl::StatusOr<Money> Multiply(const Money& price, int32_t count) {
  int64_t units = 0;
  if (__builtin_mul_overflow(price.units(), int64_t{count}, &units)) {
    return absl::OutOfRangeError("the amount is too large");
  }
  // Below 10^9 * 2^31: fits.
  return Make(price.currency_code(), units, int64_t{price.nanos()} * count);
}

}  // namespace tradewind::order
