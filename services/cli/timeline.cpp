#include "services/cli/timeline.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "services/cli/text.h"
#include "tradewind/bus/envelope.h"

namespace tradewind::cli {

std::vector<Hop> Sorted(std::vector<Hop> hops) {
  std::stable_sort(hops.begin(), hops.end(), [](const Hop& a, const Hop& b) {
    return std::pair(std::llround(a.ms * 10), a.logged_ms) < std::pair(std::llround(b.ms * 10), b.logged_ms);
  });
  return hops;
}

void PrintTimeline(const std::vector<Hop>& hops, std::ostream& out, bool color) {
  Table table({{"MS", true}, {"WHAT"}, {"WHERE"}});
  for (const Hop& hop : hops) {
    table.AddRow({fmt::format("{:.1f}", hop.ms), hop.what, hop.where});
  }
  table.Print(out, color);
}

nlohmann::ordered_json TimelineAsJson(const std::vector<Hop>& hops) {
  auto list = nlohmann::ordered_json::array();
  for (const Hop& hop : hops) {
    // Whole microseconds: more digits would claim more than was measured.
    nlohmann::ordered_json item = {{"ms", std::round(hop.ms * 1000) / 1000}, {"what", hop.what}};
    if (!hop.where.empty()) {
      item["where"] = hop.where;
    }
    list.push_back(std::move(item));
  }
  return list;
}

std::string HeaderType(const bus::Record& record) { return Printable(record.header(bus::kTypeHeader)); }

std::string FormatMs(double ms) { return fmt::format("{:.1f} ms", ms); }

}  // namespace tradewind::cli
