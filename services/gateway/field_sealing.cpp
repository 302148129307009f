#include "services/gateway/field_sealing.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/time/clock.h"

#include "tradewind/ids/ids.h"

namespace tradewind::gateway {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// The new value of each field.
using Values = std::vector<std::pair<const FieldDescriptor*, std::string>>;

absl::StatusOr<std::string> MakeSecret(const FieldDescriptor& field, const SecretSeed& seed, const seal::Keys& keys) {
  const ids::Uuid once = ids::NewUuid(absl::Now());
  const std::string_view call = seed.request_id.empty() ? once.view() : seed.request_id;
  return keys.DeriveSecret({seed.caller, seed.method, field.name(), call});
}

absl::Status AddFingerprints(const CommandShape& shape, const seal::Keys& keys, const Message& command,
                             Values& values) {
  for (const CommandShape::Fingerprint& fingerprint : shape.fingerprints) {
    auto value = keys.Fingerprint(command.GetReflection()->GetString(command, fingerprint.of));
    if (!value.ok()) return value.status();
    values.emplace_back(fingerprint.field, *std::move(value));
  }
  return absl::OkStatus();
}

absl::Status AddSecrets(const CommandShape& shape, const SecretSeed& seed, const seal::Keys& keys, Values& values) {
  for (const FieldDescriptor* field : shape.secrets) {
    auto secret = MakeSecret(*field, seed, keys);
    if (!secret.ok()) return secret.status();
    values.emplace_back(field, *std::move(secret));
  }
  return absl::OkStatus();
}

// The value that the field is to have: the one that was made for it, or its own.
std::string ValueOf(const FieldDescriptor& field, const Message& command, const Values& values) {
  for (const auto& [made, value] : values) {
    if (made == &field) return value;
  }
  return command.GetReflection()->GetString(command, &field);
}

}  // namespace

absl::Status SealFields(const CommandShape& shape, const SecretSeed& seed, const seal::Keys& keys, Message& command) {
  Values values;
  if (absl::Status added = AddFingerprints(shape, keys, command, values); !added.ok()) return added;
  if (absl::Status added = AddSecrets(shape, seed, keys, values); !added.ok()) return added;
  for (const FieldDescriptor* field : shape.sealed) {
    const std::string clear = ValueOf(*field, command, values);
    if (clear.empty()) continue;
    auto sealed = keys.Seal(command.GetReflection()->GetString(command, shape.subject), clear);
    if (!sealed.ok()) return sealed.status();
    // Behind the clear value that was made for it, and so what stays.
    values.emplace_back(field, *std::move(sealed));
  }
  for (auto& [field, value] : values) command.GetReflection()->SetString(&command, field, std::move(value));
  return absl::OkStatus();
}

}  // namespace tradewind::gateway
