// EventSink on Kafka: an idempotent producer with one request in flight a broker, so that what is reported delivered
// is on the log in the order it was produced.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"

#include "tradewind/bus/event_sink.h"
#include "tradewind/bus/kafka_config.h"

namespace tradewind::bus {

struct KafkaSinkOptions {
  std::string client_id;
  // True: a failed delivery makes everything behind it fail too (enable.gapless.guarantee); for outboxes.
  bool gapless = false;
  // How long a record may wait for its delivery, give or take half a second (librdkafka looks once a second); zero for
  // ever. Ever is right where the record is in an outbox. More than the linger.
  absl::Duration delivery_timeout = absl::ZeroDuration();
  // Wait this long for more records to share a request. Zero sends at once.
  absl::Duration linger = absl::ZeroDuration();
  // All in-sync replicas (true, with idempotence) or the leader only (false, for answers that may be lost: those may
  // also come twice or out of order when a request has to be repeated).
  bool all_acknowledge = true;
  // Records in the local queue, in flight included.
  int32_t queue_limit = 100'000;
};

// Produce may be called by any thread; Poll by one thread at a time; Reset by nobody else at the same time.
class KafkaSink final : public EventSink {
 public:
  // Does not wait for a broker. InvalidArgument where librdkafka refuses a setting.
  static absl::StatusOr<std::unique_ptr<KafkaSink>> Create(const KafkaConfig& config, const KafkaSinkOptions& options);
  // Drops what was not delivered; call Poll until nothing is owed first.
  ~KafkaSink() override;

  absl::Status Produce(const OutgoingRecord& record, uint64_t token) override;
  int Poll(absl::Duration timeout, absl::FunctionRef<void(const Delivery&)> on_delivery) override;
  absl::Status Reset() override;

 private:
  class Impl;
  explicit KafkaSink(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace tradewind::bus
