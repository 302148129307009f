// What the consumer groups of a service read and emit, as a text for programs: `tradewind-<service> --print-topology`.
// The documents under docs/ are made from it, so that they say what the code does.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tradewind/runtime/group.h"

namespace tradewind {

// As the only argument. Not in --help: it is for the build of the documents, not for who runs a service.
inline constexpr std::string_view kPrintTopologyFlag = "--print-topology";

// {"groups": [{"name", "reads", "rekeyed", "emits"}]}: full names of message types. `rekeyed` lists those of `reads`
// that go through the group's own topic first. Timers, replies and notices of the dead are not in it.
std::string TopologyText(const std::vector<const runtime::Group*>& groups);

}  // namespace tradewind
