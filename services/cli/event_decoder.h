// Records as JSON: finds a record's type by its ce_type header and shows its value with every sensitive field replaced.
// Reads bytes that anyone may have put on a topic, so nothing in them is trusted.
#pragma once

#include <google/protobuf/dynamic_message.h>

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "services/cli/event_schema.h"
#include "tradewind/bus/record.h"

namespace tradewind::cli {

inline constexpr std::string_view kRedacted = "[redacted]";

struct DecodedEvent {
  // The full name of the type; empty when the record does not say.
  std::string type;
  // Fields under their proto names, in the order of the proto. Null where `problem` says why.
  nlohmann::ordered_json body;
  // Empty when the body was decoded; else why not and the first bytes in hex, for a person. Never holds bytes of a type
  // that has sensitive fields.
  std::string problem;
};

// Not thread-safe.
class EventDecoder {
 public:
  // `schema` outlives the decoder. `topic_prefix` is taken off a record's topic to recognise the mesh's own.
  EventDecoder(const EventSchema& schema, std::string topic_prefix);

  // Never fails: what cannot be decoded is described.
  DecodedEvent Decode(const bus::Record& record);

 private:
  std::string TypeOf(const bus::Record& record) const;
  void Redact(const google::protobuf::Descriptor& type, nlohmann::ordered_json& json) const;
  void RedactField(const google::protobuf::FieldDescriptor& field, nlohmann::ordered_json& json) const;

  const EventSchema& schema_;
  const std::string topic_prefix_;
  google::protobuf::DynamicMessageFactory messages_;
};

}  // namespace tradewind::cli
