// One aggregate of a service's own, read outside of its handlers: for direct methods and effects.
#pragma once

#include <fmt/format.h>

#include <optional>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "tradewind/store/store.h"

namespace tradewind {

// Nothing where there is no aggregate of type State under the key. DataLoss where the stored bytes are none; otherwise
// what the store says. Blocks for a read of the store.
template <typename State>
absl::StatusOr<std::optional<State>> ReadAggregate(store::Reader& reader, std::string_view key) {
  const auto stored = reader.Get(State::descriptor()->full_name(), key);
  if (!stored.ok()) return stored.status();
  if (!stored->has_value()) return std::optional<State>();
  std::optional<State> state(std::in_place);
  if (!state->ParseFromString((*stored)->value)) {
    return absl::DataLossError(fmt::format("the stored {} does not parse", State::descriptor()->full_name()));
  }
  return state;
}

}  // namespace tradewind
