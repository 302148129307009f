// Latencies of one run and their percentiles. Not thread-safe: one for each thread, merged at the end.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "nlohmann/json.hpp"

namespace bench {

class Latencies {
 public:
  void Add(int64_t microseconds) { values_.push_back(static_cast<uint32_t>(microseconds)); }
  void Merge(const Latencies& other) { values_.insert(values_.end(), other.values_.begin(), other.values_.end()); }
  size_t size() const { return values_.size(); }

  // p50_us, p99_us, p999_us and max_us (nearest rank), put into `json`. Nothing where there are no values.
  void Report(nlohmann::json& json) {
    if (values_.empty()) return;
    std::sort(values_.begin(), values_.end());
    json["p50_us"] = At(0.50);
    json["p99_us"] = At(0.99);
    json["p999_us"] = At(0.999);
    json["max_us"] = values_.back();
  }

 private:
  uint32_t At(double share) const {
    const auto rank = static_cast<size_t>(share * static_cast<double>(values_.size()));
    return values_[std::min(rank, values_.size() - 1)];
  }

  std::vector<uint32_t> values_;
};

}  // namespace bench
