#include "services/gateway/unknown_fields.h"

#include <fmt/format.h>

#include <memory>
#include <string>
#include <utility>

#include "google/protobuf/unknown_field_set.h"

#include "services/gateway/field_path.h"
#include "services/gateway/validator.h"

namespace tradewind::gateway {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
using google::protobuf::UnknownFieldSet;

// Protobuf's own limit for one message; what an Any holds starts that anew.
constexpr int kMaxDepth = 100;
constexpr size_t kMaxShownType = 100;

class Walk {
 public:
  // Whether anything was dropped, at any depth.
  bool Take(Message& message, const FieldPath& path, int depth) {
    if (depth > kMaxDepth) {
      Report(TextOf(path), fmt::format("is nested more than {} deep", kMaxDepth));
      return false;
    }
    bool dropped = TakeOwn(message, path);
    const Descriptor& type = *message.GetDescriptor();
    for (int i = 0; i < type.field_count(); ++i) {
      const FieldDescriptor& field = *type.field(i);
      if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
        dropped = TakeInside(message, field, path, depth) || dropped;
      }
    }
    if (type.full_name() == "google.protobuf.Any") {
      dropped = TakeAny(message, path, depth) || dropped;
    }
    return dropped;
  }

  std::vector<errors::FieldViolation> Violations() {
    if (unlisted_ > 0) {
      violations_.push_back({.field = "", .description = fmt::format("and {} more", unlisted_)});
    }
    return std::move(violations_);
  }

 private:
  void Report(std::string field, std::string description) {
    if (violations_.size() >= kMaxListedViolations) {
      ++unlisted_;
      return;
    }
    violations_.push_back({.field = std::move(field), .description = std::move(description)});
  }

  bool TakeOwn(Message& message, const FieldPath& path) {
    const Reflection& reflection = *message.GetReflection();
    const UnknownFieldSet& unknown = reflection.GetUnknownFields(message);
    if (unknown.empty()) {
      return false;
    }
    for (int i = 0; i < unknown.field_count(); ++i) {
      const int number = unknown.field(i).number();
      if (!message.GetDescriptor()->IsReservedNumber(number)) {
        ReportNumber(message, path, number);
      }
    }
    reflection.MutableUnknownFields(&message)->Clear();
    return true;
  }

  void ReportNumber(const Message& message, const FieldPath& path, int number) {
    if (violations_.size() >= kMaxListedViolations) {
      ++unlisted_;
      return;
    }
    const std::string parent = TextOf(path);
    const FieldDescriptor* known = message.GetDescriptor()->FindFieldByNumber(number);
    Report(fmt::format("{}{}{}", parent, parent.empty() ? "" : ".", number),
           known == nullptr
               ? fmt::format("field {} of {} is not known here; leave it out, or have the gateway upgraded first",
                             number, message.GetDescriptor()->full_name())
               : fmt::format("field {} of {} is '{}' and was sent with another type", number,
                             message.GetDescriptor()->full_name(), known->name()));
  }

  bool TakeInside(Message& message, const FieldDescriptor& field, const FieldPath& path, int depth) {
    const Reflection& reflection = *message.GetReflection();
    if (!field.is_repeated()) {
      return reflection.HasField(message, &field) &&
             Take(*reflection.MutableMessage(&message, &field), {.parent = &path, .field = &field}, depth + 1);
    }
    bool dropped = false;
    const int size = reflection.FieldSize(message, &field);
    for (int i = 0; i < size; ++i) {
      Message& element = *reflection.MutableRepeatedMessage(&message, &field, i);
      const FieldPath inside{
          .parent = &path, .field = &field, .index = i, .map_entry = field.is_map() ? &element : nullptr};
      dropped = Take(element, inside, depth + 1) || dropped;
    }
    return dropped;
  }

  // The payload is bytes to whoever parses the Any, so it is parsed, looked through and written anew.
  bool TakeAny(Message& any, const FieldPath& path, int depth) {
    const Reflection& reflection = *any.GetReflection();
    const FieldDescriptor* value = any.GetDescriptor()->FindFieldByNumber(2);
    const std::string url = reflection.GetString(any, any.GetDescriptor()->FindFieldByNumber(1));
    const std::string bytes = reflection.GetString(any, value);
    if (url.empty() && bytes.empty()) {
      return false;
    }
    const std::string name = url.substr(url.rfind('/') + 1);
    const Descriptor* type = any.GetDescriptor()->file()->pool()->FindMessageTypeByName(name);
    if (type == nullptr) {
      Report(TextOf(path), fmt::format("holds a message of type '{}', which is not known here",
                                       name.size() <= kMaxShownType ? name : "..."));
      return false;
    }
    const std::unique_ptr<Message> payload(reflection.GetMessageFactory()->GetPrototype(type)->New());
    if (!payload->ParseFromString(bytes)) {
      Report(TextOf(path), fmt::format("holds bytes that are not a {}", name));
      return false;
    }
    if (!Take(*payload, path, depth + 1)) {
      return false;
    }
    reflection.SetString(&any, value, payload->SerializeAsString());
    return true;
  }

  std::vector<errors::FieldViolation> violations_;
  size_t unlisted_ = 0;
};

}  // namespace

std::vector<errors::FieldViolation> TakeUnknownFields(Message& message) {
  Walk walk;
  walk.Take(message, FieldPath{}, 1);
  return walk.Violations();
}

errors::Problem UnknownFields(std::vector<errors::FieldViolation> violations) {
  errors::Problem problem = errors::InvalidFields(std::move(violations));
  problem.reason = "UNKNOWN_FIELD";
  return problem;
}

}  // namespace tradewind::gateway
