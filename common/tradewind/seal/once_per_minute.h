// Keeps a line that could be written at any rate down to one a minute.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

namespace tradewind::seal {

// Not thread-safe.
class OncePerMinute {
 public:
  // Counts an occurrence. Where a line may be written now, returns how many there were since the last one, this one
  // included.
  std::optional<int64_t> Take(std::chrono::steady_clock::time_point now) {
    ++untold_;
    if (next_.has_value() && now < *next_) return std::nullopt;
    next_ = now + std::chrono::minutes(1);
    const int64_t told = untold_;
    untold_ = 0;
    return told;
  }

 private:
  std::optional<std::chrono::steady_clock::time_point> next_;
  int64_t untold_ = 0;
};

}  // namespace tradewind::seal
