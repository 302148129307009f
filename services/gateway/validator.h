// Checks a request against the rules of its type, before anything reaches Kafka or another service. Pure.
#pragma once

#include <vector>

#include "google/protobuf/message.h"

#include "services/gateway/message_rules.h"
#include "tradewind/errors/problem.h"

namespace tradewind::gateway {

// More violations than this in one request are counted, not listed: the answer has to fit into HTTP/2 headers.
inline constexpr size_t kMaxListedViolations = 20;

// Every rule the message breaks; empty where it is fine. Never repeats a value, which may be sensitive. Thread-safe;
// allocates nothing for a message that is fine.
std::vector<errors::FieldViolation> Validate(const MessageRules& rules, const google::protobuf::Message& message);

// 8-4-4-4-12 hexadecimal digits.
bool IsUuid(std::string_view text);

// local@domain with one dot or more in the domain, at most 254 bytes.
bool IsEmail(std::string_view text);

}  // namespace tradewind::gateway
