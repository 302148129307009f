#include "services/gateway/command_shape.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_set>

#include "absl/strings/str_split.h"

#include "services/gateway/message_rules.h"
#include "tradewind/mesh/v1/options.pb.h"

namespace tradewind::gateway {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::MethodDescriptor;

constexpr const char* kRequestIdField = "request_id";
constexpr const char* kIdField = "id";
constexpr std::string_view kIdSuffix = "_id";

bool IsSingleString(const FieldDescriptor& field) {
  return field.type() == FieldDescriptor::TYPE_STRING && !field.is_repeated();
}

bool IsGenerated(const FieldDescriptor& field) {
  return RuleOf(field).generated() || RuleOf(field).generated_unless_given();
}

bool IsHashed(const FieldDescriptor& field) { return RuleOf(field).sensitive() == mesh::v1::SENSITIVE_HASH; }

bool IsSealed(const FieldDescriptor& field) { return RuleOf(field).sensitive() == mesh::v1::SENSITIVE_SEAL; }

bool IsFilledIn(const FieldDescriptor& field) {
  return !RuleOf(field).fingerprint_of().empty() || RuleOf(field).generated_secret();
}

absl::Status ForTopOfCommand(const FieldDescriptor& field, std::string_view option) {
  return absl::FailedPreconditionError(
      fmt::format("{}: {} is for single string fields at the top of a command; move or change the field",
                  field.full_name(), option));
}

absl::Status RefuseOptions(const Descriptor& type, bool is_command, bool is_top,
                           std::unordered_set<const Descriptor*>& seen) {
  if (!is_top && !seen.insert(&type).second) {
    return absl::OkStatus();
  }
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    const bool allowed = is_top && is_command;
    const bool fits = allowed && IsSingleString(field);
    if (IsHashed(field) && !fits) return ForTopOfCommand(field, "SENSITIVE_HASH");
    if (IsSealed(field) && !fits) return ForTopOfCommand(field, "SENSITIVE_SEAL");
    if (IsFilledIn(field) && !fits) return ForTopOfCommand(field, "fingerprint_of or generated_secret");
    if (IsGenerated(field) && !allowed) {
      return absl::FailedPreconditionError(
          fmt::format("{}: generated is for the key field of a command; remove the option", field.full_name()));
    }
    if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      if (absl::Status status = RefuseOptions(*field.message_type(), is_command, false, seen); !status.ok()) {
        return status;
      }
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<const FieldDescriptor*> KeyOf(const Descriptor& request, const mesh::v1::MessageRule& rule) {
  const FieldDescriptor* key = request.FindFieldByName(rule.key());
  if (key == nullptr || !IsSingleString(*key)) {
    return absl::FailedPreconditionError(
        fmt::format("{}: the key '{}' of its (tradewind.mesh.v1.message) option is not a single string field of it",
                    request.full_name(), rule.key()));
  }
  if (!IsGenerated(*key) && !RuleOf(*key).required()) {
    return absl::FailedPreconditionError(
        fmt::format("{}: the key of a command must be marked required or generated", key->full_name()));
  }
  return key;
}

// The single string field that an option of `of` names.
absl::StatusOr<const FieldDescriptor*> NamedField(const Descriptor& request, std::string_view of,
                                                  const std::string& name) {
  const FieldDescriptor* field = request.FindFieldByName(name);
  if (field == nullptr || !IsSingleString(*field)) {
    return absl::FailedPreconditionError(
        fmt::format("{}: '{}' is not a single string field of {}; correct the option", of, name, request.full_name()));
  }
  return field;
}

// What is named by a field: by "user_id" a user, by "id" whatever the package of the command is about.
std::string KindOf(const FieldDescriptor& field) {
  const std::string_view name = field.name();
  if (name.size() > kIdSuffix.size() && name.ends_with(kIdSuffix)) {
    return std::string(name.substr(0, name.size() - kIdSuffix.size()));
  }
  const std::vector<std::string> parts = absl::StrSplit(field.file()->package(), '.');
  return parts.size() > 1 ? parts[parts.size() - 2] : "subject";
}

absl::Status AddSealing(const Descriptor& request, const mesh::v1::MessageRule& rule, CommandShape& shape) {
  for (int i = 0; i < request.field_count(); ++i) {
    const FieldDescriptor& field = *request.field(i);
    if (IsSealed(field)) shape.sealed.push_back(&field);
    if (RuleOf(field).generated_secret()) shape.secrets.push_back(&field);
    if (const std::string& of = RuleOf(field).fingerprint_of(); !of.empty()) {
      const auto source = NamedField(request, fmt::format("{}: fingerprint_of", field.full_name()), of);
      if (!source.ok()) return source.status();
      shape.fingerprints.push_back({.field = &field, .of = *source});
    }
  }
  if (shape.sealed.empty() && rule.subject().empty()) return absl::OkStatus();
  const std::string_view why = shape.sealed.empty() ? "" : " has SENSITIVE_SEAL fields";
  const auto subject = NamedField(request, fmt::format("{}{}: subject", request.full_name(), why), rule.subject());
  if (!subject.ok()) return subject.status();
  if (!IsGenerated(**subject) && !RuleOf(**subject).required()) {
    return absl::FailedPreconditionError(
        fmt::format("{}: the subject of a command must be marked required or generated", (*subject)->full_name()));
  }
  shape.subject = *subject;
  shape.subject_is_created = IsGenerated(**subject);
  shape.subject_kind = KindOf(**subject);
  return absl::OkStatus();
}

}  // namespace

absl::Status RefuseDeepOptions(const Descriptor& request, bool is_command) {
  std::unordered_set<const Descriptor*> seen;
  return RefuseOptions(request, is_command, true, seen);
}

bool MayHoldSealed(const Descriptor& type) {
  std::vector<const Descriptor*> types = {&type};
  // Grows while it is walked.
  for (size_t next = 0; next < types.size(); ++next) {
    for (int i = 0; i < types[next]->field_count(); ++i) {
      const FieldDescriptor& field = *types[next]->field(i);
      if (IsSealed(field)) return true;
      const Descriptor* inside = field.message_type();
      if (inside != nullptr && std::find(types.begin(), types.end(), inside) == types.end()) types.push_back(inside);
    }
  }
  return false;
}

absl::StatusOr<CommandShape> ShapeOf(const MethodDescriptor& method) {
  const Descriptor& request = *method.input_type();
  const mesh::v1::MessageRule& rule = request.options().GetExtension(mesh::v1::message);
  if (rule.topic().empty() || rule.key().empty()) {
    return absl::FailedPreconditionError(
        fmt::format("{} is a command, but {} has no (tradewind.mesh.v1.message) option with topic and key; add it",
                    method.full_name(), request.full_name()));
  }
  const absl::StatusOr<const FieldDescriptor*> key = KeyOf(request, rule);
  if (!key.ok()) {
    return key.status();
  }
  CommandShape shape{.topic = rule.topic(), .key = *key, .key_is_generated = IsGenerated(**key)};
  for (int i = 0; i < request.field_count(); ++i) {
    const FieldDescriptor& field = *request.field(i);
    if (IsHashed(field)) {
      shape.hashed.push_back(&field);
    }
    if (IsGenerated(field) && &field != shape.key) {
      return absl::FailedPreconditionError(
          fmt::format("{}: generated is for the key field of a command; remove the option", field.full_name()));
    }
  }
  if (absl::Status status = AddSealing(request, rule, shape); !status.ok()) {
    return status;
  }
  shape.request_id = request.FindFieldByName(kRequestIdField);
  if (shape.request_id != nullptr &&
      (!IsSingleString(*shape.request_id) || RuleOf(*shape.request_id).format() != mesh::v1::FORMAT_UUID)) {
    // Without authentication the id alone tells one caller's request from another's, so it has to be hard to guess.
    return absl::FailedPreconditionError(
        fmt::format("{}: a request_id must be a string with format: FORMAT_UUID", shape.request_id->full_name()));
  }
  const FieldDescriptor* id = method.output_type()->FindFieldByName(kIdField);
  shape.response_id_number = id != nullptr && IsSingleString(*id) ? id->number() : 0;
  return shape;
}

}  // namespace tradewind::gateway
