#include "tradewind/bus/kafka_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "tradewind/bus/internal/assignment.h"
#include "tradewind/bus/internal/client.h"
#include "tradewind/bus/internal/deadline.h"
#include "tradewind/bus/internal/fetch_watch.h"
#include "tradewind/bus/internal/message.h"
#include "tradewind/bus/internal/offset_committer.h"
#include "tradewind/bus/internal/partition_list.h"
#include "tradewind/bus/internal/queries.h"
#include "tradewind/bus/internal/rdkafka_error.h"
#include "tradewind/bus/internal/rdkafka_handle.h"
#include "tradewind/bus/internal/seek.h"
#include "tradewind/bus/internal/unreadable_batches.h"
#include "tradewind/bus/logger.h"
#include "tradewind/bus/partition_reader.h"
#include "tradewind/clock/steady_now.h"

namespace tradewind::bus {
namespace {

using internal::Assignment;
using internal::ClientHandle;
using internal::ClientSettings;
using internal::Deadline;
using internal::ErrorHandle;
using internal::EventHandle;
using internal::MessageHandle;
using internal::OffsetCommitter;
using internal::PartitionListHandle;
using internal::QueueHandle;
using internal::TopicHandle;

using Reading = Assignment::Reading;

// A source that nobody closed takes at most this long to leave its group.
constexpr absl::Duration kDestroyLimit = absl::Seconds(5);
constexpr absl::Duration kAskForTopicsEvery = absl::Seconds(10);
// For a reader of its own to come to the ends of logs, and how often it is asked for them.
constexpr absl::Duration kFindEndsWithin = absl::Seconds(1);
constexpr absl::Duration kLookForEndsEvery = absl::Milliseconds(20);

std::vector<std::string> InputTopics(const KafkaSourceOptions& options) {
  std::vector<std::string> topics = {options.lead_topic};
  topics.insert(topics.end(), options.other_topics.begin(), options.other_topics.end());
  return topics;
}

// Errors of a consumer that do not pass by waiting.
bool IsFinal(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOutOfRange:
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kInternal:
      return true;
    default:
      return false;
  }
}

}  // namespace

class KafkaSource::Impl {
 public:
  Impl(const KafkaConfig& config, const KafkaSourceOptions& options, AssignmentListener& listener)
      : config_(config),
        options_(options),
        listener_(&listener),
        assignment_(InputTopics(options)),
        unreadable_(config, options.client_id) {}
  ~Impl();
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  absl::Status Start();
  absl::StatusOr<std::optional<Record>> Poll(absl::Duration timeout);
  absl::Status Pause(absl::Span<const int32_t> partitions);
  absl::Status Resume(absl::Span<const Position> positions);
  absl::StatusOr<std::vector<CommittedOffset>> Committed(absl::Span<const Position> partitions);
  absl::StatusOr<OffsetRange> Range(const std::string& topic, int32_t partition);
  std::vector<absl::StatusOr<OffsetRange>> Ranges(absl::Span<const Position> partitions);
  bool CaughtUp(const std::string& topic, int32_t partition, int64_t end);
  void NoteRange(const Position& place, const absl::StatusOr<OffsetRange>& range, absl::Time asked);
  absl::Status CommitOffsets(absl::Span<const CommittedOffset> offsets, bool wait);
  bool TakeFailedCommits() { return committer_->TakeFailed(); }
  absl::Status Close(absl::Duration limit);

 private:
  static void OnRebalance(rd_kafka_t* client, rd_kafka_resp_err_t event, rd_kafka_topic_partition_list_t* partitions,
                          void* impl) noexcept;
  static void OnError(rd_kafka_t* client, int error, const char* reason, void* impl) noexcept;
  void Rebalance(rd_kafka_resp_err_t event, const rd_kafka_topic_partition_list_t& partitions);
  void TakeOver(absl::Span<const int32_t> partitions);
  void LetGo(absl::Span<const int32_t> partitions, bool lost);
  absl::Status StartReading(absl::Span<const Position> positions);
  absl::Status StopReading(absl::Span<const int32_t> partitions);
  absl::Status Seek(absl::Span<const Position> positions);
  absl::Status SetPaused(const rd_kafka_topic_partition_list_t& list, bool paused);
  void Fail(absl::Status status);
  absl::Status Judge(const rd_kafka_message_t& message);
  // As UnreadableBatches::Take.
  std::optional<Record> PassOver(const rd_kafka_message_t& error);
  // Finds out where those of these logs end that hold nothing more to be handed out, and yet go on.
  void FindEnds(absl::Span<const Position> places);
  absl::Status OutsideTheLog(const std::string& topic, int32_t partition, int64_t offset);
  bool LeaveGroup(const Deadline& deadline);

