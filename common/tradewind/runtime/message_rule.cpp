#include "tradewind/runtime/message_rule.h"

#include <fmt/format.h>

#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"

#include "tradewind/mesh/v1/options.pb.h"

namespace tradewind::runtime {

using google::protobuf::FieldDescriptor;

std::string_view MessageRoute::KeyOf(const google::protobuf::Message& message, std::string& scratch) const {
  return message.GetReflection()->GetStringReference(message, key, &scratch);
}

absl::StatusOr<MessageRoute> RouteOf(const google::protobuf::Descriptor* type) {
  const auto& rule = type->options().GetExtension(mesh::v1::message);
  if (rule.topic().empty() || rule.key().empty()) {
    return absl::InvalidArgumentError(fmt::format(
        "{} has no (tradewind.mesh.v1.message) option with topic and key; add it to the proto", type->full_name()));
  }
  const FieldDescriptor* key = type->FindFieldByName(rule.key());
  if (key == nullptr || key->is_repeated() || key->type() != FieldDescriptor::TYPE_STRING) {
    return absl::InvalidArgumentError(fmt::format(
        "{}: its message option names '{}' as key, which is not a string field of it", type->full_name(), rule.key()));
  }
  return MessageRoute{.topic = rule.topic(), .key = key};
}

}  // namespace tradewind::runtime
