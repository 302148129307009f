#include "services/gateway/field_path.h"

#include <fmt/format.h>

namespace tradewind::gateway {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

constexpr size_t kMaxShownMapKey = 40;

std::string MapKeyText(const Message& entry) {
  const FieldDescriptor* key = entry.GetDescriptor()->map_key();
  const Reflection& reflection = *entry.GetReflection();
  switch (key->cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING: {
      std::string text = reflection.GetString(entry, key);
      return text.size() <= kMaxShownMapKey ? text : "...";
    }
    case FieldDescriptor::CPPTYPE_INT32:
      return std::to_string(reflection.GetInt32(entry, key));
    case FieldDescriptor::CPPTYPE_INT64:
      return std::to_string(reflection.GetInt64(entry, key));
    case FieldDescriptor::CPPTYPE_UINT32:
      return std::to_string(reflection.GetUInt32(entry, key));
    case FieldDescriptor::CPPTYPE_UINT64:
      return std::to_string(reflection.GetUInt64(entry, key));
    default:
      return reflection.GetBool(entry, key) ? "true" : "false";
  }
}

void AppendPath(const FieldPath& path, std::string& text) {
  if (path.parent != nullptr) {
    AppendPath(*path.parent, text);
  }
  if (path.field == nullptr) {
    return;
  }
  if (!text.empty()) {
    text += '.';
  }
  text += path.field->name();
  if (path.map_entry != nullptr) {
    text += fmt::format("[\"{}\"]", MapKeyText(*path.map_entry));
  } else if (path.index >= 0) {
    text += fmt::format("[{}]", path.index);
  }
}

}  // namespace

std::string TextOf(const FieldPath& path) {
  std::string text;
  AppendPath(path, text);
  return text;
}

}  // namespace tradewind::gateway
