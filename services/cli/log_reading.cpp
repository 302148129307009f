#include "services/cli/log_reading.h"

#include <fmt/format.h>

#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "services/cli/mesh_problems.h"
#include "services/cli/mesh_topics.h"
#include "tradewind/bus/kafka_admin.h"
#include "tradewind/bus/partition_reader.h"
#include "tradewind/clock/steady_now.h"

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

  // The reader has read the partition to an end of its log: what may be read before `offset` was seen. The offsets
  // there may hold nothing to be seen (the end of a transaction, one that was aborted, what compaction took away).
  void ReachEnd(const bus::Position& end) {
    const auto found = open_.find({end.topic, end.partition});
    if (found != open_.end() && end.offset >= found->second) {
      open_.erase(found);
    }
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
  // Only where reading ends at the end.
  std::optional<Ends> ends;
};

absl::StatusOr<Plan> PlanReading(const Reading& reading, absl::Span<const bus::TopicInfo> topics,
                                 bus::KafkaAdmin& admin) {
  Plan plan;
  if (reading.until_end) {
    plan.ends.emplace();
  }
  for (const bus::TopicInfo& topic : topics) {
    for (int32_t partition = 0; partition < topic.partitions; ++partition) {
      if (!plan.ends.has_value()) {
        plan.positions.push_back({topic.name, partition, reading.from_beginning ? bus::kFromBeginning : bus::kFromEnd});
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

absl::Status Follow(const Session& session, Plan plan, absl::FunctionRef<bool(const bus::Record&)> take) {
  auto reader = bus::PartitionReader::Create(session.config.kafka, "tradewind-tail", plan.positions,
                                             bus::Isolation::kCommitted, bus::Ends::kTold);
  if (!reader.ok()) {
    return reader.status();
  }
  const absl::Duration patience = session.config.kafka.request_timeout;
  absl::Time last_record = clock::SteadyNow();
  while (!session.interrupted && session.out.good() && !(plan.ends.has_value() && plan.ends->reached())) {
    const auto record = (*reader)->Poll(kPollTimeout);
    if (!record.ok()) {
      return record.status();
    }
    for (const bus::Position& end : (*reader)->TakeReachedEnds()) {
      if (plan.ends.has_value()) {
        plan.ends->ReachEnd(end);
        last_record = clock::SteadyNow();
      }
    }
    if (!record->has_value()) {
      if (plan.ends.has_value() && !plan.ends->reached() && clock::SteadyNow() - last_record > patience) {
        return absl::DeadlineExceededError(fmt::format("no record came for {} from {}: is the broker still there?",
                                                       absl::FormatDuration(patience), plan.ends->AnyMissing()));
      }
      continue;
    }
    last_record = clock::SteadyNow();
    if (plan.ends.has_value() && !plan.ends->Pass(**record)) {
      continue;
    }
    if (!take(**record)) {
      break;
    }
  }
  return absl::OkStatus();
}

// Partitions of the topics with a transaction that is open.
absl::StatusOr<std::vector<bus::LogEnd>> FindHeld(absl::Span<const bus::TopicInfo> topics, bus::KafkaAdmin& admin) {
  std::vector<std::string> names;
  for (const bus::TopicInfo& topic : topics) {
    names.push_back(topic.name);
  }
  auto ends = admin.LogEnds(names);
  if (ends.ok()) {
    std::erase_if(*ends, [](const bus::LogEnd& end) { return !end.HasOpenTransaction(); });
  }
  return ends;
}

}  // namespace

absl::StatusOr<std::vector<bus::LogEnd>> ReadLog(const Session& session, const EventSchema& schema,
                                                 const Reading& reading,
                                                 absl::FunctionRef<bool(const bus::Record&)> take) {
  const auto admin = bus::KafkaAdmin::Create(session.config.kafka, "tradewind-tail");
  if (!admin.ok()) {
    return admin.status();
  }
  const auto existing = (*admin)->ListTopics();
  if (!existing.ok()) {
    return existing.status();
  }
  const auto topics = ChooseTopics(session.config.kafka, schema, *existing, reading.topics);
  if (!topics.ok()) {
    return topics.status();
  }
  auto plan = PlanReading(reading, *topics, **admin);
  if (!plan.ok()) {
    return plan.status();
  }
  if (!plan->positions.empty()) {
    if (absl::Status followed = Follow(session, *std::move(plan), take); !followed.ok()) {
      return followed;
    }
  }
  return reading.until_end ? FindHeld(*topics, **admin) : std::vector<bus::LogEnd>();
}

void SayWhatIsHeld(const Session& session, absl::Span<const bus::LogEnd> held) {
  for (const bus::LogEnd& end : held) {
    session.err << "tradewind: " << OpenTransactionText(end) << ": what is behind it is not shown before it has ended"
                << std::endl;
  }
}

}  // namespace tradewind::cli
