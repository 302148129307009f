// What the options of mesh/v1/options.proto demand of a message type, worked out once at start so that a call only
// walks lists of checks. Made by the catalog, applied by the validator.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "google/protobuf/descriptor.h"

#include "tradewind/mesh/v1/options.pb.h"

namespace tradewind::gateway {

struct MessageRules;

// One field that can be wrong. Defaults are filled in.
struct FieldCheck {
  const google::protobuf::FieldDescriptor* field = nullptr;
  bool required = false;
  bool generated = false;
  // Code points of a string, bytes of a bytes field.
  uint32_t min_length = 0;
  uint32_t max_length = 0;
  uint32_t max_items = 0;
  std::optional<int64_t> minimum;
  std::optional<int64_t> maximum;
  mesh::v1::Format format = mesh::v1::FORMAT_UNSPECIFIED;
  // Of a message field; null where nothing inside can be wrong.
  const MessageRules* nested = nullptr;
};

struct MessageRules {
  // google.type.Money has rules of its own.
  bool is_money = false;
  std::vector<FieldCheck> checks;
};

// Owns the rules of all types that were asked for. Not thread-safe while types are added; what it hands out is.
class RuleSet {
 public:
  // The rules of `type` and of every type inside it. FailedPrecondition, naming the field, where an option says
  // something that has no meaning for its field.
  absl::StatusOr<const MessageRules*> Compile(const google::protobuf::Descriptor& type);

 private:
  std::unordered_map<const google::protobuf::Descriptor*, std::unique_ptr<MessageRules>> rules_;
};

// The field's options, or the empty rule.
const mesh::v1::FieldRule& RuleOf(const google::protobuf::FieldDescriptor& field);

}  // namespace tradewind::gateway
