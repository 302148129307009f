#include "services/cli/parked_format.h"

#include <fmt/format.h>

#include <utility>

#include "google/protobuf/util/time_util.h"

namespace tradewind::cli {
namespace {

namespace v1 = mesh::v1;
using google::protobuf::util::TimeUtil;

constexpr size_t kKeyWidth = 64;
constexpr size_t kReasonWidth = 60;

std::string_view BareState(const v1::ParkedRecord& record) {
  switch (record.state()) {
    case v1::PARKED_STATE_DEAD:
      return "dead";
    case v1::PARKED_STATE_HELD:
      return "held";
    case v1::PARKED_STATE_PARKED:
      return record.waiting() ? "waiting" : "retrying";
    default:
      // Of a service newer than this command.
      return "unknown";
  }
}

// "" when nothing was asked for.
std::string_view RequestOf(const v1::ParkedRecord& record) {
  switch (record.requested()) {
    case v1::PARKED_ACTION_RETRY:
      return "retry";
    case v1::PARKED_ACTION_SKIP:
      return "skip";
    default:
      return "";
  }
}

absl::Time RetryTime(const v1::ParkedRecord& record) {
  return absl::FromUnixMillis(TimeUtil::TimestampToMilliseconds(record.retry_time()));
}

std::string ShortType(const v1::ParkedRecord& record) {
  const std::string& type = record.type();
  return type.empty() ? "-" : Printable(type.substr(type.rfind('.') + 1));
}

Tone ToneOf(const v1::ParkedRecord& record) {
  const bool stuck = record.state() == v1::PARKED_STATE_DEAD || record.state() == v1::PARKED_STATE_HELD;
  return stuck ? Tone::kBad : Tone::kPlain;
}

}  // namespace

std::string StateOf(const v1::ParkedRecord& record) {
  const std::string_view request = RequestOf(record);
  return request.empty() ? std::string(BareState(record)) : fmt::format("{}, {} requested", BareState(record), request);
}

std::string NextAttempt(const v1::ParkedRecord& record, absl::Time now) {
  if (!record.has_retry_time()) {
    return "-";
  }
  const double seconds = absl::ToDoubleSeconds(RetryTime(record) - now);
  if (seconds <= 0) {
    return "now";
  }
  if (seconds < 100) {
    return fmt::format("in {:.1f} s", seconds);
  }
  return seconds < 6000 ? fmt::format("in {:.1f} min", seconds / 60) : fmt::format("in {:.1f} h", seconds / 3600);
}

std::string PlaceOf(const v1::ParkedRecord& record) {
  return fmt::format("{}-{}@{}", Printable(record.record().topic()), record.record().partition(),
                     record.record().offset());
}

Table ParkedTable() {
  return Table(
      {{"SERVICE"}, {"ID", true}, {"STATE"}, {"KEY"}, {"TYPE"}, {"ATTEMPTS", true}, {"NEXT"}, {"FROM"}, {"REASON"}});
}

void AddParkedRow(Table& table, const std::string& service, const v1::ParkedRecord& record, absl::Time now) {
  table.AddRow({service,
                std::to_string(record.id()),
                {StateOf(record), ToneOf(record)},
                Shortened(Printable(record.key()), kKeyWidth),
                ShortType(record),
                std::to_string(record.attempts()),
                NextAttempt(record, now),
                PlaceOf(record),
                Shortened(Printable(record.reason()), kReasonWidth)});
}

nlohmann::ordered_json ParkedJson(const std::string& service, const v1::ParkedRecord& record) {
  nlohmann::ordered_json json = {{"service", service},
                                 {"id", record.id()},
                                 {"state", BareState(record)},
                                 {"key", Printable(record.key())},
                                 {"type", Printable(record.type())},
                                 {"attempts", record.attempts()},
                                 {"holds_key", record.holds_key()}};
  if (record.has_retry_time()) {
    json["retry_time"] = FormatTimestamp(absl::ToUnixMillis(RetryTime(record)));
  }
  if (!RequestOf(record).empty()) {
    json["requested"] = RequestOf(record);
  }
  json["group"] = Printable(record.group());
  json["topic"] = Printable(record.record().topic());
  json["partition"] = record.record().partition();
  json["offset"] = record.record().offset();
  json["time"] = FormatTimestamp(record.record().timestamp_ms());
  json["reason"] = Printable(record.reason());
  return json;
}

std::string Advice(const std::string& service, const v1::ParkedRecord& record, const QueuePlace& place,
                   absl::Time now) {
  const std::string retry = fmt::format("tradewind parked retry {} --id {}", service, record.id());
  const std::string skip = fmt::format("tradewind parked skip {} --id {}", service, record.id());
  if (!RequestOf(record).empty()) {
    return fmt::format("a {} was requested and is not carried out yet: the owner of partition {} of group {} does that",
                       RequestOf(record), record.partition(), Printable(record.group()));
  }
  if (record.state() == v1::PARKED_STATE_HELD) {
    return fmt::format(
        "an event before it, of the same source, never came; when it will not: `{}` takes this one without it, `{}` "
        "drops this one too",
        retry, skip);
  }
  if (record.state() == v1::PARKED_STATE_DEAD) {
    return fmt::format("once the cause is gone: `{}` handles it again, or `{}` drops it", retry, skip);
  }
  if (record.waiting() && place.first.has_value() && place.first->id() != record.id()) {
    return fmt::format("it is handled after {}, which is {}: `tradewind parked show {} {}`", place.first->id(),
                       StateOf(*place.first), service, place.first->id());
  }
  const std::string next = record.has_retry_time() ? NextAttempt(record, now) : "now";
  return fmt::format("it is handled again {}; `{}` does that at once, `{}` drops it", next, retry, skip);
}

}  // namespace tradewind::cli
