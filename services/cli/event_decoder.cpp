#include "services/cli/event_decoder.h"

#include <fmt/format.h>
#include <google/protobuf/stubs/logging.h>
#include <google/protobuf/util/json_util.h>

#include <memory>
#include <utility>

#include "services/cli/text.h"
#include "tradewind/bus/envelope.h"
#include "tradewind/mesh/v1/envelope.pb.h"

namespace tradewind::cli {
namespace {

namespace pb = google::protobuf;
using Json = nlohmann::ordered_json;

constexpr size_t kHexBytes = 24;
constexpr std::string_view kAnyType = "google.protobuf.Any";

std::string Undecodable(std::string_view reason, std::string_view value, bool show_bytes) {
  if (value.empty()) {
    return fmt::format("undecodable: {} (empty value)", reason);
  }
  return fmt::format("undecodable: {} ({} bytes{})", reason, value.size(),
                     show_bytes ? ": " + HexPrefix(value, kHexBytes) : ", withheld: the type has sensitive fields");
}

}  // namespace

EventDecoder::EventDecoder(const EventSchema& schema, std::string topic_prefix)
    : schema_(schema), topic_prefix_(std::move(topic_prefix)) {}

std::string EventDecoder::TypeOf(const bus::Record& record) const {
  const std::string_view type = record.header(bus::kTypeHeader);
  if (!type.empty()) {
    return Printable(type);
  }
  std::string_view topic = record.topic();
  if (topic.starts_with(topic_prefix_)) {
    topic.remove_prefix(topic_prefix_.size());
  }
  return topic == bus::kRepliesTopic ? mesh::v1::ReplyBatch::descriptor()->full_name() : "";
}

DecodedEvent EventDecoder::Decode(const bus::Record& record) {
  // What protobuf would write to standard error about bad bytes is told in `problem`.
  const pb::LogSilencer silencer;
  DecodedEvent event{.type = TypeOf(record)};
  if (event.type.empty()) {
    event.problem = Undecodable("no ce_type header", record.value(), true);
    return event;
  }
  const pb::Descriptor* type = schema_.Find(event.type);
  if (type == nullptr) {
    event.problem = Undecodable("the descriptor set does not know this type", record.value(), true);
    return event;
  }
  const bool show_bytes = !HasSensitiveFields(*type);
  const std::unique_ptr<pb::Message> message(messages_.GetPrototype(type)->New());
  if (!message->ParseFromArray(record.value().data(), static_cast<int>(record.value().size()))) {
    event.problem = Undecodable("the value is not a message of this type", record.value(), show_bytes);
    return event;
  }
  pb::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  std::string text;
  const auto status = pb::util::MessageToJsonString(*message, &text, options);
  Json body = status.ok() ? Json::parse(text, nullptr, /*allow_exceptions=*/false) : Json();
  if (!status.ok() || body.is_discarded()) {
    const std::string reason = status.ok() ? "not to be shown as JSON" : Printable(std::string(status.message()));
    event.problem = Undecodable(reason, record.value(), show_bytes);
    return event;
  }
  Redact(*type, body);
  event.body = std::move(body);
  return event;
}

void EventDecoder::Redact(const pb::Descriptor& type, Json& json) const {
  if (!json.is_object()) {
    return;
  }
  if (type.full_name() == kAnyType) {
    const std::string url = json.contains("@type") && json["@type"].is_string() ? json["@type"].get<std::string>() : "";
    const pb::Descriptor* held = schema_.Find(url.substr(url.rfind('/') + 1));
    if (held == nullptr) {
      return;
    }
    // The fields of an ordinary message stand beside "@type"; a well-known type stands under "value".
    Redact(*held, held->full_name() == kAnyType ? json["value"] : json);
    return;
  }
  for (int i = 0; i < type.field_count(); ++i) {
    const pb::FieldDescriptor& field = *type.field(i);
    const auto found = json.find(field.name());
    if (found != json.end()) {
      RedactField(field, *found);
    }
  }
}

void EventDecoder::RedactField(const pb::FieldDescriptor& field, Json& json) const {
  if (IsSensitive(field)) {
    json = kRedacted;
    return;
  }
  if (field.message_type() == nullptr) {
    return;
  }
  if (field.is_map()) {
    const pb::FieldDescriptor& value = *field.message_type()->map_value();
    for (auto& entry : json.items()) {
      RedactField(value, entry.value());
    }
  } else if (field.is_repeated()) {
    for (Json& element : json) {
      Redact(*field.message_type(), element);
    }
  } else {
    Redact(*field.message_type(), json);
  }
}

}  // namespace tradewind::cli
