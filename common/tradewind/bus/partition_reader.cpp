#include "tradewind/bus/partition_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "tradewind/bus/internal/client.h"
#include "tradewind/bus/internal/deadline.h"
#include "tradewind/bus/internal/message.h"
#include "tradewind/bus/internal/partition_list.h"
#include "tradewind/bus/internal/queries.h"
#include "tradewind/bus/internal/rdkafka_error.h"
#include "tradewind/bus/internal/rdkafka_handle.h"
#include "tradewind/bus/internal/seek.h"
#include "tradewind/bus/internal/unreadable_batches.h"
#include "tradewind/bus/logger.h"

namespace tradewind::bus {
namespace {

using internal::ClientHandle;
using internal::ClientSettings;
using internal::Deadline;
using internal::MessageHandle;
using internal::PartitionListHandle;
using internal::TopicHandle;

constexpr absl::Duration kDestroyLimit = absl::Seconds(5);
static_assert(kFromBeginning == RD_KAFKA_OFFSET_BEGINNING);

// librdkafka reads assigned partitions only with a group's name. Nothing is ever committed under it, and no member of
// such a group shows up at the broker.
constexpr char kNoGroup[] = "tradewind-reader";

}  // namespace

class PartitionReader::Impl {
 public:
  Impl(const KafkaConfig& config, const std::string& client_id) : config_(config), unreadable_(config, client_id) {}
  ~Impl() {
    topics_.clear();
    internal::DestroyWithin(std::move(client_), kDestroyLimit);
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  absl::Status Start(const std::string& client_id, absl::Span<const Position> positions, Isolation isolation,
                     Ends ends);
  absl::StatusOr<std::optional<Record>> Poll(absl::Duration timeout);
  std::vector<Position> TakeReachedEnds() { return std::exchange(reached_ends_, {}); }
  absl::StatusOr<int64_t> End(const std::string& topic, int32_t partition) const;
  std::vector<Position> Next() const;

 private:
  // As UnreadableBatches::Take.
  std::optional<Record> PassOver(const rd_kafka_message_t& error);
  // Remembers the last end of each partition.
  void NoteEnd(std::string topic, const rd_kafka_message_t& message);

  const KafkaConfig config_;
  internal::UnreadableBatches unreadable_;
  ClientHandle client_;
  std::vector<TopicHandle> topics_;
  // By topic and partition.
  std::map<std::string, std::map<int32_t, int64_t>, std::less<>> next_;
  // One for each partition at most.
  std::vector<Position> reached_ends_;
};

absl::Status PartitionReader::Impl::Start(const std::string& client_id, absl::Span<const Position> positions,
                                          Isolation isolation, Ends told) {
  ClientSettings settings(config_, client_id);
  internal::SetConsumerDefaults(settings, kNoGroup);
  // What has expired while nobody read it is skipped: these readers show what there is.
  settings.Set("auto.offset.reset", "earliest");
  settings.Set("enable.partition.eof", told == Ends::kTold);
  if (isolation == Isolation::kUncommitted) settings.Set("isolation.level", "read_uncommitted");
  absl::StatusOr<ClientHandle> client = std::move(settings).Build(RD_KAFKA_CONSUMER, this);
  if (!client.ok()) {
    return client.status();
  }
  client_ = *std::move(client);
  rd_kafka_poll_set_consumer(client_.get());

  std::set<std::string> topics;
  const PartitionListHandle list = internal::NewPartitionList(positions.size());
  const PartitionListHandle ends = internal::NewPartitionList(positions.size());
  for (const Position& position : positions) {
    topics.insert(position.topic);
    if (position.offset == kFromEnd) {
      internal::Add(*ends, position.topic, position.partition, internal::kLatest);
    } else if (position.offset == kFromBeginning || position.offset >= 0) {
      internal::Add(*list, position.topic, position.partition, position.offset);
    } else {
      return absl::InvalidArgumentError(
          fmt::format("cannot read {}-{} from offset {}", position.topic, position.partition, position.offset));
    }
  }
  topics_ = internal::LookFor(client_.get(), topics);
  if (absl::Status status = internal::ResolveOffsets(client_.get(), *ends, Deadline(config_.request_timeout));
      !status.ok()) {
    return status;
  }
  for (const rd_kafka_topic_partition_t& end : internal::Elements(*ends)) {
    internal::Add(*list, end.topic, end.partition, end.offset);
  }
  for (const rd_kafka_topic_partition_t& start : internal::Elements(*list)) {
    next_[start.topic][start.partition] = start.offset;
  }
  return internal::ToStatus(rd_kafka_assign(client_.get(), list.get()), "reading of chosen partitions");
}

absl::StatusOr<std::optional<Record>> PartitionReader::Impl::Poll(absl::Duration timeout) {
  const Deadline deadline(timeout);
  do {
    MessageHandle message(rd_kafka_consumer_poll(client_.get(), deadline.RemainingMs()));
    if (message == nullptr) {
      continue;
    }
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
      next_.find(std::string_view(rd_kafka_topic_name(message->rkt)))->second[message->partition] = message->offset + 1;
      return internal::RecordFrom(std::move(message));
    }
    if (internal::UnreadableBatches::IsMeantBy(*message)) {
      if (std::optional<Record> instead = PassOver(*message); instead.has_value()) {
        return instead;
      }
      continue;
    }
    if (const std::string reason = internal::FatalError(client_.get()); !reason.empty()) {
      return absl::InternalError("the reader has failed: " + reason);
    }
    const std::string topic = message->rkt != nullptr ? rd_kafka_topic_name(message->rkt) : "";
    if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
      NoteEnd(topic, *message);
      continue;
    }
    absl::Status status = internal::ToStatus(message->err, fmt::format("{}-{}", topic, message->partition),
                                             rd_kafka_message_errstr(message.get()));
    if (status.code() == absl::StatusCode::kPermissionDenied) {
      return status;
    }
    kLog.Warn("reading is disturbed; trying again", {{"reason", status}});
  } while (!deadline.expired());
  return std::nullopt;
}

