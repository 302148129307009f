#include "services/gateway/validator.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "services/gateway/field_path.h"
#include "tradewind/seal/sealed_text.h"

namespace tradewind::gateway {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

constexpr size_t kMaxEmailBytes = 254;
constexpr int32_t kMaxNanos = 999'999'999;

size_t CodePoints(std::string_view text) {
  // Bytes that do not continue a sequence; protobuf has made sure that the text is UTF-8.
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

bool IsHex(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

class Walk {
 public:
  void Check(const MessageRules& rules, const Message& message, const FieldPath& path) {
    if (rules.is_money) {
      CheckMoney(message, path);
      return;
    }
    for (const FieldCheck& check : rules.checks) {
      if (check.field->is_repeated()) {
        CheckList(check, message, path);
      } else {
        CheckSingle(check, message, {.parent = &path, .field = check.field});
      }
    }
  }

  std::vector<errors::FieldViolation> Take() {
    if (unlisted_ > 0) {
      violations_.push_back({.field = "", .description = fmt::format("and {} more", unlisted_)});
    }
    return std::move(violations_);
  }

 private:
  void Report(const FieldPath& path, std::string description) {
    if (violations_.size() >= kMaxListedViolations) {
      ++unlisted_;
      return;
    }
    violations_.push_back({.field = TextOf(path), .description = std::move(description)});
  }

  void CheckSingle(const FieldCheck& check, const Message& message, const FieldPath& path) {
    const Reflection& reflection = *message.GetReflection();
    if (check.field->has_presence() && !reflection.HasField(message, check.field)) {
      if (check.required) {
        Report(path, "is required");
      }
      return;
    }
    switch (check.field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_STRING: {
        std::string scratch;
        return CheckText(check, reflection.GetStringReference(message, check.field, &scratch), path);
      }
      case FieldDescriptor::CPPTYPE_MESSAGE:
        if (check.nested != nullptr) {
          Check(*check.nested, reflection.GetMessage(message, check.field), path);
        }
        return;
      case FieldDescriptor::CPPTYPE_INT32:
        return CheckSigned(check, reflection.GetInt32(message, check.field), path);
      case FieldDescriptor::CPPTYPE_INT64:
        return CheckSigned(check, reflection.GetInt64(message, check.field), path);
      case FieldDescriptor::CPPTYPE_UINT32:
        return CheckUnsigned(check, reflection.GetUInt32(message, check.field), path);
      case FieldDescriptor::CPPTYPE_UINT64:
        return CheckUnsigned(check, reflection.GetUInt64(message, check.field), path);
      case FieldDescriptor::CPPTYPE_ENUM:
        return CheckNonZero(check, reflection.GetEnumValue(message, check.field) != 0, path);
      case FieldDescriptor::CPPTYPE_DOUBLE:
        return CheckNonZero(check, reflection.GetDouble(message, check.field) != 0, path);
      case FieldDescriptor::CPPTYPE_FLOAT:
        return CheckNonZero(check, reflection.GetFloat(message, check.field) != 0, path);
      case FieldDescriptor::CPPTYPE_BOOL:
        return;
    }
  }

  void CheckList(const FieldCheck& check, const Message& message, const FieldPath& path) {
    const Reflection& reflection = *message.GetReflection();
    const int size = reflection.FieldSize(message, check.field);
    const FieldPath list{.parent = &path, .field = check.field};
    if (size == 0) {
      if (check.required) {
        Report(list, "is required");
      }
      return;
    }
    if (static_cast<uint32_t>(size) > check.max_items) {
      // What is in a list that is too long is not looked at: the work for a call stays bounded.
      Report(list, fmt::format("must have at most {} elements, has {}", check.max_items, size));
      return;
    }
    for (int i = 0; i < size; ++i) {
      CheckElement(check, message, i, {.parent = &path, .field = check.field, .index = i});
    }
  }

  void CheckElement(const FieldCheck& check, const Message& message, int index, FieldPath path) {
    const Reflection& reflection = *message.GetReflection();
    switch (check.field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_STRING: {
        std::string scratch;
        const std::string& text = reflection.GetRepeatedStringReference(message, check.field, index, &scratch);
        // `required` asks for an element, not for text in each.
        if (text.empty()) {
          CheckLength(check, text, path);
          return;
        }
        return CheckText(check, text, path);
      }
      case FieldDescriptor::CPPTYPE_MESSAGE: {
        const Message& element = reflection.GetRepeatedMessage(message, check.field, index);
        if (check.field->is_map()) {
          path.map_entry = &element;
        }
        return Check(*check.nested, element, path);
      }
      case FieldDescriptor::CPPTYPE_INT32:
        return CheckBounds(check, reflection.GetRepeatedInt32(message, check.field, index), path);
      case FieldDescriptor::CPPTYPE_INT64:
        return CheckBounds(check, reflection.GetRepeatedInt64(message, check.field, index), path);
      case FieldDescriptor::CPPTYPE_UINT32:
        return CheckBounds(check, reflection.GetRepeatedUInt32(message, check.field, index), path);
      case FieldDescriptor::CPPTYPE_UINT64:
        return CheckBounds(check, reflection.GetRepeatedUInt64(message, check.field, index), path);
      default:
        return;
    }
  }

  void CheckText(const FieldCheck& check, std::string_view text, const FieldPath& path) {
    if (text.empty()) {
      if (check.required) {
        Report(path, "is required");
      }
      return;
    }
    if (check.generated) {
      Report(path, "is filled in by the gateway, leave it empty");
      return;
    }
    // No more is done for a text that is refused for its length: it may be as long as a whole request.
    if (!CheckLength(check, text, path)) {
      return;
    }
    // Whoever can read the log could have it opened for them.
    if (seal::HasSealed(text)) {
      Report(path, "must not hold a sealed value (sealed:1:...)");
    }
    if (check.format == mesh::v1::FORMAT_UUID && !IsUuid(text)) {
      Report(path, "must be a UUID: 8-4-4-4-12 hexadecimal digits");
    } else if (check.format == mesh::v1::FORMAT_EMAIL && !IsEmail(text)) {
      Report(path, "must be an e-mail address: local@domain");
    }
  }

  // False where the text was reported.
  bool CheckLength(const FieldCheck& check, std::string_view text, const FieldPath& path) {
    // A code point takes one to four bytes: most texts need no counting.
    if (text.size() <= check.max_length && text.size() / 4 >= check.min_length) {
      return true;
    }
    const bool is_string = check.field->type() == FieldDescriptor::TYPE_STRING;
    const size_t length = is_string ? CodePoints(text) : text.size();
    const char* unit = is_string ? "characters" : "bytes";
    if (length < check.min_length) {
      Report(path, fmt::format("must have at least {} {}, has {}", check.min_length, unit, length));
      return false;
    }
    if (length > check.max_length) {
      Report(path, fmt::format("must have at most {} {}, has {}", check.max_length, unit, length));
      return false;
    }
    return true;
  }

  void CheckSigned(const FieldCheck& check, int64_t value, const FieldPath& path) {
    if (check.required && value == 0 && !check.field->has_presence()) {
      Report(path, "is required and must not be zero");
      return;
    }
    CheckBounds(check, value, path);
  }

  void CheckUnsigned(const FieldCheck& check, uint64_t value, const FieldPath& path) {
    if (check.required && value == 0 && !check.field->has_presence()) {
      Report(path, "is required and must not be zero");
      return;
    }
    CheckBounds(check, value, path);
  }

  void CheckNonZero(const FieldCheck& check, bool non_zero, const FieldPath& path) {
    if (check.required && !non_zero && !check.field->has_presence()) {
      Report(path, "is required and must not be zero");
    }
  }

  template <typename Integer>
  void CheckBounds(const FieldCheck& check, Integer value, const FieldPath& path) {
    if (check.minimum.has_value() && std::cmp_less(value, *check.minimum)) {
      Report(path, fmt::format("must be at least {}", *check.minimum));
    } else if (check.maximum.has_value() && std::cmp_greater(value, *check.maximum)) {
      Report(path, fmt::format("must be at most {}", *check.maximum));
    }
  }

  // The rules of google/type/money.proto, and a currency code that is at least of the right shape.
  void CheckMoney(const Message& money, const FieldPath& path) {
    const google::protobuf::Descriptor& type = *money.GetDescriptor();
    const Reflection& reflection = *money.GetReflection();
    const FieldDescriptor* currency = type.FindFieldByNumber(1);
    const FieldDescriptor* nanos_field = type.FindFieldByNumber(3);
    std::string scratch;
    const std::string& code = reflection.GetStringReference(money, currency, &scratch);
    const int64_t units = reflection.GetInt64(money, type.FindFieldByNumber(2));
    const int32_t nanos = reflection.GetInt32(money, nanos_field);
    if (code.size() != 3 || !std::all_of(code.begin(), code.end(), [](char c) { return c >= 'A' && c <= 'Z'; })) {
      Report({.parent = &path, .field = currency}, "must be three capital letters (ISO 4217)");
    }
    if (nanos < -kMaxNanos || nanos > kMaxNanos) {
      Report({.parent = &path, .field = nanos_field}, "must be between -999999999 and 999999999");
    } else if ((units > 0 && nanos < 0) || (units < 0 && nanos > 0)) {
      Report({.parent = &path, .field = nanos_field}, "must have the sign of units");
    }
  }

  std::vector<errors::FieldViolation> violations_;
  size_t unlisted_ = 0;
};

}  // namespace

bool IsUuid(std::string_view text) {
  if (text.size() != 36) {
    return false;
  }
  for (size_t i = 0; i < text.size(); ++i) {
    const bool is_dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (is_dash ? text[i] != '-' : !IsHex(text[i])) {
      return false;
    }
  }
  return true;
}

bool IsEmail(std::string_view text) {
  if (text.size() > kMaxEmailBytes) {
    return false;
  }
  const size_t at = text.find('@');
  if (at == std::string_view::npos || at == 0 || text.find('@', at + 1) != std::string_view::npos) {
    return false;
  }
  const bool has_blank = std::any_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte <= 0x20 || byte == 0x7F;
  });
  const std::string_view domain = text.substr(at + 1);
  return !has_blank && domain.find('.') != std::string_view::npos && domain.front() != '.' && domain.back() != '.' &&
         domain.find("..") == std::string_view::npos;
}

std::vector<errors::FieldViolation> Validate(const MessageRules& rules, const Message& message) {
  Walk walk;
  walk.Check(rules, message, FieldPath{});
  return walk.Take();
}

}  // namespace tradewind::gateway
