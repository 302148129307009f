#include "tradewind/seal/kafka_key_log.h"

#include <fmt/format.h>
#include <sodium.h>

#include <chrono>
#include <optional>
#include <set>
#include <utility>

#include "absl/time/clock.h"

#include "tradewind/bus/envelope.h"
#include "tradewind/bus/kafka_admin.h"
#include "tradewind/seal/key_table.h"
#include "tradewind/seal/logger.h"

namespace tradewind::seal {
namespace {

constexpr absl::Duration kPollTimeout = absl::Milliseconds(10);
// How long a record may take to the log: then whoever waits for it is told so and may try again.
constexpr absl::Duration kDeliveryTimeout = absl::Seconds(10);
// Between one record and the next while the topic is read whole.
constexpr absl::Duration kPatience = absl::Seconds(15);
constexpr std::chrono::seconds kRetryDelay{1};

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

}  // namespace

KafkaKeyLog::KafkaKeyLog(bus::KafkaConfig config, std::string client_id, Reader read, std::function<void()> tick)
    : config_(std::move(config)),
      client_id_(std::move(client_id)),
      topic_(bus::FullTopic(config_, bus::kKeysTopic)),
      read_(std::move(read)),
      tick_(std::move(tick)) {}

// The thread ends before what it uses.
KafkaKeyLog::~KafkaKeyLog() { thread_ = {}; }

absl::Status KafkaKeyLog::Open() {
  auto admin = bus::KafkaAdmin::Create(config_, client_id_);
  if (!admin.ok()) return admin.status();
  const auto counts = (*admin)->EnsureTopics({topic_}, bus::TopicKind::kCompacted);
  if (!counts.ok()) return counts.status();
  positions_.clear();
  for (int32_t partition = 0; partition < counts->at(topic_); ++partition) {
    positions_.push_back({.topic = topic_, .partition = partition, .offset = bus::kFromBeginning});
  }
  for (const auto step : {&KafkaKeyLog::OpenSink, &KafkaKeyLog::OpenReader, &KafkaKeyLog::CatchUp}) {
    if (absl::Status done = (this->*step)(); !done.ok()) return done;
  }
  thread_ = std::jthread([this](const std::stop_token& stop) { Follow(stop); });
  return absl::OkStatus();
}

absl::Status KafkaKeyLog::OpenSink() {
  auto sink = bus::KafkaSink::Create(config_, {.client_id = client_id_, .delivery_timeout = kDeliveryTimeout});
  if (!sink.ok()) return sink.status();
  sink_ = *std::move(sink);
  return absl::OkStatus();
}

absl::Status KafkaKeyLog::OpenReader() {
  auto reader = bus::PartitionReader::Create(config_, client_id_, positions_);
  if (!reader.ok()) return Retryable(reader.status());
  reader_ = *std::move(reader);
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
  absl::Time last = absl::Now();
  while (!ends.empty()) {
    const auto record = Next();
    if (!record.ok()) return record.status();
    if (!record->has_value()) {
      if (absl::Now() - last > kPatience) {
        return absl::UnavailableError(fmt::format("cannot write to and read from {} at {}", topic_, config_.brokers));
      }
      continue;
    }
    last = absl::Now();
    if (absl::Status taken = read_((*record)->key(), (*record)->value()); !taken.ok()) return taken;
    if (const auto end = ends.find((*record)->key()); end != ends.end()) ends.erase(end);
  }
  return absl::OkStatus();
}

absl::Status KafkaKeyLog::Append(const SubjectTag& subject, std::string_view name, std::string_view value) {
  return Produce(bus::PartitionOf(ToText(subject), static_cast<int32_t>(positions_.size())), name, value);
}

absl::Status KafkaKeyLog::Produce(int32_t partition, std::string_view name, std::string_view value) {
  // No value is a null one to Kafka only where there is no pointer to it.
  const bus::OutgoingRecord record{
      .topic = topic_, .partition = partition, .key = name, .value = value.empty() ? std::string_view() : value};
  const std::lock_guard lock(mutex_);
  return sink_->Produce(record, 0);
}

void KafkaKeyLog::TakeReports() {
  absl::Status failed;
  sink_->Poll(absl::ZeroDuration(), [&](const bus::Delivery& delivery) { failed.Update(delivery.status); });
  if (failed.ok()) return;
  kLog.Warn("keys did not get to the log; opening another producer", {{"topic", topic_}, {"error", failed}});
  const std::lock_guard lock(mutex_);
  if (const absl::Status reset = sink_->Reset(); !reset.ok()) kLog.Error("no producer", {{"error", reset}});
}

absl::StatusOr<std::optional<bus::Record>> KafkaKeyLog::Next() {
  auto record = reader_->Poll(kPollTimeout);
  TakeReports();
  if (record.ok() && record->has_value()) {
    positions_[static_cast<size_t>((*record)->partition())].offset = (*record)->offset() + 1;
  }
  return record;
}

void KafkaKeyLog::Follow(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    const auto record = Next();
    tick_();
    if (!record.ok()) {
      Reopen(record.status(), stop);
    } else if (record->has_value()) {
      const absl::Status taken = read_((*record)->key(), (*record)->value());
      if (!taken.ok()) {
        kLog.Error("passed over a record of the log of keys", {{"topic", topic_},
                                                               {"partition", (*record)->partition()},
                                                               {"offset", (*record)->offset()},
                                                               {"error", taken}});
      }
    }
  }
}

void KafkaKeyLog::Reopen(const absl::Status& why, const std::stop_token& stop) {
  kLog.Error("the log of keys cannot be read; trying again", {{"topic", topic_}, {"error", why}});
  while (!stop.stop_requested() && !OpenReader().ok()) {
    std::mutex mutex;
    std::unique_lock lock(mutex);
    std::condition_variable_any().wait_for(lock, stop, kRetryDelay, [] { return false; });
    tick_();
  }
}

}  // namespace tradewind::seal
