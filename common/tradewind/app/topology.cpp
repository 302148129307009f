#include "tradewind/app/topology.h"

#include <nlohmann/json.hpp>

namespace tradewind {

std::string TopologyText(const std::vector<const runtime::Group*>& groups) {
  nlohmann::ordered_json topology = {{"groups", nlohmann::ordered_json::array()}};
  for (const runtime::Group* group : groups) {
    std::vector<std::string> rekeyed;
    for (const std::string& type : group->input_types()) {
      if (group->Find(type)->rekey != nullptr) rekeyed.push_back(type);
    }
    topology["groups"].push_back({{"name", group->name()},
                                  {"reads", group->input_types()},
                                  {"rekeyed", rekeyed},
                                  {"emits", group->output_types()}});
  }
  return topology.dump(2) + "\n";
}

}  // namespace tradewind
