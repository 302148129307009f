// Keys::OpenFields: finds what may be sealed by the options of the fields.
#include "google/protobuf/message.h"

#include "tradewind/mesh/v1/options.pb.h"
#include "tradewind/seal/keys.h"

namespace tradewind::seal {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

bool MayBeSealed(const FieldDescriptor& field) {
  return field.type() == FieldDescriptor::TYPE_STRING &&
         field.options().GetExtension(mesh::v1::field).sensitive() == mesh::v1::SENSITIVE_SEAL;
}

absl::Status OpenString(const Keys& keys, absl::Duration patience, Message& message, const FieldDescriptor& field) {
  const Reflection& reflection = *message.GetReflection();
  const int count = field.is_repeated() ? reflection.FieldSize(message, &field) : 1;
  for (int i = 0; i < count; ++i) {
    const absl::StatusOr<std::string> opened = keys.Open(
        field.is_repeated() ? reflection.GetRepeatedString(message, &field, i) : reflection.GetString(message, &field),
        patience);
    if (!opened.ok()) return opened.status();
    if (field.is_repeated()) {
      reflection.SetRepeatedString(&message, &field, i, *opened);
    } else {
      reflection.SetString(&message, &field, *opened);
    }
  }
  return absl::OkStatus();
}

absl::Status OpenInside(const Keys& keys, absl::Duration patience, Message& message, const FieldDescriptor& field) {
  const Reflection& reflection = *message.GetReflection();
  if (!field.is_repeated()) return keys.OpenFields(*reflection.MutableMessage(&message, &field), patience);
  for (int i = 0; i < reflection.FieldSize(message, &field); ++i) {
    absl::Status opened = keys.OpenFields(*reflection.MutableRepeatedMessage(&message, &field, i), patience);
    if (!opened.ok()) return opened;
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status Keys::OpenFields(Message& message, absl::Duration patience) const {
  std::vector<const FieldDescriptor*> present;
  message.GetReflection()->ListFields(message, &present);
  for (const FieldDescriptor* field : present) {
    absl::Status opened;
    if (MayBeSealed(*field)) {
      opened = OpenString(*this, patience, message, *field);
    } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      opened = OpenInside(*this, patience, message, *field);
    }
    if (!opened.ok()) return opened;
  }
  return absl::OkStatus();
}

}  // namespace tradewind::seal
