// The metrics of the process, for the server that shows them. Private to this folder.
#pragma once

#include <memory>

namespace prometheus {
class Registry;
}

namespace tradewind::telemetry {

// Thread-safe; never destroyed.
const std::shared_ptr<prometheus::Registry>& MetricsRegistry();

}  // namespace tradewind::telemetry
