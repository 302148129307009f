#include "tradewind/seal/kafka_key_log.h"

#include <fmt/format.h>
#include <sodium.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <set>
#include <utility>

#include "tradewind/bus/envelope.h"
#include "tradewind/bus/kafka_admin.h"
#include "tradewind/bus/kafka_sink.h"
#include "tradewind/clock/steady_now.h"
#include "tradewind/errors/printable.h"
#include "tradewind/seal/key_records.h"
#include "tradewind/seal/logger.h"

namespace tradewind::seal {
namespace {

constexpr absl::Duration kPollTimeout = absl::Milliseconds(10);
// How long a record may take to the log: then whoever waits for it is told so and may try again.
constexpr absl::Duration kDeliveryTimeout = absl::Seconds(10);
// Between one record and the next while the topic is read whole.
constexpr absl::Duration kPatience = absl::Seconds(15);
constexpr std::chrono::seconds kRetryDelay{1};
// Before the end of a partition is asked for again where the broker did not tell it.
constexpr std::chrono::milliseconds kAskAgain{100};
// Far longer than it takes to read what stands between a partition's last record and its end, where there is anything.
constexpr absl::Duration kEndIsHidden = absl::Milliseconds(300);
// Between two looks at whether the log can be read.
constexpr absl::Duration kLookEvery = absl::Seconds(5);
// Without an error of the reader until it counts as read again.
constexpr absl::Duration kReadsAgain = absl::Seconds(5);
// Of a foreign record's key in the log.
constexpr size_t kMostShown = 60;

// The name of a key's record that never was: to be told to forget it changes nothing.
std::string NewNobody() {
  SubjectTag nobody;
  randombytes_buf(nobody.data(), nobody.size());
  return KeyRecordName(nobody, 0);
}

// The topic is there: a broker that does not know it has yet to hear of it.
absl::Status Retryable(const absl::Status& status) {
  return absl::IsNotFound(status) ? absl::UnavailableError(status.message()) : status;
}

void Pause(std::chrono::milliseconds time, const std::stop_token& stop) {
  std::mutex mutex;
  std::unique_lock lock(mutex);
  std::condition_variable_any().wait_for(lock, stop, time, [] { return false; });
}

}  // namespace

KafkaKeyLog::KafkaKeyLog(bus::KafkaConfig config, std::string client_id, KeyLogListener listener)
    : config_(std::move(config)),
      client_id_(std::move(client_id)),
      topic_(bus::FullTopic(config_, bus::kKeysTopic)),
      listener_(std::move(listener)),
      skipped_(telemetry::NewCounter("tradewind_keys_records_skipped_total",
                                     "Records on mesh.keys.v1 that are of no use and were passed over.")),
      unread_(telemetry::NewAge("tradewind_keys_unread_seconds", "Since mesh.keys.v1 cannot be read.")) {}

// The threads end before what they use.
KafkaKeyLog::~KafkaKeyLog() {
  asking_.request_stop();
  thread_ = {};
  asking_ = {};
}

absl::Status KafkaKeyLog::Open() {
  auto admin = bus::KafkaAdmin::Create(config_, client_id_);
  if (!admin.ok()) return admin.status();
  const auto counts = (*admin)->EnsureTopics({topic_}, bus::TopicKind::kCompacted);
  if (!counts.ok()) return counts.status();
  positions_.clear();
  for (int32_t partition = 0; partition < counts->at(topic_); ++partition) {
    positions_.push_back({.topic = topic_, .partition = partition, .offset = bus::kFromBeginning});
  }
  partitions_ = bus::KeyedPartitions(config_, static_cast<int32_t>(positions_.size()));
  for (const auto step : {&KafkaKeyLog::OpenSink, &KafkaKeyLog::OpenReader, &KafkaKeyLog::CatchUp}) {
    if (absl::Status done = (this->*step)(); !done.ok()) return done;
  }
  std::vector<int64_t> next;
  for (const bus::Position& position : positions_) next.push_back(position.offset);
  ends_.Start(next);
  thread_ = std::jthread([this](const std::stop_token& stop) { Follow(stop); });
  asking_ = std::jthread([this](const std::stop_token& stop) { AskForEnds(stop); });
  return absl::OkStatus();
}

absl::Status KafkaKeyLog::OpenSink() {
  const auto make = [this] {
    return bus::KafkaSink::Create(config_, {.client_id = client_id_, .delivery_timeout = kDeliveryTimeout});
  };
  auto sink = make();
  if (!sink.ok()) return sink.status();
  sink_ = std::make_unique<bus::ReplaceableSink>(*std::move(sink), make);
  return absl::OkStatus();
}

absl::Status KafkaKeyLog::OpenReader() {
  // Whatever is written in a transaction of somebody else's is read at once: an open one must not hold back the keys.
  auto reader = bus::PartitionReader::Create(config_, client_id_, positions_, bus::Isolation::kUncommitted);
  if (!reader.ok()) return Retryable(reader.status());
  std::shared_ptr<bus::PartitionReader> before = *std::move(reader);
  const std::lock_guard lock(mutex_);
  // The one before is destroyed without the lock: that takes a while.
  std::swap(reader_, before);
  return absl::OkStatus();
}

// Offsets do not tell where the end is: the last records may have been compacted away. A record of its own on each
// partition does.
absl::Status KafkaKeyLog::CatchUp() {
  std::set<std::string, std::less<>> ends;
  for (const bus::Position& position : positions_) {
    const std::string name = NewNobody();
    if (absl::Status status = Produce(position.partition, name, ""); !status.ok()) return status;
    ends.insert(name);
  }
  absl::Time last = clock::SteadyNow();
  while (!ends.empty()) {
    const auto record = Next();
    if (!record.ok()) return record.status();
    if (!record->has_value()) {
      if (clock::SteadyNow() - last > kPatience) {
        return absl::UnavailableError(fmt::format("cannot write to and read from {} at {}", topic_, config_.brokers));
      }
      continue;
    }
    last = clock::SteadyNow();
    Take(**record);
    if (const auto end = ends.find((*record)->key()); end != ends.end()) ends.erase(end);
  }
  return absl::OkStatus();
}

absl::Status KafkaKeyLog::Append(const SubjectTag& subject, std::string_view name, std::string_view value) {
  return Produce(name == kPartitionsRecordName ? 0 : PartitionOf(subject), name, value);
}

int32_t KafkaKeyLog::PartitionOf(const SubjectTag& subject) const {
  return bus::PartitionOf(ToText(subject), partitions_);
}

void KafkaKeyLog::PinPartitions(int32_t count) {
  partitions_ = std::min(count, static_cast<int32_t>(positions_.size()));
}

absl::Status KafkaKeyLog::Produce(int32_t partition, std::string_view name, std::string_view value) {
  // No value is a null one to Kafka only where there is no pointer to it.
  const bus::OutgoingRecord record{
      .topic = topic_, .partition = partition, .key = name, .value = value.empty() ? std::string_view() : value};
  return sink_->Use([&](bus::EventSink& sink) { return sink.Produce(record, 0); });
}

void KafkaKeyLog::TakeReports() {
  absl::Status failed;
  sink_->Poll(absl::ZeroDuration(), [&](const bus::Delivery& delivery) { failed.Update(delivery.status); });
  if (failed.ok()) return;
  kLog.Warn("keys did not get to the log; opening another producer", {{"topic", topic_}, {"error", failed}});
  if (const absl::Status replaced = sink_->Replace([] {}); !replaced.ok()) {
    kLog.Error("cannot replace a producer that has failed", {{"error", replaced}});
  }
  listener_.on_lost();
}

absl::StatusOr<std::optional<bus::Record>> KafkaKeyLog::Next() {
  auto record = reader_->Poll(kPollTimeout);
  TakeReports();
  return record;
}

void KafkaKeyLog::Take(const bus::Record& record) {
  const absl::Status taken = record.damage().empty() ? listener_.on_record(record.key(), record.value())
                                                     : absl::InvalidArgumentError(std::string(record.damage()));
  positions_[static_cast<size_t>(record.partition())].offset = record.offset() + 1;
  if (!taken.ok()) TellOfSkipped(record, taken);
}

void KafkaKeyLog::TellOfSkipped(const bus::Record& record, const absl::Status& why) {
  skipped_.Add();
  const uint64_t times = tell_of_skipped_.Count(clock::SteadyNow());
  if (times == 0) return;
  kLog.Error("passed over a record of the log of keys", {{"topic", topic_},
                                                         {"partition", record.partition()},
                                                         {"offset", record.offset()},
                                                         {"key", errors::Printable(record.key().substr(0, kMostShown))},
                                                         {"since the last such line", times},
                                                         {"error", why}});
}

void KafkaKeyLog::Follow(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    const auto record = Next();
    if (!record.ok()) {
      Reopen(record.status(), stop);
    } else if (record->has_value()) {
      Take(**record);
      ends_.Reach((*record)->partition(), (*record)->offset() + 1);
    }
    const absl::Time now = clock::SteadyNow();
    NoteRead(now);
    Look(now);
    MarkHiddenEnds();
    listener_.on_tick();
  }
}

