// `tradewind parked show`.
#include <fmt/format.h>

#include <utility>

#include "absl/time/clock.h"

#include "services/cli/admin_client.h"
#include "services/cli/event_decoder.h"
#include "services/cli/event_schema.h"
#include "services/cli/parked.h"
#include "services/cli/parked_format.h"
#include "services/cli/parked_targets.h"
#include "services/cli/text.h"
#include "tradewind/bus/record.h"

namespace tradewind::cli {
namespace {

namespace v1 = mesh::v1;
using Json = nlohmann::ordered_json;

// A longer queue is said to have more.
constexpr size_t kMostCounted = 10'000;

bus::Record ToRecord(const v1::KeptRecord& kept) {
  bus::RecordContent content{.topic = kept.topic(),
                             .partition = kept.partition(),
                             .offset = kept.offset(),
                             .timestamp_ms = kept.timestamp_ms(),
                             .key = kept.key(),
                             .value = kept.value()};
  for (const v1::RecordHeader& header : kept.headers()) {
    content.headers.emplace_back(header.name(), header.value());
  }
  return bus::Record::FromContent(std::move(content));
}

absl::StatusOr<QueuePlace> FindPlace(AdminClient& client, const v1::ParkedRecord& record) {
  QueuePlace place;
  if (!record.holds_key()) {
    return place;
  }
  v1::ParkedFilter filter;
  filter.set_key(record.key());
  auto queue = client.List(filter, kMostCounted, [&](const v1::ParkedRecord& other) {
    return other.holds_key() && other.group() == record.group() && other.partition() == record.partition();
  });
  if (!queue.ok()) {
    return queue.status();
  }
  // In the order in which they were set aside, which is that of the queue.
  for (v1::ParkedRecord& other : queue->records) {
    place.behind += other.id() > record.id() ? 1 : 0;
    if (other.id() < record.id() && !place.first.has_value()) {
      place.first = std::move(other);
    }
  }
  place.more = queue->more;
  return place;
}

// What stands between the record and its being handled, or between the others of its key and theirs.
std::string QueueLine(const v1::ParkedRecord& record, const QueuePlace& place) {
  if (record.state() == v1::PARKED_STATE_HELD) {
    return "waits for the events before it, of the same source";
  }
  if (!record.holds_key()) {
    return "holds nothing back";
  }
  const std::string behind = fmt::format("{}{}", Grouped(static_cast<int64_t>(place.behind)), place.more ? "+" : "");
  if (place.first.has_value()) {
    return fmt::format("waits behind {} ({}); {} behind it", place.first->id(), StateOf(*place.first), behind);
  }
  return fmt::format("holds back its key; {} behind it", behind);
}

void PrintText(const std::string& service, const v1::ParkedRecord& record, const DecodedEvent& event,
               const QueuePlace& place, const Session& session) {
  const absl::Time now = absl::Now();
  const auto line = [&](std::string_view name, std::string_view value) {
    session.out << Toned(fmt::format("{:<10}", name), Tone::kDim, session.color) << value << '\n';
  };
  line("service", service);
  line("id", std::to_string(record.id()));
  line("state", StateOf(record));
  line("key", Printable(record.key()));
  line("type", record.type().empty() ? "-" : Printable(record.type()));
  line("reason", record.reason().empty() ? "-" : Printable(record.reason()));
  line("attempts", std::to_string(record.attempts()));
  line("next", NextAttempt(record, now));
  line("queue", QueueLine(record, place));
  line("group", fmt::format("{}, partition {}", Printable(record.group()), record.partition()));
  line("from", PlaceOf(record));
  line("time", FormatTimestamp(record.record().timestamp_ms()));
  for (const v1::RecordHeader& header : record.record().headers()) {
    line("header", fmt::format("{}: {}", Printable(header.name()), Printable(header.value())));
  }
  if (event.problem.empty()) {
    // Printed through Printable as well: JSON lets DEL and the C1 controls stand as they are.
    line("value", Printable(event.body.dump(-1, ' ', false, Json::error_handler_t::replace)));
  } else {
    line("value", fmt::format("<{}>", event.problem));
  }
  session.out << '\n' << Advice(service, record, place, now) << '\n';
}

void PrintJson(const std::string& service, const v1::ParkedRecord& record, const DecodedEvent& event,
               const QueuePlace& place, const Session& session) {
  Json json = ParkedJson(service, record);
  json["task_partition"] = record.partition();
  if (place.first.has_value()) {
    json["waits_behind"] = place.first->id();
  }
  json["behind_it"] = place.behind;
  json["headers"] = Json::object();
  for (const v1::RecordHeader& header : record.record().headers()) {
    json["headers"][Printable(header.name())] = Printable(header.value());
  }
  json["body"] = event.body;
  if (!event.problem.empty()) {
    json["problem"] = event.problem;
  }
  session.out << JsonDocument(json) << '\n';
}

}  // namespace

int RunParkedShow(const ParkedShowOptions& options, const Session& session) {
  const auto clients = ChooseServices(session.config, options.service, options.timeout);
  if (!clients.ok()) {
    return Fail(session, clients.status(), kExitUsage);
  }
  const auto schema = EventSchema::Load(session.config.descriptors);
  if (!schema.ok()) {
    return Fail(session, schema.status());
  }
  AdminClient& client = *clients->front();
  const auto record = client.Get(options.id);
  if (!record.ok()) {
    return Fail(session, record.status());
  }
  const auto place = FindPlace(client, *record);
  if (!place.ok()) {
    return Fail(session, place.status());
  }
  EventDecoder decoder(**schema, session.config.kafka.topic_prefix);
  const DecodedEvent event = decoder.Decode(ToRecord(record->record()));
  options.json ? PrintJson(client.service(), *record, event, *place, session)
               : PrintText(client.service(), *record, event, *place, session);
  return kExitOk;
}

}  // namespace tradewind::cli