  const KafkaConfig config_;
  const KafkaSourceOptions options_;
  // Null once nobody is to be told any more.
  AssignmentListener* listener_;
  Assignment assignment_;
  internal::UnreadableBatches unreadable_;
  ClientHandle client_;
  std::vector<TopicHandle> topics_;
  std::unique_ptr<OffsetCommitter> committer_;
  // Empty before Close.
  std::optional<Deadline> close_deadline_;
  bool was_assigned_ = false;
  const std::shared_ptr<internal::FetchWatch> fetches_ = std::make_shared<internal::FetchWatch>();
  // Once set, all that Poll returns.
  absl::Status fatal_;
};

absl::Status KafkaSource::Impl::Start() {
  ClientSettings settings(config_, options_.client_id);
  internal::SetConsumerDefaults(settings, options_.group);
  settings.Set("partition.assignment.strategy", "cooperative-sticky");
  // Where reading starts is the store's to say. An offset that is not in the log means that log and store do not belong
  // together; skipping or repeating is for an operator to choose.
  settings.Set("auto.offset.reset", "error");
  settings.Set("session.timeout.ms", config_.session_timeout);
  settings.Set("heartbeat.interval.ms", std::min(absl::Milliseconds(200), config_.session_timeout / 4));
  settings.Set("max.poll.interval.ms", std::max(config_.max_poll_interval, config_.session_timeout));
  // A broker that has not heard of a new topic yet says that it has no partitions, and the group is shared out by that
  // until it is asked again: five minutes later, unless told otherwise.
  settings.Set("topic.metadata.refresh.interval.ms", kAskForTopicsEvery);
  rd_kafka_conf_set_rebalance_cb(settings.conf(), &Impl::OnRebalance);
  rd_kafka_conf_set_error_cb(settings.conf(), &Impl::OnError);
  fetches_->Install(settings.conf());
  absl::StatusOr<ClientHandle> client = std::move(settings).Build(RD_KAFKA_CONSUMER, this);
  if (!client.ok()) {
    return client.status();
  }
  client_ = *std::move(client);
  committer_ = std::make_unique<OffsetCommitter>(client_.get());
  rd_kafka_poll_set_consumer(client_.get());
  topics_ = internal::LookFor(client_.get(), {assignment_.topics().begin(), assignment_.topics().end()});

  const PartitionListHandle subscription = internal::NewPartitionList(1);
  internal::Add(*subscription, options_.lead_topic, RD_KAFKA_PARTITION_UA, RD_KAFKA_OFFSET_INVALID);
  return internal::ToStatus(rd_kafka_subscribe(client_.get(), subscription.get()),
                            fmt::format("subscription of group {} to {}", options_.group, options_.lead_topic));
}

KafkaSource::Impl::~Impl() {
  // Left even now: the group need not wait for a session to run out, and a 2.0.2 client that is destroyed in the middle
  // of a rebalance hangs.
  listener_ = nullptr;
  if (client_ != nullptr) {
    Close(kDestroyLimit).IgnoreError();
  }
}

// ---- reading -------------------------------------------------------------------------------------------------------

absl::StatusOr<std::optional<Record>> KafkaSource::Impl::Poll(absl::Duration timeout) {
  if (close_deadline_.has_value() && fatal_.ok()) {
    return absl::FailedPreconditionError("the source is closed");
  }
  committer_->Serve();
  const Deadline deadline(timeout);
  do {
    if (!fatal_.ok()) {
      return fatal_;
    }
    MessageHandle message(rd_kafka_consumer_poll(client_.get(), deadline.RemainingMs()));
    if (message == nullptr) {
      continue;
    }
    if (internal::UnreadableBatches::IsMeantBy(*message)) {
      if (std::optional<Record> instead = PassOver(*message); instead.has_value()) {
        return instead;
      }
      continue;
    }
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
      Fail(Judge(*message));
      continue;
    }
    if (assignment_.Take(rd_kafka_topic_name(message->rkt), message->partition, message->offset)) {
      return internal::RecordFrom(std::move(message));
    }
  } while (!deadline.expired());
  return fatal_.ok() ? absl::StatusOr<std::optional<Record>>(std::nullopt) : fatal_;
}

