// What a caller is told where a command has no outcome: the same words at the gateway and in a service's direct
// methods.
#pragma once

#include <string_view>

#include "tradewind/errors/problem.h"

namespace google::rpc {
class Status;
}

namespace tradewind::commands {

// UNAVAILABLE, NOT_ACCEPTED: Kafka certainly does not have the command.
errors::Problem NotAccepted();

// DEADLINE_EXCEEDED, OUTCOME_PENDING: nobody can tell yet whether it takes effect.
errors::Problem OutcomePending(std::string_view why, bool has_request_id);

// Whether an error in a reply is the decision of a service on this very command: one that will be given again to
// whoever repeats the call. Not so where the command waits or was set aside and may still take effect, nor where the
// request_id belongs to another command.
bool IsDecided(const google::rpc::Status& error);
// Whether an error in a reply says that the command waits, and that another reply is to come.
bool IsPending(const google::rpc::Status& error);

}  // namespace tradewind::commands
