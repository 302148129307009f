// How `tradewind parked` says what became of a record.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "absl/time/time.h"

#include "services/cli/text.h"
#include "tradewind/mesh/v1/admin.pb.h"

namespace tradewind::cli {

// "dead", "retrying", "waiting" or "held", and what was asked for and is not carried out yet: "dead, skip requested".
std::string StateOf(const mesh::v1::ParkedRecord& record);

// "in 3.2 s", "in 4.0 min", "in 5.3 h", "now" when it has come, "-" for a record that nothing happens to by itself.
std::string NextAttempt(const mesh::v1::ParkedRecord& record, absl::Time now);

// "order.events.v1-3@17".
std::string PlaceOf(const mesh::v1::ParkedRecord& record);

// The table of `parked list`: titles, and one row for each record.
Table ParkedTable();
void AddParkedRow(Table& table, const std::string& service, const mesh::v1::ParkedRecord& record, absl::Time now);

// Everything that ListParked tells of it.
nlohmann::ordered_json ParkedJson(const std::string& service, const mesh::v1::ParkedRecord& record);

// How a record stands to the others of its key.
struct QueuePlace {
  // The first of the key's queue, where the record waits behind another.
  std::optional<mesh::v1::ParkedRecord> first;
  // How many wait behind the record; up to `most`, with `more` set where there are others.
  size_t behind = 0;
  bool more = false;
};

// One line for a person: what will happen to the record, and what to type.
std::string Advice(const std::string& service, const mesh::v1::ParkedRecord& record, const QueuePlace& place,
                   absl::Time now);

}  // namespace tradewind::cli