std::optional<Record> PartitionReader::Impl::PassOver(const rd_kafka_message_t& error) {
  const std::string topic = rd_kafka_topic_name(error.rkt);
  int64_t& next = next_.find(topic)->second[error.partition];
  std::optional<Record> instead = unreadable_.Take(error, next, [&](int64_t offset) {
    const PartitionListHandle list = internal::NewPartitionList(1);
    internal::Add(*list, topic, error.partition, offset);
    return internal::SeekTo(client_.get(), *list, Deadline(config_.request_timeout));
  });
  if (instead.has_value()) {
    next = instead->offset() + 1;
  }
  return instead;
}

void PartitionReader::Impl::NoteEnd(std::string topic, const rd_kafka_message_t& message) {
  const auto known = std::find_if(reached_ends_.begin(), reached_ends_.end(), [&](const Position& end) {
    return end.partition == message.partition && end.topic == topic;
  });
  if (known != reached_ends_.end()) {
    known->offset = message.offset;
  } else {
    reached_ends_.push_back({std::move(topic), message.partition, message.offset});
  }
}

absl::StatusOr<int64_t> PartitionReader::Impl::End(const std::string& topic, int32_t partition) const {
  const PartitionListHandle list = internal::NewPartitionList(1);
  internal::Add(*list, topic, partition, internal::kLatest);
  if (absl::Status status = internal::ResolveOffsets(client_.get(), *list, Deadline(config_.request_timeout));
      !status.ok()) {
    return status;
  }
  return internal::Elements(*list)[0].offset;
}

std::vector<Position> PartitionReader::Impl::Next() const {
  std::vector<Position> positions;
  for (const auto& [topic, partitions] : next_) {
    for (const auto& [partition, offset] : partitions) positions.push_back({topic, partition, offset});
  }
  return positions;
}

PartitionReader::PartitionReader(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
PartitionReader::~PartitionReader() = default;

absl::StatusOr<std::unique_ptr<PartitionReader>> PartitionReader::Create(const KafkaConfig& config,
                                                                         const std::string& client_id,
                                                                         absl::Span<const Position> positions,
                                                                         Isolation isolation, Ends ends) {
  auto impl = std::make_unique<Impl>(config, client_id);
  if (absl::Status status = impl->Start(client_id, positions, isolation, ends); !status.ok()) {
    return status;
  }
  return std::unique_ptr<PartitionReader>(new PartitionReader(std::move(impl)));
}

std::vector<Position> PartitionReader::TakeReachedEnds() { return impl_->TakeReachedEnds(); }
std::vector<Position> PartitionReader::Next() const { return impl_->Next(); }
absl::StatusOr<std::optional<Record>> PartitionReader::Poll(absl::Duration timeout) { return impl_->Poll(timeout); }

absl::StatusOr<int64_t> PartitionReader::End(const std::string& topic, int32_t partition) const {
  return impl_->End(topic, partition);
}

}  // namespace tradewind::bus
