// The metrics that tell for how long something has been going on.
#include <prometheus/check_names.h>
#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <mutex>
#include <stdexcept>

#include "tradewind/telemetry/metrics.h"
#include "tradewind/telemetry/metrics_registry.h"

namespace tradewind::telemetry {
namespace {

int64_t SteadyNanoseconds() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

double SecondsSince(int64_t since) {
  if (since == 0) return 0;
  return static_cast<double>(std::max<int64_t>(SteadyNanoseconds() - since, 0)) / 1e9;
}

class Ages final : public prometheus::Collectable {
 public:
  Age::Since* Add(const std::string& name, const std::string& help, const Labels& labels) {
    if (!prometheus::CheckMetricName(name)) throw std::invalid_argument("not a name of a metric: " + name);
    const std::lock_guard lock(mutex_);
    Family& family = families_[name];
    family.help = help;
    // A node of a map never moves, so that a handle may point into it.
    return &family.ages.try_emplace(labels, 0).first->second;
  }

  std::vector<prometheus::MetricFamily> Collect() const override {
    const std::lock_guard lock(mutex_);
    std::vector<prometheus::MetricFamily> page;
    for (const auto& [name, family] : families_) {
      prometheus::MetricFamily shown{name, family.help, prometheus::MetricType::Gauge, {}};
      for (const auto& [labels, since] : family.ages) {
        prometheus::ClientMetric& metric = shown.metric.emplace_back();
        for (const auto& [label, value] : labels) metric.label.push_back({label, value});
        metric.gauge.value = SecondsSince(since.load(std::memory_order_relaxed));
      }
      page.push_back(std::move(shown));
    }
    return page;
  }

 private:
  struct Family {
    std::string help;
    std::map<Labels, Age::Since> ages;
  };
  mutable std::mutex mutex_;
  std::map<std::string, Family> families_;
};

const std::shared_ptr<Ages>& AllAges() {
  // Never destroyed: handles are used until the process ends.
  static const auto* const ages = new std::shared_ptr<Ages>(new Ages);
  return *ages;
}

}  // namespace

const std::shared_ptr<prometheus::Collectable>& AgesOnPage() {
  static const auto* const ages = new std::shared_ptr<prometheus::Collectable>(AllAges());
  return *ages;
}

void Age::Begin() const {
  int64_t none = 0;
  since_->compare_exchange_strong(none, SteadyNanoseconds(), std::memory_order_relaxed);
}

void Age::Set(absl::Duration age) const {
  // 0 would say that it is not going on.
  const int64_t since = SteadyNanoseconds() - absl::ToInt64Nanoseconds(std::max(age, absl::ZeroDuration()));
  since_->store(since == 0 ? 1 : since, std::memory_order_relaxed);
}

void Age::End() const { since_->store(0, std::memory_order_relaxed); }

double Age::value() const { return SecondsSince(since_->load(std::memory_order_relaxed)); }

Age NewAge(const std::string& name, const std::string& help, const Labels& labels) {
  return Age(AllAges()->Add(name, help, labels));
}

}  // namespace tradewind::telemetry
