// The path of one call through the mesh as a list of hops, and how it is shown.
#pragma once

#include <nlohmann/json.hpp>
#include <ostream>
#include <string>
#include <vector>

namespace tradewind::cli {

// Something that was seen on the way of a call.
struct Hop {
  // Since the call, when this process saw it, in milliseconds.
  double ms = 0;
  // An event type's full name, or what the client did.
  std::string what;
  // "topic-partition@offset" of a record, else empty.
  std::string where;
};

// By time; hops of the same time stay in the order given.
std::vector<Hop> Sorted(std::vector<Hop> hops);

// A line a hop, aligned: milliseconds, what, where.
void PrintTimeline(const std::vector<Hop>& hops, std::ostream& out, bool color);

// [{"ms": 1.2, "what": ..., "where": ...}]; "where" is left out where there is none.
nlohmann::ordered_json TimelineAsJson(const std::vector<Hop>& hops);

// "4.2 ms".
std::string FormatMs(double ms);

}  // namespace tradewind::cli
