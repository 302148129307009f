#include "services/cli/record_format.h"

#include <fmt/format.h>

#include "services/cli/text.h"

namespace tradewind::cli {
namespace {

using Json = nlohmann::ordered_json;

std::string OrDash(std::string text) { return text.empty() ? "-" : std::move(text); }

std::string Dump(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

}  // namespace

bool RecordFilter::Matches(std::string_view record_key, std::string_view record_type) const {
  if (key.has_value() && record_key != *key) {
    return false;
  }
  if (!type.has_value() || record_type == *type) {
    return true;
  }
  return record_type.size() > type->size() && record_type.ends_with(*type) &&
         record_type[record_type.size() - type->size() - 1] == '.';
}

std::string RecordAsLine(const bus::Record& record, const DecodedEvent& event, bool headers, bool color) {
  const std::string place = fmt::format("{}-{}@{}", record.topic(), record.partition(), record.offset());
  // Printed through Printable as well: JSON lets DEL and the C1 controls stand as they are.
  const std::string body = event.problem.empty() ? Printable(Dump(event.body)) : "<" + event.problem + ">";
  std::string line = fmt::format("{}  {}  {}  {}  {}", Toned(FormatTimestamp(record.timestamp_ms()), Tone::kDim, color),
                                 Toned(place, Tone::kDim, color), OrDash(event.type), OrDash(Printable(record.key())),
                                 Toned(body, event.problem.empty() ? Tone::kPlain : Tone::kBad, color));
  if (headers) {
    for (const bus::HeaderView& header : record.headers()) {
      line += fmt::format("\n    {}: {}", Printable(header.name), Printable(header.value));
    }
  }
  return line;
}

std::string RecordAsJson(const bus::Record& record, const DecodedEvent& event) {
  Json json;
  json["time"] = FormatTimestamp(record.timestamp_ms());
  json["topic"] = record.topic();
  json["partition"] = record.partition();
  json["offset"] = record.offset();
  json["type"] = event.type;
  json["key"] = Printable(record.key());
  json["headers"] = Json::object();
  for (const bus::HeaderView& header : record.headers()) {
    json["headers"][Printable(header.name)] = Printable(header.value);
  }
  json["body"] = event.body;
  if (!event.problem.empty()) {
    json["problem"] = event.problem;
  }
  return Dump(json);
}

}  // namespace tradewind::cli
