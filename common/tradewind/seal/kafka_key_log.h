// The log of keys on Kafka: the compacted topic mesh.keys.v1, read whole and then followed.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"

#include "tradewind/bus/kafka_config.h"
#include "tradewind/bus/kafka_sink.h"
#include "tradewind/bus/partition_reader.h"
#include "tradewind/seal/key_log.h"

namespace tradewind::seal {

class KafkaKeyLog final : public KeyLog {
 public:
  // `tick` is called many times a second, between records. An error of `read` ends Open; later it is logged, and the
  // record passed over.
  KafkaKeyLog(bus::KafkaConfig config, std::string client_id, Reader read, std::function<void()> tick);
  ~KafkaKeyLog() override;

  // Makes the topic where there is none, and returns once everything on it has been read; from then on both callbacks
  // are called by a thread of its own. Blocks. Unavailable where no broker answers.
  absl::Status Open();

  // ResourceExhausted where the producer's queue is full.
  absl::Status Append(const SubjectTag& subject, std::string_view name, std::string_view value) override;

 private:
  absl::Status OpenSink();
  absl::Status OpenReader();
  // Reads until what was on the topic when it was called has been read.
  absl::Status CatchUp();
  absl::Status Produce(int32_t partition, std::string_view name, std::string_view value);
  // Nothing where none came within the poll's time.
  absl::StatusOr<std::optional<bus::Record>> Next();
  void Follow(const std::stop_token& stop);
  void Reopen(const absl::Status& why, const std::stop_token& stop);
  void TakeReports();

  const bus::KafkaConfig config_;
  const std::string client_id_;
  const std::string topic_;
  const Reader read_;
  const std::function<void()> tick_;
  // Keeps the producer from being replaced under somebody who uses it.
  std::mutex mutex_;
  std::unique_ptr<bus::KafkaSink> sink_;
  std::unique_ptr<bus::PartitionReader> reader_;
  // By partition number: the next record to read.
  std::vector<bus::Position> positions_;
  std::jthread thread_;
};

}  // namespace tradewind::seal
