// The nearest known name to one that nobody knows, for "did you mean" in messages to a person. Pure functions.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tradewind::config {

// How many letters must be inserted, removed, replaced or swapped with their neighbour to make `b` of `a`.
std::size_t EditDistance(std::string_view a, std::string_view b);

// The candidate that takes the fewest edits, and at most `limit`. The first of equals.
std::optional<std::string> Nearest(std::string_view name, const std::vector<std::string>& candidates,
                                   std::size_t limit);

// As Nearest, for the name of a setting: a third of its letters may differ. Where nothing is that near, a candidate
// whose last part is the same ("brokers" for "kafka.brokers").
std::optional<std::string> NearestSetting(std::string_view name, const std::vector<std::string>& candidates);

}  // namespace tradewind::config
