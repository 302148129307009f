#include "tradewind/runtime/kept_record.h"

#include <fmt/format.h>

#include <utility>

#include "tradewind/mesh/v1/state.pb.h"
#include "tradewind/store/short_key.h"

namespace tradewind::runtime {
namespace {

absl::StatusOr<Input> ToInput(Task& task, const std::string& bytes) {
  auto kept = ParseRecord(bytes);
  if (!kept.ok()) return kept.status();
  Input input{.task = &task, .record = std::move(kept->record), .envelope = bus::Envelope()};
  input.unchecked = kept->unchecked;
  input.unhandled = kept->notes.unhandled;
  input.envelope = bus::ParseEnvelope(input.record);
  return input;
}

}  // namespace

std::string SerializeRecord(const bus::Record& record, KeptNotes notes) {
  mesh::v1::KeptRecord kept;
  kept.set_topic(std::string(record.topic()));
  kept.set_partition(record.partition());
  kept.set_offset(record.offset());
  kept.set_timestamp_ms(record.timestamp_ms());
  kept.set_key(record.key().data(), record.key().size());
  kept.set_value(record.value().data(), record.value().size());
  for (const bus::HeaderView& header : record.headers()) {
    auto& out = *kept.add_headers();
    out.set_name(header.name.data(), header.name.size());
    out.set_value(header.value.data(), header.value.size());
  }
  kept.set_has_value(record.has_value());
  kept.set_unhandled(notes.unhandled);
  kept.set_untaken(notes.untaken);
  return kept.SerializeAsString();
}

absl::StatusOr<Kept> ParseRecord(const std::string& bytes) {
  mesh::v1::KeptRecord kept;
  if (!kept.ParseFromString(bytes)) return absl::DataLossError("a record kept in the store does not parse");
  bus::RecordContent content{.topic = kept.topic(),
                             .partition = kept.partition(),
                             .offset = kept.offset(),
                             .timestamp_ms = kept.timestamp_ms(),
                             .key = std::move(*kept.mutable_key()),
                             .value = std::move(*kept.mutable_value())};
  content.has_value = !kept.has_has_value() || kept.has_value();
  for (auto& header : *kept.mutable_headers()) content.headers.emplace_back(header.name(), header.value());
  return Kept{.record = bus::Record::FromContent(std::move(content)),
              .unchecked = !kept.has_has_value(),
              .notes = {.unhandled = kept.unhandled(), .untaken = kept.untaken()}};
}

std::optional<bus::Record> UntakenOf(const store::KeptRecord& requested) {
  // What stands in a queue was taken.
  if (requested.queued || requested.requested != store::KeptAction::kRetry) return std::nullopt;
  auto parsed = ParseRecord(requested.record);
  if (!parsed.ok() || !parsed->notes.untaken || !bus::ParseEnvelope(parsed->record).ok()) return std::nullopt;
  return std::move(parsed->record);
}

store::KeptUpdate AsItIs(const store::KeptRecord& requested) {
  return {.id = requested.id,
          .state = requested.state,
          .reason = requested.reason,
          .attempts = requested.attempts,
          .due = requested.due,
          .carried_out = requested.requested};
}

std::string QueueKeyOf(const bus::Record& record) { return store::ShortKey(KeptKeyOf(record)); }

std::string KeptKeyOf(const bus::Record& record) {
  if (!record.key().empty()) return std::string(record.key());
  return fmt::format("{}/{}/{}", record.topic(), record.partition(), record.offset());
}

bool IsSuspect(const Suspect& suspect, const bus::Record& record) {
  return suspect.topic == record.topic() && suspect.offset == record.offset() &&
         suspect.fingerprint == bus::Fingerprint(record);
}

absl::StatusOr<Input> HeldInput(Task& task, const store::KeptRecord& kept) {
  auto input = ToInput(task, kept.record);
  if (input.ok()) input->held = kept.id;
  return input;
}

absl::StatusOr<Input> QueuedInput(Task& task, const store::KeptRecord& kept) {
  auto input = ToInput(task, kept.record);
  if (input.ok()) input->queued = Input::FromQueue{.id = kept.id, .attempts = kept.attempts};
  return input;
}

absl::StatusOr<Input> TimerInput(Task& task, const store::Timer& timer) {
  auto input = ToInput(task, timer.record);
  if (!input.ok()) return input;
  // What is damaged may parse all the same.
  if (input->record.key() != timer.key) return absl::DataLossError("the record of a timer is not that of its key");
  input->timer = timer.name;
  return input;
}

}  // namespace tradewind::runtime
