// Exact arithmetic on google.type.Money, as prices and totals need it: nothing is ever rounded, an overflow is an
// error. Amounts are zero or more. Pure; for services that deal in money.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "google/type/money.pb.h"

namespace tradewind::money {

// InvalidArgument, saying what is wrong, unless the currency is three capital letters (ISO 4217), units are not
// negative and nanos lie in [0, 999,999,999].
absl::Status CheckAmount(const google::type::Money& money);

// Those that follow take amounts of CheckAmount, and two of one currency.

// OutOfRange when the sum does not fit.
absl::StatusOr<google::type::Money> Add(const google::type::Money& left, const google::type::Money& right);

// OutOfRange when `right` is the larger.
absl::StatusOr<google::type::Money> Subtract(const google::type::Money& left, const google::type::Money& right);

// `count` >= 0. OutOfRange when the product does not fit.
absl::StatusOr<google::type::Money> Multiply(const google::type::Money& price, int32_t count);

bool IsZero(const google::type::Money& money);
// Currency and amount; of any two.
bool Equal(const google::type::Money& left, const google::type::Money& right);
google::type::Money Zero(const std::string& currency);

// "24.50 EUR", "1200 JPY", "0.005 EUR": as many decimals as the currency usually has, and more where the amount needs
// them. Takes any Money, negative ones too.
std::string Format(const google::type::Money& money);

}  // namespace tradewind::money
