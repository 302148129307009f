#include "tradewind/config/nearest.h"

#include <algorithm>

namespace tradewind::config {
namespace {

std::string_view LastPart(std::string_view path) {
  std::size_t dot = path.rfind('.');
  return dot == std::string_view::npos ? path : path.substr(dot + 1);
}

}  // namespace

std::size_t EditDistance(std::string_view a, std::string_view b) {
  // Optimal string alignment over three rows: the one being filled and the two before it, for swaps.
  std::vector<std::size_t> before(b.size() + 1);
  std::vector<std::size_t> last(b.size() + 1);
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    before.swap(last);
    last.swap(row);
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      std::size_t replaced = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({replaced, last[j] + 1, row[j - 1] + 1});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before[j - 2] + 1);
      }
    }
  }
  return row[b.size()];
}

std::optional<std::string> Nearest(std::string_view name, const std::vector<std::string>& candidates,
                                   std::size_t limit) {
  std::optional<std::string> nearest;
  std::size_t fewest = limit + 1;
  for (const std::string& candidate : candidates) {
    std::size_t distance = EditDistance(name, candidate);
    if (distance < fewest) {
      fewest = distance;
      nearest = candidate;
    }
  }
  return nearest;
}

std::optional<std::string> NearestSetting(std::string_view name, const std::vector<std::string>& candidates) {
  if (auto nearest = Nearest(name, candidates, std::max<std::size_t>(2, name.size() / 3))) return nearest;
  for (const std::string& candidate : candidates) {
    if (LastPart(candidate) == LastPart(name)) return candidate;
  }
  return std::nullopt;
}

}  // namespace tradewind::config
