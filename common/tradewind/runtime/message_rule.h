// Where a message type travels, read from its options: topic and key field.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace google::protobuf {
class Descriptor;
class FieldDescriptor;
class Message;
}  // namespace google::protobuf

namespace tradewind::runtime {

struct MessageRoute {
  // Without prefix.
  std::string topic;
  // A singular string field; never null.
  const google::protobuf::FieldDescriptor* key = nullptr;

  // The view lives as long as `message`; `scratch` is used where the field is not stored as a plain string.
  std::string_view KeyOf(const google::protobuf::Message& message, std::string& scratch) const;
};

// InvalidArgument, naming the type and what is missing, when the options do not say where it goes.
absl::StatusOr<MessageRoute> RouteOf(const google::protobuf::Descriptor* type);

}  // namespace tradewind::runtime
