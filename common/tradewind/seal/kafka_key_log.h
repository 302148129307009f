// The log of keys on Kafka: the compacted topic mesh.keys.v1, read whole and then followed.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"

#include "tradewind/bus/kafka_config.h"
#include "tradewind/bus/partition_reader.h"
#include "tradewind/bus/replaceable_sink.h"
#include "tradewind/seal/key_log.h"
#include "tradewind/seal/log_ends.h"
#include "tradewind/telemetry/metrics.h"
#include "tradewind/telemetry/occasional.h"

namespace tradewind::seal {

class KafkaKeyLog final : public KeyLog {
 public:
  // What the listener does not take is passed over and counted, and told in the log with its place, once a minute at
  // most.
  KafkaKeyLog(bus::KafkaConfig config, std::string client_id, KeyLogListener listener);
  ~KafkaKeyLog() override;

  // Makes the topic where there is none, and returns once everything on it has been read; from then on the listener is
  // called by a thread of its own. Blocks. Unavailable where no broker answers.
  absl::Status Open();

  // ResourceExhausted where the producer's queue is full.
  absl::Status Append(const SubjectTag& subject, std::string_view name, std::string_view value) override;
  End AskForEnd(const SubjectTag& subject) override;
  bool HasRead(const End& end) const override { return ends_.HasReached(end.partition, end.question); }
  int32_t Partitions() const override { return partitions_; }
  void PinPartitions(int32_t count) override;

 private:
  absl::Status OpenSink();
  absl::Status OpenReader();
  // Reads until what was on the topic when it was called has been read.
  absl::Status CatchUp();
  absl::Status Produce(int32_t partition, std::string_view name, std::string_view value);
  int32_t PartitionOf(const SubjectTag& subject) const;
  // Nothing where none came within the poll's time.
  absl::StatusOr<std::optional<bus::Record>> Next();
  void Take(const bus::Record& record);
  // Ends what `unread_` shows once nothing has failed for a while: a reader that was just opened has not shown that it
  // can read.
  void NoteRead(absl::Time now);
  void Look(absl::Time now);
  void TellOfSkipped(const bus::Record& record, const absl::Status& why);
  void Follow(const std::stop_token& stop);
  // Asks the broker for the ends that somebody waits for.
  void AskForEnds(const std::stop_token& stop);
  // Puts a record of nobody behind what hides the end of a partition.
  void MarkHiddenEnds();
  void Reopen(const absl::Status& why, const std::stop_token& stop);
  void TakeReports();

  const bus::KafkaConfig config_;
  const std::string client_id_;
  const std::string topic_;
  const KeyLogListener listener_;
  telemetry::Counter skipped_;
  telemetry::Age unread_;
  // When the reader last failed, by the steady clock.
  absl::Time failed_at_ = absl::InfinitePast();
  // The last question for an end was answered.
  std::atomic<bool> end_is_known_ = true;
  telemetry::Occasional tell_of_unknown_end_;
  // The reader waits without a word for a topic that is gone: now and then the end of a partition is asked for.
  absl::Time looked_at_ = absl::InfinitePast();
  int32_t looks_at_ = 0;
  telemetry::Occasional tell_of_skipped_;
  // Null until it is opened.
  std::unique_ptr<bus::ReplaceableSink> sink_;
  // Keeps the reader from being replaced under somebody who uses it.
  std::mutex mutex_;
  std::shared_ptr<bus::PartitionReader> reader_;
  // By partition number: the next record to read.
  std::vector<bus::Position> positions_;
  // The first of them, over which subjects are spread.
  std::atomic<int32_t> partitions_ = 0;
  LogEnds ends_;
  std::jthread asking_;
  std::jthread thread_;
};

}  // namespace tradewind::seal
