// How long an order waits for the others.
#pragma once

#include "absl/time/time.h"

namespace tradewind::config {
class Schema;
}

namespace tradewind::order {

struct OrderSettings {
  absl::Duration stock_timeout = absl::Minutes(15);
  absl::Duration payment_timeout = absl::Minutes(15);
};

// Binds the fields under "order".
void Describe(config::Schema& schema, OrderSettings& settings);

}  // namespace tradewind::order
