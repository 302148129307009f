// The gateway's own refusals, counted by reason in tradewind_gateway_refused_calls_total and logged at most once a
// minute for each reason: a search for passwords or tokens shows, and cannot fill the log.
#pragma once

#include <string_view>

namespace tradewind::gateway {

// `reason`: one of the gateway's own, which are few. Thread-safe.
void CountRefusal(std::string_view reason, std::string_view method);

}  // namespace tradewind::gateway
