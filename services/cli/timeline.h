// The path of one call through the mesh as a list of hops, and how it is shown.
#pragma once

#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <ostream>
#include <string>
#include <vector>

#include "tradewind/bus/record.h"

namespace tradewind::cli {

// Something that was seen on the way of a call.
struct Hop {
  // Since the call, when this process saw it, in milliseconds.
  double ms = 0;
  // An event type's full name, or what the client did.
  std::string what;
  // "topic-partition@offset" of a record, else empty.
  std::string where;
  // The record's own time, Unix milliseconds. What is not a record comes after those seen at the same time.
  int64_t logged_ms = std::numeric_limits<int64_t>::max();
};

// By time as it is shown. Records that came with one answer of the broker are seen at one time, in the order of their
// partitions: those are put by their own time. What is equal in both stays in the order given.
std::vector<Hop> Sorted(std::vector<Hop> hops);

// A line a hop, aligned: milliseconds, what, where.
void PrintTimeline(const std::vector<Hop>& hops, std::ostream& out, bool color);

// [{"ms": 1.2, "what": ..., "where": ...}]; "where" is left out where there is none.
nlohmann::ordered_json TimelineAsJson(const std::vector<Hop>& hops);

// What a record's headers call its type, fit to be shown: whoever wrote the record wrote them.
std::string HeaderType(const bus::Record& record);

// "4.2 ms".
std::string FormatMs(double ms);

}  // namespace tradewind::cli
