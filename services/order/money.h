// Exact arithmetic on google.type.Money, as prices and totals need it: nothing is ever rounded, an overflow is an
// error. Amounts are zero or more.
#pragma once

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "google/type/money.pb.h"

namespace tradewind::order {

// InvalidArgument, saying what is wrong, unless the currency is three capital letters (ISO 4217), units are not
// negative and nanos lie in [0, 999,999,999].
absl::Status CheckAmount(const google::type::Money& money);

// Both of CheckAmount and of one currency. OutOfRange when the sum does not fit.
absl::StatusOr<google::type::Money> Add(const google::type::Money& left, const google::type::Money& right);

// Of CheckAmount; `count` >= 0. OutOfRange when the product does not fit.
absl::StatusOr<google::type::Money> Multiply(const google::type::Money& price, int32_t count);

}  // namespace tradewind::order