bool KafkaSource::Impl::CaughtUp(const std::string& topic, int32_t partition, int64_t end) {
  const Assignment::Lane* lane = assignment_.Find(topic, partition);
  if (lane == nullptr || lane->reading != Reading::kOn || fetches_->IsDisturbed(lane->asked_at, clock::SteadyNow())) {
    return false;
  }
  int64_t low = 0;
  int64_t high = 0;
  const rd_kafka_resp_err_t known =
      rd_kafka_get_watermark_offsets(client_.get(), topic.c_str(), partition, &low, &high);
  // Negative before the first answer to a fetch.
  return known == RD_KAFKA_RESP_ERR_NO_ERROR && high >= 0 && lane->reached >= std::max({high, end, lane->asked_end});
}

std::optional<Record> KafkaSource::Impl::PassOver(const rd_kafka_message_t& error) {
  const std::string topic = rd_kafka_topic_name(error.rkt);
  Assignment::Lane* const lane = assignment_.Find(topic, error.partition);
  // A partition that was given away or paused meanwhile is read anew when it comes back.
  if (lane == nullptr || lane->reading != Reading::kOn) {
    return std::nullopt;
  }
  std::optional<Record> instead = unreadable_.Take(error, lane->reached, [&](int64_t offset) {
    return Seek({{topic, error.partition, offset}});
  });
  if (instead.has_value()) {
    lane->reached = instead->offset() + 1;
  }
  return instead;
}

// OK where waiting helps.
absl::Status KafkaSource::Impl::Judge(const rd_kafka_message_t& message) {
  const std::string topic = message.rkt != nullptr ? rd_kafka_topic_name(message.rkt) : "";
  if (const std::string reason = internal::FatalError(client_.get()); !reason.empty()) {
    return absl::InternalError(fmt::format("consumer of group {} has failed: {}", options_.group, reason));
  }
  absl::Status status = internal::ToStatus(
      message.err, topic.empty() ? "group " + options_.group : fmt::format("{}-{}", topic, message.partition),
      rd_kafka_message_errstr(&message));
  if (!IsFinal(status)) {
    kLog.Warn("reading is disturbed; trying again", {{"group", options_.group}, {"reason", status}});
    fetches_->NoteError(clock::SteadyNow());
    return absl::OkStatus();
  }
  if (status.code() == absl::StatusCode::kOutOfRange) {
    Assignment::Lane* lane = assignment_.Find(topic, message.partition);
    // Of a partition that was given away meanwhile it is no concern of ours.
    if (lane == nullptr || lane->reading == Reading::kNot || listener_ == nullptr) {
      return absl::OkStatus();
    }
    // The client takes no seek in a partition that it could not read: Resume gives it the partition anew.
    const PartitionListHandle list = internal::NewPartitionList(1);
    internal::Add(*list, topic, message.partition, RD_KAFKA_OFFSET_INVALID);
    lane->reading = Reading::kNot;
    const ErrorHandle error(rd_kafka_incremental_unassign(client_.get(), list.get()));
    listener_->OnUnreadable(message.partition, OutsideTheLog(topic, message.partition, message.offset));
    return internal::ToStatus(error.get(), fmt::format("end of reading {}-{}", topic, message.partition));
  }
  return status;
}

absl::Status KafkaSource::Impl::OutsideTheLog(const std::string& topic, int32_t partition, int64_t offset) {
  const absl::StatusOr<OffsetRange> range = Range(topic, partition);
  const std::string held = range.ok() ? fmt::format("[{}, {})", range->low, range->high) : "unknown";
  return absl::OutOfRangeError(
      fmt::format("group {} should read {}-{} from offset {}, but the log holds {}: records have expired, or the topic "
                  "or its cluster is not the one the store knows",
                  options_.group, topic, partition, offset, held));
}

