#include "tradewind/telemetry/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <utility>

#include "tradewind/config/config.h"
#include "tradewind/telemetry/metrics_registry.h"

namespace tradewind::telemetry {

const std::shared_ptr<prometheus::Registry>& MetricsRegistry() {
  // Never destroyed: handles are used until the process ends, by threads that may outlive static destruction.
  static const auto* const registry = new std::shared_ptr<prometheus::Registry>(new prometheus::Registry);
  return *registry;
}

void Counter::Add(double amount) const { counter_->Increment(amount); }

double Counter::value() const { return counter_->Value(); }

void Gauge::Set(double value) const { gauge_->Set(value); }

void Gauge::Add(double amount) const { gauge_->Increment(amount); }

double Gauge::value() const { return gauge_->Value(); }

void Histogram::Observe(double value) const { histogram_->Observe(value); }

Counter NewCounter(const std::string& name, const std::string& help, const Labels& labels) {
  return Counter(&prometheus::BuildCounter().Name(name).Help(help).Register(*MetricsRegistry()).Add(labels));
}

Gauge NewGauge(const std::string& name, const std::string& help, const Labels& labels) {
  return Gauge(&prometheus::BuildGauge().Name(name).Help(help).Register(*MetricsRegistry()).Add(labels));
}

Histogram NewHistogram(const std::string& name, const std::string& help, const Labels& labels,
                       std::vector<double> bounds) {
  if (bounds.empty()) {
    bounds = {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10};
  }
  auto& family = prometheus::BuildHistogram().Name(name).Help(help).Register(*MetricsRegistry());
  return Histogram(&family.Add(labels, std::move(bounds)));
}

void Describe(config::Schema& schema, MetricsConfig& config) {
  auto section = schema.Section("metrics", "Metrics for Prometheus.");
  section.Field("address", &config.address, "host:port where /metrics is served, IPv4 only; empty serves none")
      .ListensOn(net::Use::kListenOnIpv4);
}

}  // namespace tradewind::telemetry
