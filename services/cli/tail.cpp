#include "services/cli/tail.h"

#include <fmt/format.h>

#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "absl/time/clock.h"

#include "services/cli/event_decoder.h"
#include "services/cli/event_schema.h"
#include "services/cli/mesh_topics.h"
#include "tradewind/bus/kafka_admin.h"
#include "tradewind/bus/partition_reader.h"

namespace tradewind::cli {
namespace {

constexpr absl::Duration kPollTimeout = absl::Milliseconds(200);

// Which offsets are still to come before every partition stands where it ended at the start.
class Ends {
 public:
  void Expect(const std::string& topic, int32_t partition, int64_t end) { open_[{topic, partition}] = end; }
  bool reached() const { return open_.empty(); }

  // Whether the record belongs to what was there at the start; notes that it was seen.
  bool Pass(const bus::Record& record) {
    const auto found = open_.find({std::string(record.topic()), record.partition()});
    if (found == open_.end()) {
      return false;
    }
    const bool belongs = record.offset() < found->second;
    if (record.offset() + 1 >= found->second) {
      open_.erase(found);
    }
    return belongs;
  }

  // A partition that has not come to its end, for a message.
  std::string AnyMissing() const {
    const auto& [place, end] = *open_.begin();
    return fmt::format("{}-{} before offset {}", place.first, place.second, end);
  }

 private:
  std::map<std::pair<std::string, int32_t>, int64_t> open_;
};

struct Plan {
  std::vector<bus::Position> positions;
  // Only where the tail ends at the end.
  std::optional<Ends> ends;
};

absl::StatusOr<Plan> PlanReading(const TailOptions& options, absl::Span<const bus::TopicInfo> topics,
                                 bus::KafkaAdmin& admin) {
  Plan plan;
  if (options.until_end) {
    plan.ends.emplace();
  }
  for (const bus::TopicInfo& topic : topics) {
    for (int32_t partition = 0; partition < topic.partitions; ++partition) {
      if (!plan.ends.has_value()) {
        plan.positions.push_back({topic.name, partition, options.from_beginning ? bus::kFromBeginning : bus::kFromEnd});
        continue;
      }
      const auto range = admin.Range(topic.name, partition);
      if (!range.ok()) {
        return range.status();
      }
      if (range->low < range->high) {
        plan.positions.push_back({topic.name, partition, range->low});
        plan.ends->Expect(topic.name, partition, range->high);
      }
    }
  }
  return plan;
}

// Reads and shows until one of the reasons to stop.
absl::Status Follow(const TailOptions& options, const Session& session, EventDecoder& decoder, Plan plan) {
  auto reader = bus::PartitionReader::Create(session.config.kafka, "tradewind-tail", plan.positions);
  if (!reader.ok()) {
    return reader.status();
  }
  // A log whose last offsets hold no record (a transaction's marker) never shows its end: silence is given this long.
  const absl::Duration patience = session.config.kafka.request_timeout;
  absl::Time last_record = absl::Now();
  int64_t shown = 0;
  while (!session.interrupted && session.out.good() && !(plan.ends.has_value() && plan.ends->reached())) {
    const auto record = (*reader)->Poll(kPollTimeout);
    if (!record.ok()) {
      return record.status();
    }
    if (!record->has_value()) {
      if (plan.ends.has_value() && absl::Now() - last_record > patience) {
        return absl::DeadlineExceededError(fmt::format("no record came for {} from {}: is the broker still there?",
                                                       absl::FormatDuration(patience), plan.ends->AnyMissing()));
      }
      continue;
    }
    last_record = absl::Now();
    if (plan.ends.has_value() && !plan.ends->Pass(**record)) {
      continue;
    }
    const DecodedEvent event = decoder.Decode(**record);
    if (!options.filter.Matches((*record)->key(), event.type)) {
      continue;
    }
    session.out << (options.json ? RecordAsJson(**record, event)
                                 : RecordAsLine(**record, event, options.headers, session.color))
                << std::endl;
    if (++shown == options.count) {
      break;
    }
  }
  return absl::OkStatus();
}

}  // namespace

int RunTail(const TailOptions& options, const Session& session) {
  const auto schema = EventSchema::Load(session.config.descriptors);
  if (!schema.ok()) {
    return Fail(session, schema.status());
  }
  const auto admin = bus::KafkaAdmin::Create(session.config.kafka, "tradewind-tail");
  if (!admin.ok()) {
    return Fail(session, admin.status());
  }
  const auto existing = (*admin)->ListTopics();
  if (!existing.ok()) {
    return Fail(session, existing.status());
  }
  const auto topics = ChooseTopics(session.config.kafka, **schema, *existing, options.topics);
  if (!topics.ok()) {
    return Fail(session, topics.status(), absl::IsNotFound(topics.status()) ? kExitUsage : kExitNotWell);
  }
  auto plan = PlanReading(options, *topics, **admin);
  if (!plan.ok()) {
    return Fail(session, plan.status());
  }
  if (plan->positions.empty()) {
    return kExitOk;
  }
  EventDecoder decoder(**schema, session.config.kafka.topic_prefix);
  const absl::Status followed = Follow(options, session, decoder, *std::move(plan));
  return followed.ok() ? kExitOk : Fail(session, followed);
}

}  // namespace tradewind::cli