void KafkaSource::Impl::Fail(absl::Status status) {
  if (!status.ok() && fatal_.ok()) {
    fatal_ = std::move(status);
  }
}

// ---- ownership -----------------------------------------------------------------------------------------------------

void KafkaSource::Impl::OnError(rd_kafka_t* client, int error, const char* reason, void* impl) noexcept {
  internal::LogError(client, error, reason, impl);
  static_cast<Impl*>(impl)->fetches_->NoteError(clock::SteadyNow());
}

void KafkaSource::Impl::OnRebalance(rd_kafka_t* /*client*/, rd_kafka_resp_err_t event,
                                    rd_kafka_topic_partition_list_t* partitions, void* impl) noexcept {
  static_cast<Impl*>(impl)->Rebalance(event, *partitions);
}

void KafkaSource::Impl::Rebalance(rd_kafka_resp_err_t event, const rd_kafka_topic_partition_list_t& partitions) {
  std::vector<int32_t> numbers;
  for (const rd_kafka_topic_partition_t& entry : internal::Elements(partitions)) {
    numbers.push_back(entry.partition);
  }
  std::sort(numbers.begin(), numbers.end());
  const std::string list = fmt::format("{}", fmt::join(numbers, " "));

  switch (event) {
    case RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS:
      was_assigned_ = true;
      kLog.Info("partitions assigned", {{"group", options_.group}, {"partitions", list}});
      TakeOver(numbers);
      break;
    case RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS: {
      const bool lost = rd_kafka_assignment_lost(client_.get()) != 0;
      kLog.Info(lost ? "partitions lost" : "partitions revoked", {{"group", options_.group}, {"partitions", list}});
      LetGo(numbers, lost);
      break;
    }
    default:
      // The assignment is in an unknown state: nothing of it may be relied on.
      kLog.Error("rebalance failed", {{"group", options_.group}, {"reason", rd_kafka_err2str(event)}});
      LetGo(assignment_.Owned(), true);
  }
}

void KafkaSource::Impl::TakeOver(absl::Span<const int32_t> partitions) {
  assignment_.Own(partitions);
  const std::vector<Position> positions =
      listener_ != nullptr ? listener_->OnAssigned(partitions) : std::vector<Position>();
  for (const Position& position : positions) {
    if (std::find(partitions.begin(), partitions.end(), position.partition) == partitions.end() ||
        !assignment_.HasTopic(position.topic) || position.offset < 0) {
      Fail(absl::InvalidArgumentError(fmt::format("cannot start reading {}-{} at {}: not among what was assigned",
                                                  position.topic, position.partition, position.offset)));
      break;
    }
  }
  // Called even with nothing to read, and after a failure: the group waits for it.
  Fail(StartReading(fatal_.ok() ? absl::MakeConstSpan(positions) : absl::Span<const Position>()));
}

void KafkaSource::Impl::LetGo(absl::Span<const int32_t> partitions, bool lost) {
  const std::vector<int32_t> owned = assignment_.Owned(partitions);
  if (!owned.empty() && listener_ != nullptr) {
    if (lost) {
      listener_->OnLost(owned);
    } else {
      listener_->OnRevoked(owned);
    }
  }
  Fail(StopReading(owned));
}

absl::Status KafkaSource::Impl::StartReading(absl::Span<const Position> positions) {
  const PartitionListHandle list = internal::NewPartitionList(positions.size());
  for (const Position& position : positions) {
    internal::Add(*list, position.topic, position.partition, position.offset);
  }
  const ErrorHandle error(rd_kafka_incremental_assign(client_.get(), list.get()));
  if (error != nullptr) {
    return internal::ToStatus(error.get(), fmt::format("assignment of group {}", options_.group));
  }
  for (const Position& position : positions) {
    *assignment_.Find(position.topic, position.partition) = {Reading::kOn, position.offset, position.offset};
  }
  return absl::OkStatus();
}

