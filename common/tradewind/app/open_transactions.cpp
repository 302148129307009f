#include "tradewind/app/open_transactions.h"

#include <utility>

namespace tradewind {
namespace {

telemetry::Age AgeOf(const bus::LogEnd& end) {
  return telemetry::NewAge("tradewind_open_transaction_seconds",
                           "Since a transaction is open, behind whose beginning nothing is read.",
                           {{"topic", end.topic}, {"partition", std::to_string(end.partition)}});
}

}  // namespace

void OpenTransactions::Note(absl::Span<const bus::LogEnd> ends) {
  for (const bus::LogEnd& end : ends) {
    const auto known = open_.find({end.topic, end.partition});
    if (!end.HasOpenTransaction()) {
      if (known != open_.end()) known->second.age.End();
      continue;
    }
    if (known == open_.end()) {
      const Open open{end.stable, AgeOf(end)};
      open.age.Begin();
      open_.emplace(std::pair(end.topic, end.partition), open);
      continue;
    }
    if (known->second.stable != end.stable) known->second.age.End();
    known->second.stable = end.stable;
    known->second.age.Begin();
  }
}

}  // namespace tradewind
