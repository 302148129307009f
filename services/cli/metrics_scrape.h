// Reads one number from a service's /metrics. Used by `tradewind status`.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace tradewind::cli {

// The sum of the metric's samples that carry `label` (name="value", as the page writes it; empty for all samples), from
// the Prometheus text format; nothing where there is none.
std::optional<double> SumSamples(std::string_view exposition, std::string_view metric, std::string_view label = "");

// GET http://<address>/metrics. `address` is host:port. Blocks up to `timeout`. Unavailable, saying what was seen, when
// there is no answer or it is not a 200.
absl::StatusOr<std::string> FetchMetrics(const std::string& address, absl::Duration timeout);

}  // namespace tradewind::cli
