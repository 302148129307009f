#include "tradewind/bus/record_copy.h"

#include <string>
#include <utility>

namespace tradewind::bus {

Record CopyOf(const Record& record) {
  RecordContent content{.topic = std::string(record.topic()),
                        .partition = record.partition(),
                        .offset = record.offset(),
                        .timestamp_ms = record.timestamp_ms(),
                        .key = std::string(record.key()),
                        .value = std::string(record.value()),
                        .has_value = record.has_value(),
                        .damage = std::string(record.damage())};
  for (const HeaderView& header : record.headers()) content.headers.emplace_back(header.name, header.value);
  return Record::FromContent(std::move(content));
}

}  // namespace tradewind::bus