void KafkaKeyLog::NoteRead(absl::Time now) {
  if (end_is_known_ && now - failed_at_ >= kReadsAgain) unread_.End();
}

void KafkaKeyLog::Look(absl::Time now) {
  if (now - looked_at_ < kLookEvery) return;
  looked_at_ = now;
  looks_at_ = (looks_at_ + 1) % static_cast<int32_t>(positions_.size());
  ends_.Ask(looks_at_);
}

void KafkaKeyLog::Reopen(const absl::Status& why, const std::stop_token& stop) {
  unread_.Begin();
  kLog.Error("the log of keys cannot be read; trying again", {{"topic", topic_}, {"error", why}});
  while (!stop.stop_requested() && !OpenReader().ok()) {
    Pause(kRetryDelay, stop);
    listener_.on_tick();
  }
  failed_at_ = clock::SteadyNow();
}

// ---- where the log ends ---------------------------------------------------------------------------------------------

KeyLog::End KafkaKeyLog::AskForEnd(const SubjectTag& subject) {
  const int32_t partition = PartitionOf(subject);
  return {.partition = partition, .question = ends_.Ask(partition)};
}

void KafkaKeyLog::AskForEnds(const std::stop_token& stop) {
  while (const std::optional<int32_t> partition = ends_.AwaitQuestion(stop)) {
    std::shared_ptr<bus::PartitionReader> reader;
    {
      const std::lock_guard lock(mutex_);
      reader = reader_;
    }
    const absl::StatusOr<int64_t> end = reader->End(topic_, *partition);
    end_is_known_ = end.ok();
    if (end.ok()) {
      ends_.Answer(*partition, *end, clock::SteadyNow());
      continue;
    }
    unread_.Begin();
    if (const uint64_t times = tell_of_unknown_end_.Count(clock::SteadyNow()); times > 0) {
      kLog.Warn("the end of the log of keys is not known; asking again",
                {{"topic", topic_}, {"since the last such line", times}, {"error", end.status()}});
    }
    ends_.Fail(*partition);
    Pause(kAskAgain, stop);
  }
}

// The last thing on a partition may be no record: what ends a transaction. It has an offset all the same.
void KafkaKeyLog::MarkHiddenEnds() {
  for (const int32_t partition : ends_.TakeUnreached(clock::SteadyNow() - kEndIsHidden)) {
    const absl::Status marked = Produce(partition, NewNobody(), "");
    if (!marked.ok()) kLog.Warn("cannot mark the end of the log of keys", {{"topic", topic_}, {"error", marked}});
  }
}

}  // namespace tradewind::seal
