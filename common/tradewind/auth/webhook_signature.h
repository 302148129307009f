// Secrets and signatures of the Standard Webhooks specification, version 1 (https://www.standardwebhooks.com):
// HMAC-SHA256 over id, time and body. Used by whoever posts webhooks and by whoever takes callbacks. Thread-safe, does
// not block.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace tradewind::auth {

// What the specification advises: older or further ahead is refused.
inline constexpr absl::Duration kWebhookTolerance = absl::Minutes(5);

// Whether SignWebhook can sign by it: the base64 of 1 to 64 bytes, with or without "whsec_".
bool IsWebhookSecret(std::string_view secret);

// "v1,<base64>": the signature of id, time (seconds since 1970) and body. Empty where the secret is none. Pure.
std::string SignWebhook(std::string_view secret, std::string_view id, std::string_view timestamp,
                        std::string_view body);

// OK where one of `signatures` ("v1,<base64>", separated by spaces; other versions are passed over) is that of id,
// timestamp and body by one of the secrets, and the timestamp is within `tolerance` of `now`. Otherwise
// InvalidArgument where a header is missing or not as the specification has it, Unauthenticated where the timestamp is
// too old or too far ahead or no signature is right. How long it takes tells nothing of a secret.
absl::Status VerifyWebhook(std::span<const std::string> secrets, std::string_view id, std::string_view timestamp,
                           std::string_view signatures, std::string_view body, absl::Time now,
                           absl::Duration tolerance = kWebhookTolerance);

}  // namespace tradewind::auth