absl::Status KafkaSource::Impl::StopReading(absl::Span<const int32_t> partitions) {
  const PartitionListHandle list = internal::NewPartitionList(partitions.size() * assignment_.topics().size());
  const PartitionListHandle paused = internal::NewPartitionList(partitions.size());
  for (const Assignment::Place& place : assignment_.LanesOf(partitions)) {
    if (place.lane->reading != Reading::kNot) {
      internal::Add(*list, *place.topic, place.partition, RD_KAFKA_OFFSET_INVALID);
    }
    if (place.lane->reading == Reading::kPaused) {
      internal::Add(*paused, *place.topic, place.partition, RD_KAFKA_OFFSET_INVALID);
    }
  }
  assignment_.Disown(partitions);
  // Otherwise librdkafka would remember the pause when the partition comes back.
  rd_kafka_resume_partitions(client_.get(), paused.get());
  const ErrorHandle error(rd_kafka_incremental_unassign(client_.get(), list.get()));
  return internal::ToStatus(error.get(), fmt::format("end of assignment of group {}", options_.group));
}

// ---- pausing -------------------------------------------------------------------------------------------------------

absl::Status KafkaSource::Impl::Pause(absl::Span<const int32_t> partitions) {
  const PartitionListHandle list = internal::NewPartitionList(partitions.size());
  for (const Assignment::Place& place : assignment_.LanesOf(partitions)) {
    if (place.lane->reading == Reading::kOn) {
      internal::Add(*list, *place.topic, place.partition, RD_KAFKA_OFFSET_INVALID);
    }
  }
  rd_kafka_pause_partitions(client_.get(), list.get());
  return SetPaused(*list, true);
}

absl::Status KafkaSource::Impl::Resume(absl::Span<const Position> positions) {
  std::vector<Position> fresh;
  std::vector<Position> known;
  for (const Position& position : positions) {
    const Assignment::Lane* lane = assignment_.Find(position.topic, position.partition);
    if (lane == nullptr || position.offset < 0) {
      return absl::InvalidArgumentError(
          fmt::format("cannot resume {}-{} at {}: not an owned partition of an input topic", position.topic,
                      position.partition, position.offset));
    }
    (lane->reading == Reading::kNot ? fresh : known).push_back(position);
  }
  if (!fresh.empty()) {
    if (absl::Status status = StartReading(fresh); !status.ok()) {
      return status;
    }
  }
  return known.empty() ? absl::OkStatus() : Seek(known);
}

absl::Status KafkaSource::Impl::Seek(absl::Span<const Position> positions) {
  const PartitionListHandle list = internal::NewPartitionList(positions.size());
  for (const Position& position : positions) {
    internal::Add(*list, position.topic, position.partition, position.offset);
  }
  if (absl::Status status = internal::SeekTo(client_.get(), *list, Deadline(config_.request_timeout)); !status.ok()) {
    return status;
  }
  for (const Position& position : positions) {
    Assignment::Lane* lane = assignment_.Find(position.topic, position.partition);
    lane->from = lane->reached = position.offset;
  }
  rd_kafka_resume_partitions(client_.get(), list.get());
  return SetPaused(*list, false);
}

absl::Status KafkaSource::Impl::SetPaused(const rd_kafka_topic_partition_list_t& list, bool paused) {
  for (const rd_kafka_topic_partition_t& entry : internal::Elements(list)) {
    if (entry.err == RD_KAFKA_RESP_ERR_NO_ERROR) {
      assignment_.Find(entry.topic, entry.partition)->reading = paused ? Reading::kPaused : Reading::kOn;
    }
  }
  return internal::FirstError(list, paused ? "pause of" : "resumption of");
}

// ---- offsets -------------------------------------------------------------------------------------------------------

absl::StatusOr<std::vector<CommittedOffset>> KafkaSource::Impl::Committed(absl::Span<const Position> partitions) {
  const PartitionListHandle list = internal::NewPartitionList(partitions.size());
  for (const Position& position : partitions) {
    internal::Add(*list, position.topic, position.partition, RD_KAFKA_OFFSET_INVALID);
  }
  const Deadline deadline(config_.request_timeout);
  const rd_kafka_resp_err_t error = rd_kafka_committed(client_.get(), list.get(), deadline.RemainingMs());
  absl::Status status = internal::ToStatus(error, fmt::format("committed offsets of group {}", options_.group));
  if (status.ok()) {
    status = internal::FirstError(*list, fmt::format("committed offset of group {} in", options_.group));
  }
  if (!status.ok()) {
    return status;
  }
  std::vector<CommittedOffset> offsets;
  for (const rd_kafka_topic_partition_t& entry : internal::Elements(*list)) {
    offsets.push_back({entry.topic, entry.partition, entry.offset < 0 ? -1 : entry.offset,
                       std::string(static_cast<const char*>(entry.metadata), entry.metadata_size)});
  }
  return offsets;
}

