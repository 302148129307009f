#include "services/gateway/message_rules.h"

#include <fmt/format.h>

namespace tradewind::gateway {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using mesh::v1::FieldRule;

constexpr uint32_t kDefaultMaxLength = 1024;
constexpr uint32_t kDefaultMaxItems = 1000;

bool IsText(const FieldDescriptor& field) { return field.cpp_type() == FieldDescriptor::CPPTYPE_STRING; }

bool IsString(const FieldDescriptor& field) { return field.type() == FieldDescriptor::TYPE_STRING; }

bool IsInteger(const FieldDescriptor& field) {
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
    case FieldDescriptor::CPPTYPE_INT64:
    case FieldDescriptor::CPPTYPE_UINT32:
    case FieldDescriptor::CPPTYPE_UINT64:
      return true;
    default:
      return false;
  }
}

absl::Status Refuse(const FieldDescriptor& field, std::string_view why) {
  return absl::FailedPreconditionError(fmt::format("{}: {}; correct the field's options", field.full_name(), why));
}

absl::Status CheckMeaning(const FieldDescriptor& field, const FieldRule& rule) {
  if ((rule.min_length() != 0 || rule.max_length() != 0) && !IsText(field)) {
    return Refuse(field, "min_length and max_length are for strings and bytes");
  }
  if (rule.max_length() != 0 && rule.min_length() > rule.max_length()) {
    return Refuse(field, "min_length is greater than max_length");
  }
  if (rule.max_items() != 0 && !field.is_repeated()) {
    return Refuse(field, "max_items is for repeated fields");
  }
  if ((rule.has_minimum() || rule.has_maximum()) && !IsInteger(field)) {
    return Refuse(field, "minimum and maximum are for integers");
  }
  if (rule.has_minimum() && rule.has_maximum() && rule.minimum() > rule.maximum()) {
    return Refuse(field, "minimum is greater than maximum");
  }
  if (rule.format() != mesh::v1::FORMAT_UNSPECIFIED && !IsString(field)) {
    return Refuse(field, "format is for strings");
  }
  if (rule.required() && field.cpp_type() == FieldDescriptor::CPPTYPE_BOOL && !field.is_repeated() &&
      !field.has_presence()) {
    return Refuse(field, "required has no meaning for a bool that is not optional");
  }
  if ((rule.generated() || rule.generated_unless_given()) && (!IsString(field) || field.is_repeated())) {
    return Refuse(field, "generated is for single strings");
  }
  return absl::OkStatus();
}

FieldCheck ToCheck(const FieldDescriptor& field, const FieldRule& rule) {
  FieldCheck check{.field = &field,
                   .required = rule.required(),
                   .generated = rule.generated() || rule.generated_secret() || !rule.fingerprint_of().empty(),
                   .min_length = rule.min_length(),
                   .max_length = rule.max_length() != 0 ? rule.max_length() : kDefaultMaxLength,
                   .max_items = rule.max_items() != 0 ? rule.max_items() : kDefaultMaxItems,
                   .format = rule.format()};
  if (rule.has_minimum()) {
    check.minimum = rule.minimum();
  }
  if (rule.has_maximum()) {
    check.maximum = rule.maximum();
  }
  return check;
}

bool CanBeWrong(const FieldCheck& check) {
  return check.required || check.field->is_repeated() || IsText(*check.field) || check.minimum.has_value() ||
         check.maximum.has_value() || check.nested != nullptr;
}

}  // namespace

const FieldRule& RuleOf(const FieldDescriptor& field) { return field.options().GetExtension(mesh::v1::field); }

absl::StatusOr<const MessageRules*> RuleSet::Compile(const Descriptor& type) {
  const auto [entry, added] = rules_.try_emplace(&type);
  if (!added) {
    return entry->second.get();
  }
  // In place before the fields are looked at, so that a type may contain itself.
  entry->second = std::make_unique<MessageRules>();
  MessageRules& rules = *entry->second;
  rules.is_money = type.full_name() == "google.type.Money";
  if (rules.is_money) {
    return &rules;
  }
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    const FieldRule& rule = RuleOf(field);
    if (absl::Status status = CheckMeaning(field, rule); !status.ok()) {
      return status;
    }
    FieldCheck check = ToCheck(field, rule);
    if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      absl::StatusOr<const MessageRules*> nested = Compile(*field.message_type());
      if (!nested.ok()) {
        return nested.status();
      }
      check.nested = *nested;
    }
    if (CanBeWrong(check)) {
      rules.checks.push_back(check);
    }
  }
  return &rules;
}

}  // namespace tradewind::gateway
