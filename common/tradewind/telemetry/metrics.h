// Metrics in the Prometheus text format at http://<address>/metrics. prometheus-cpp is behind it.
//
//   telemetry::Counter events = telemetry::NewCounter("tradewind_events_handled_total", "Events handled.",
//                                                     {{"group", group}});
//   events.Add();
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace prometheus {
class Counter;
class Gauge;
class Histogram;
}  // namespace prometheus

namespace tradewind::config {
class Schema;
}

namespace tradewind::telemetry {

using Labels = std::map<std::string, std::string>;

// Handles to process-wide metrics: cheap to copy, thread-safe, valid for the life of the process. Asking twice for the
// same name and labels gives the same metric.
class Counter {
 public:
  explicit Counter(prometheus::Counter* counter) : counter_(counter) {}
  void Add(double amount = 1) const;
  double value() const;

 private:
  prometheus::Counter* counter_;
};

class Gauge {
 public:
  explicit Gauge(prometheus::Gauge* gauge) : gauge_(gauge) {}
  void Set(double value) const;
  void Add(double amount) const;
  double value() const;

 private:
  prometheus::Gauge* gauge_;
};

// For how long something has been going on, in seconds; 0 while it is not. The value is computed when the page is read,
// so that it rises even while the thread that would report it is stuck in what it reports.
class Age {
 public:
  // When it began, in nanoseconds of the steady clock; 0 while it is not going on.
  using Since = std::atomic<int64_t>;

  explicit Age(Since* since) : since_(since) {}
  // It goes on from now; no effect where it already does.
  void Begin() const;
  // It has been going on for `age`.
  void Set(absl::Duration age) const;
  void End() const;
  double value() const;

 private:
  Since* since_;
};

class Histogram {
 public:
  explicit Histogram(prometheus::Histogram* histogram) : histogram_(histogram) {}
  void Observe(double value) const;

 private:
  prometheus::Histogram* histogram_;
};

// These throw std::invalid_argument for a name that Prometheus does not allow, or that a metric of another kind has:
// mistakes of the program, met the first time it runs.
Counter NewCounter(const std::string& name, const std::string& help, const Labels& labels = {});
Gauge NewGauge(const std::string& name, const std::string& help, const Labels& labels = {});
Age NewAge(const std::string& name, const std::string& help, const Labels& labels = {});
// `bounds` rise; an empty list means 100 us to 10 s in steps of about 2.5, in seconds.
Histogram NewHistogram(const std::string& name, const std::string& help, const Labels& labels = {},
                       std::vector<double> bounds = {});

struct MetricsConfig {
  // host:port; empty serves no metrics.
  std::string address;
};
// Binds the fields under "metrics".
void Describe(config::Schema& schema, MetricsConfig& config);

// Serves /metrics until destroyed.
class MetricsServer {
 public:
  // FailedPrecondition naming the setting when the port is taken or the host is not this machine's, InvalidArgument
  // when the address is not host:port. An empty address gives a server that serves nothing. Port 0 takes a free one.
  // IPv4 only. Two threads of its own; may block on the name service.
  static absl::StatusOr<std::unique_ptr<MetricsServer>> Start(const MetricsConfig& config);
  // Blocks for about a second, until the threads have ended.
  ~MetricsServer();
  MetricsServer(const MetricsServer&) = delete;
  MetricsServer& operator=(const MetricsServer&) = delete;

  // Where it listens; 0 where it does not.
  int port() const;

 private:
  class Impl;
  explicit MetricsServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace tradewind::telemetry
