// What is said between the payment service and a provider behind HTTP, as JSON. The protocol is Tradewind's own, put
// before a provider by an adapter where it speaks another one; services/payment/README.md tells it to whoever writes
// that. Pure.
//
// Asking:  POST <url>/v1/operations          Idempotency-Key: <operation_id>     Authorization: Bearer <key>
//            {"operation": "authorize" | "capture" | "void" | "refund", "order_id", "operation_id",
//             "amount": {"currency_code", "units", "nanos"}, "payment_token" (authorize), "reference" (the others)}
//          200 {"result": "done" | "declined", "reference" (of an authorization that is done), "reason"}
//          202 undecided, 408, 409, 425, 429 and 5xx not now: asked again with the same key
//          any other 4xx: the request is not understood, which asking again will hardly change
// Telling: POST <callback_address>/v1/callbacks, signed by Standard Webhooks (callback_calls.h)
//            {"order_id", "operation_id", "result", "reference", "reason"}
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "services/payment/payment_provider.h"
#include "tradewind/payment/v1/events.pb.h"

namespace tradewind::payment {

// Bytes of a reference, an id, and of a reason that a provider gives.
inline constexpr size_t kMostReferenceBytes = 255;
inline constexpr size_t kMostReasonBytes = 500;

// The body of a request.
std::string OperationBody(const ProviderCall& call);

// What an answer means; `ask_again` goes into one that is undecided. FailedPrecondition where the provider does not
// understand the request, Unavailable where it cannot answer now, Internal where its answer is not of the protocol: in
// all three, nothing is known of the outcome.
absl::StatusOr<ProviderAnswer> ReadAnswer(const ProviderCall& call, int status, const std::string& body,
                                          absl::Duration ask_again);

// The command that a callback stands for. InvalidArgument, for the provider's people, where it is not of the protocol.
absl::StatusOr<v1::ReportOperationRequest> ReadCallback(const std::string& body);

}  // namespace tradewind::payment