absl::StatusOr<OffsetRange> KafkaSource::Impl::Range(const std::string& topic, int32_t partition) {
  const absl::Time asked = clock::SteadyNow();
  absl::StatusOr<OffsetRange> range =
      internal::QueryRange(client_.get(), topic, partition, Deadline(config_.request_timeout));
  NoteRange({.topic = topic, .partition = partition}, range, asked);
  return range;
}

std::vector<absl::StatusOr<OffsetRange>> KafkaSource::Impl::Ranges(absl::Span<const Position> partitions) {
  const absl::Time asked = clock::SteadyNow();
  auto ranges = internal::QueryRanges(client_.get(), partitions, Deadline(config_.request_timeout));
  for (size_t i = 0; i < ranges.size(); ++i) {
    NoteRange(partitions[i], ranges[i], asked);
  }
  FindEnds(partitions);
  return ranges;
}

// Behind the last record there may be what is never handed out: the end of a transaction, or what it took back. The
// client of the group could tell (enable.partition.eof), but would be woken at each end of each log for it, which costs
// a third of the throughput of many small batches. So a reader of its own looks, and only where nothing has come since
// the end was asked for before.
void KafkaSource::Impl::FindEnds(absl::Span<const Position> places) {
  std::vector<Position> standing;
  for (const Position& place : places) {
    Assignment::Lane* const lane = assignment_.Find(place.topic, place.partition);
    if (lane == nullptr || lane->reading != Reading::kOn || lane->reached >= lane->asked_end) {
      continue;
    }
    if (std::exchange(lane->reached_when_asked, lane->reached) == lane->reached) {
      standing.push_back({.topic = place.topic, .partition = place.partition, .offset = lane->reached});
    }
  }
  if (standing.empty()) {
    return;
  }
  const auto reader =
      PartitionReader::Create(config_, options_.client_id + "-ends", standing, Isolation::kCommitted, Ends::kTold);
  const Deadline deadline(kFindEndsWithin);
  size_t found = 0;
  // What comes as a record comes by the group's client too.
  while (reader.ok() && found < standing.size() && !deadline.expired() && (*reader)->Poll(kLookForEndsEvery).ok()) {
    for (const Position& end : (*reader)->TakeReachedEnds()) {
      ++found;
      Assignment::Lane* const lane = assignment_.Find(end.topic, end.partition);
      lane->reached = std::max(lane->reached, end.offset);
    }
  }
}

void KafkaSource::Impl::NoteRange(const Position& place, const absl::StatusOr<OffsetRange>& range, absl::Time asked) {
  Assignment::Lane* const lane = assignment_.Find(place.topic, place.partition);
  if (lane == nullptr || !range.ok()) {
    return;
  }
  lane->asked_at = asked;
  lane->asked_end = range->high;
}

absl::Status KafkaSource::Impl::CommitOffsets(absl::Span<const CommittedOffset> offsets, bool wait) {
  // While closing, all wait: none may be in flight when the consumer goes.
  if (close_deadline_.has_value()) {
    const absl::Duration left = absl::Milliseconds(close_deadline_->RemainingMs());
    return committer_->SendAndWait(offsets, std::min(config_.request_timeout, left));
  }
  return wait ? committer_->SendAndWait(offsets, config_.request_timeout) : committer_->Send(offsets);
}

// ---- closing -------------------------------------------------------------------------------------------------------

