// How `tradewind tail` shows a record, and which records it shows.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "services/cli/event_decoder.h"
#include "tradewind/bus/record.h"

namespace tradewind::cli {

// What is asked for; an absent filter lets everything pass.
struct RecordFilter {
  // The exact message key.
  std::optional<std::string> key;
  // A full type name, or its last part: "OrderConfirmed".
  std::optional<std::string> type;

  bool Matches(std::string_view record_key, std::string_view record_type) const;
};

// "2026-01-31T09:05:07.123Z  order.events.v1-3@17  tradewind.order.v1.OrderConfirmed  <key>  {...}"; one line without
// its end, or with `headers` one more line for each header. "-" stands for what the record does not have.
std::string RecordAsLine(const bus::Record& record, const DecodedEvent& event, bool headers, bool color);

// One JSON object in one line, headers included. Bytes that are not UTF-8 are escaped as \xNN.
std::string RecordAsJson(const bus::Record& record, const DecodedEvent& event);

}  // namespace tradewind::cli
