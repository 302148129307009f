// Secrets and signatures of the Standard Webhooks specification, version 1: HMAC-SHA256.
#pragma once

#include <string>
#include <string_view>

namespace tradewind::notification {

// "whsec_" and the base64 of 32 random bytes. Thread-safe.
std::string NewWebhookSecret();

// "v1,<base64>": the signature of id, time (seconds since 1970) and body. Empty where the secret is none. Pure.
std::string SignWebhook(std::string_view secret, std::string_view id, std::string_view timestamp,
                        std::string_view body);

}  // namespace tradewind::notification
