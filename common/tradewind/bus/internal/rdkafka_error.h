// The one reading of librdkafka's error codes as absl::Status.
#pragma once

#include <librdkafka/rdkafka.h>

#include <string_view>

#include "absl/status/status.h"

namespace tradewind::bus::internal {

// `what` says what was tried and on what: "commit of orders.events.v1-3". `detail` is the broker's or the library's own
// text where there is one. OK for RD_KAFKA_RESP_ERR_NO_ERROR.
//   Unavailable          a broker, leader or coordinator is away, or did not answer in time
//   Aborted              this member's ownership has ended
//   NotFound             no such topic or partition
//   AlreadyExists        the topic is there
//   PermissionDenied     the cluster refuses this client
//   FailedPrecondition   the client is not in a state for it, possibly in a moment
//   ResourceExhausted    the local queue is full
//   OutOfRange           the offset is not in the log
//   InvalidArgument      will be refused however often it is tried
//   Internal             the client has failed for good
//   Unknown              anything else
absl::Status ToStatus(rd_kafka_resp_err_t error, std::string_view what, std::string_view detail = {});

// The same for an error object, which may be null for OK. Does not take it over.
absl::Status ToStatus(const rd_kafka_error_t* error, std::string_view what);

}  // namespace tradewind::bus::internal
