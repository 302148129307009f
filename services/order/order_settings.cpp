#include "services/order/order_settings.h"

#include "tradewind/config/config.h"

namespace tradewind::order {

void Describe(config::Schema& schema, OrderSettings& settings) {
  auto section = schema.Section("order", "Orders.");
  section.Field("stock_timeout", &settings.stock_timeout, "how long an order waits for its stock, then it is rejected")
      .Min(absl::Milliseconds(100))
      .Max(absl::Hours(24 * 30));
  section
      .Field("payment_timeout", &settings.payment_timeout, "how long an order waits for its money, then it is rejected")
      .Min(absl::Milliseconds(100))
      .Max(absl::Hours(24 * 30));
}

}  // namespace tradewind::order
