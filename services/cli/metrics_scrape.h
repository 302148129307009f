// Reads a service's /metrics, and sees whether anything listens at an address. Used by `tradewind status`.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace tradewind::cli {

// A line of a page of metrics in the Prometheus text format.
struct Sample {
  std::map<std::string, std::string> labels;
  double value = 0;
};

// The metric's samples in the order of the page. A line that is not of the text format is left out.
std::vector<Sample> Samples(std::string_view exposition, std::string_view metric);

// The sum of the metric's samples that have this label `group` (empty for all samples); nothing where there is none.
std::optional<double> SumSamples(std::string_view exposition, std::string_view metric, std::string_view group = "");

// GET http://<address>/metrics. `address` is host:port. Blocks up to `timeout`. Unavailable, saying what was seen, when
// there is no answer or it is not a 200.
absl::StatusOr<std::string> FetchMetrics(const std::string& address, absl::Duration timeout);

// OK when something at `address`, host:port, takes connections. Blocks up to `timeout`; the name service may take
// longer. Unavailable or DeadlineExceeded, naming the address, when nothing does.
absl::Status CheckConnects(const std::string& address, absl::Duration timeout);

}  // namespace tradewind::cli
