// The metrics of the process, for the server that shows them. Private to this folder.
#pragma once

#include <memory>

namespace prometheus {
class Collectable;
class Registry;
}  // namespace prometheus

namespace tradewind::telemetry {

// Thread-safe; never destroyed.
const std::shared_ptr<prometheus::Registry>& MetricsRegistry();

// Those of NewAge. Thread-safe; never destroyed.
const std::shared_ptr<prometheus::Collectable>& AgesOnPage();

}  // namespace tradewind::telemetry
