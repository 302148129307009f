// Where in a request something is wrong, as callers are told it: lines[2].quantity. Used by the checks of a request.
#pragma once

#include <string>

#include "google/protobuf/message.h"

namespace tradewind::gateway {

// A chain on the stack, turned into text only for what is wrong.
struct FieldPath {
  const FieldPath* parent = nullptr;
  const google::protobuf::FieldDescriptor* field = nullptr;
  int index = -1;
  // For an element of a map.
  const google::protobuf::Message* map_entry = nullptr;
};

// Names from the outside in. Of an element of a map the key is shown, where it has no more than 40 bytes.
std::string TextOf(const FieldPath& path);

}  // namespace tradewind::gateway