absl::Status KafkaSource::Impl::Close(absl::Duration limit) {
  if (close_deadline_.has_value()) {
    return absl::OkStatus();
  }
  const Deadline& deadline = close_deadline_.emplace(limit);
  const bool in_time = committer_->WaitUntilIdle(deadline) && LeaveGroup(deadline);
  if (const std::vector<int32_t> left = assignment_.Owned(); !left.empty()) {
    // The group was not left in order: who knows whose these are by now.
    if (listener_ != nullptr) {
      listener_->OnLost(left);
    }
    assignment_.Disown(left);
  }
  const auto rest = absl::Milliseconds(deadline.RemainingMs());
  committer_.reset();
  topics_.clear();
  if (was_assigned_) {
    internal::DestroyWithin(std::move(client_), std::max(rest, absl::Milliseconds(100)), fetches_);
  } else {
    // 2.0.2 aborts the process when it destroys a member that has joined and was not assigned yet (its issue 4312,
    // mended in 2.3). Such a client is left to the end of the process, with what it tells of its requests.
    (void)client_.release();
    new std::shared_ptr<const internal::FetchWatch>(fetches_);
  }
  if (!in_time) {
    return absl::DeadlineExceededError(
        fmt::format("group {} was not left within {}; its tasks move on after the session timeout", options_.group,
                    absl::FormatDuration(limit)));
  }
  return absl::OkStatus();
}

bool KafkaSource::Impl::LeaveGroup(const Deadline& deadline) {
  const QueueHandle events(rd_kafka_queue_new(client_.get()));
  const ErrorHandle error(rd_kafka_consumer_close_queue(client_.get(), events.get()));
  if (error != nullptr) {
    kLog.Warn("cannot leave the group in order",
              {{"group", options_.group}, {"reason", rd_kafka_error_string(error.get())}});
    return true;
  }
  while (rd_kafka_consumer_closed(client_.get()) == 0) {
    if (deadline.expired()) {
      return false;
    }
    // Records that were fetched ahead come out here as well, and are dropped. They are why this is not
    // rd_kafka_queue_poll_callback, which aborts the process on one.
    const EventHandle event(rd_kafka_queue_poll(events.get(), deadline.RemainingMs(absl::Milliseconds(20))));
    if (event != nullptr && rd_kafka_event_type(event.get()) == RD_KAFKA_EVENT_REBALANCE) {
      Rebalance(rd_kafka_event_error(event.get()), *rd_kafka_event_topic_partition_list(event.get()));
    }
  }
  return true;
}

// ---- the public face -----------------------------------------------------------------------------------------------

KafkaSource::KafkaSource(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
KafkaSource::~KafkaSource() = default;

absl::StatusOr<std::unique_ptr<KafkaSource>> KafkaSource::Create(const KafkaConfig& config,
                                                                 const KafkaSourceOptions& options,
                                                                 AssignmentListener& listener) {
  auto impl = std::make_unique<Impl>(config, options, listener);
  if (absl::Status status = impl->Start(); !status.ok()) {
    return status;
  }
  return std::unique_ptr<KafkaSource>(new KafkaSource(std::move(impl)));
}

absl::StatusOr<std::optional<Record>> KafkaSource::Poll(absl::Duration timeout) { return impl_->Poll(timeout); }
absl::Status KafkaSource::Pause(absl::Span<const int32_t> partitions) { return impl_->Pause(partitions); }
absl::Status KafkaSource::Resume(absl::Span<const Position> positions) { return impl_->Resume(positions); }
absl::StatusOr<std::vector<CommittedOffset>> KafkaSource::Committed(absl::Span<const Position> partitions) {
  return impl_->Committed(partitions);
}
absl::StatusOr<OffsetRange> KafkaSource::Range(const std::string& topic, int32_t partition) {
  return impl_->Range(topic, partition);
}
std::vector<absl::StatusOr<OffsetRange>> KafkaSource::Ranges(absl::Span<const Position> partitions) {
  return impl_->Ranges(partitions);
}
bool KafkaSource::CaughtUp(const std::string& topic, int32_t partition, int64_t end) {
  return impl_->CaughtUp(topic, partition, end);
}
absl::Status KafkaSource::CommitOffsets(absl::Span<const CommittedOffset> offsets, bool wait) {
  return impl_->CommitOffsets(offsets, wait);
}
bool KafkaSource::TakeFailedCommits() { return impl_->TakeFailedCommits(); }
absl::Status KafkaSource::Close(absl::Duration deadline) { return impl_->Close(deadline); }

}  // namespace tradewind::bus
