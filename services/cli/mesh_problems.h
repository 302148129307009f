// What keeps a mesh from moving although its services say that they serve, judged from what was gathered: the pages of
// metrics, the ends of the logs, the brokers. No input or output here.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "absl/types/span.h"

#include "tradewind/bus/kafka_admin.h"

namespace tradewind::cli {

struct Problem {
  // A consumer group, a service, a partition or "kafka".
  std::string where;
  std::string what;
  // What to do, and what to type where something is to be typed.
  std::string remedy;

  friend bool operator==(const Problem&, const Problem&) = default;
};

// A gauge on a service's page of metrics that tells of a problem where it is above a bound. In the texts "{group}",
// "{value}" and the sample's labels in braces stand for what they name.
struct GaugeCheck {
  std::string_view metric;
  double bound = 0;
  // The value is a time in seconds; otherwise it is a count.
  bool is_time = false;
  // Each sample above the bound is a problem of its own; otherwise the greatest stands for all.
  bool each = false;
  // The sample tells of the whole process, and has no label `group`.
  bool of_process = false;
  // Only samples with this value of the label `why` count; empty for all.
  std::string_view why = "";
  std::string_view what;
  std::string_view remedy;
};

// The one table of them. services/cli/README.md lists it.
absl::Span<const GaugeCheck> GaugeChecks();

// A transaction must have been open for this long before it is a problem: a producer that is at work ends its own
// sooner.
inline constexpr absl::Duration kOpenTransactionBound = absl::Seconds(10);

// The checks that the page fails for this group. A metric that is not on the page fails no check.
std::vector<Problem> JudgeMetrics(std::string_view group, std::string_view page);
// The same of the checks that concern the whole process. `service` is what its problems are said of.
std::vector<Problem> JudgeProcess(std::string_view service, std::string_view page);

// A page of metrics that does not answer. `groups` are the consumer groups of the service it belongs to.
Problem JudgeSilentPage(absl::Span<const std::string> groups, const std::string& address, const absl::Status& error);

struct BrokerAnswer {
  // host:port.
  std::string address;
  // OK when it takes connections.
  absl::Status connected;
};

// `answered` is what came of asking the cluster as a whole; `missing` are the ids of brokers that the cluster misses,
// named where fewer were found dead by their address.
std::vector<Problem> JudgeBrokers(absl::Span<const BrokerAnswer> brokers, const absl::Status& answered,
                                  absl::Span<const int32_t> missing);

// "an open transaction holds order.events.v1-3 at offset 8".
std::string OpenTransactionText(const bus::LogEnd& end);

// For one that has been open for `age` at least.
Problem JudgeOpenTransaction(const bus::LogEnd& end, absl::Duration age, std::string_view brokers);

// How long the transaction at this end has been open, by a service's page of metrics; zero where that does not tell.
absl::Duration OpenTransactionAge(const bus::LogEnd& end, std::string_view page);

}  // namespace tradewind::cli
