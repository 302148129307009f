// The service's own aggregates as effects read them: what a delivery needs is looked up when it is made, so that
// addresses and secrets are on no topic and a delivery that is known to be done is not made again.
#pragma once

#include <atomic>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "tradewind/app/read_aggregate.h"
#include "tradewind/store/store.h"

namespace tradewind::notification {

// Thread-safe.
class StoreView {
 public:
  // `reader` outlives the view. To be called before any effect runs.
  void Open(store::Reader& reader) { reader_ = &reader; }

  // Nothing where there is no such aggregate. Blocks for a read of the store.
  template <typename State>
  absl::StatusOr<std::optional<State>> Get(std::string_view key) const {
    store::Reader* reader = reader_;
    if (reader == nullptr) return absl::UnavailableError("the store is not open yet");
    return ReadAggregate<State>(*reader, key);
  }

 private:
  std::atomic<store::Reader*> reader_ = nullptr;
};

}  // namespace tradewind::notification
