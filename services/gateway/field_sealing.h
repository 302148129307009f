// What a command's fields become before it goes on the log where their options say SENSITIVE_SEAL, fingerprint_of or
// generated_secret.
#pragma once

#include <string_view>

#include "absl/status/status.h"
#include "google/protobuf/message.h"

#include "services/gateway/command_shape.h"
#include "tradewind/seal/keys.h"

namespace tradewind::gateway {

// What makes a generated secret: the same for every repeat of a call with a request_id, else never the same.
struct SecretSeed {
  std::string_view caller;
  std::string_view method;
  std::string_view request_id;
};

// Changes nothing unless it returns OK. NotFound where the subject has no key yet: have it made by Keys::Prepare and
// call again. FailedPrecondition where the subject was erased.
absl::Status SealFields(const CommandShape& shape, const SecretSeed& seed, const seal::Keys& keys,
                        google::protobuf::Message& command);

}  // namespace tradewind::gateway
