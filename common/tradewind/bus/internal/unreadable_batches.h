// What a consumer does about a batch of records that its client cannot decompress: it passes over it, so that every
// other record of the partition is read. Used by KafkaSource and PartitionReader.
//
// The client tells only where such a batch begins, and fetches it again without end. Where it ends is found by a client
// of its own, which reads from one offset after another: as long as what it meets is the batch that begins there, the
// offset belongs to it. So no record that can be read is ever passed over.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"

#include "tradewind/bus/internal/rdkafka_handle.h"
#include "tradewind/bus/kafka_config.h"
#include "tradewind/bus/record.h"
#include "tradewind/telemetry/occasional.h"

namespace tradewind::bus::internal {

// Not thread-safe.
class UnreadableBatches {
 public:
  UnreadableBatches(KafkaConfig config, std::string client_id)
      : config_(std::move(config)), client_id_(std::move(client_id)) {}

  // Whether what a client has handed out is an error that means a batch that it cannot read.
  static bool IsMeantBy(const rd_kafka_message_t& message);

  // Takes note of such an error. `next` is where the consumer stands in that partition: nothing before it is passed
  // over. Returns nullopt where the client is to try again first, which it does without being told: what a network has
  // damaged comes whole the next time. After that, goes on behind the batch by `seek`, which gets the offset, and
  // returns a record in place of those of the batch. The consumer stands behind that record's offset from then on, even
  // where the seek failed, which is then tried again. Counts and logs what is passed over. Blocks for two seconds and
  // the seek at most; where the end of a large batch was not found by then, the record stands for a part of it, and the
  // rest is told of again.
  std::optional<Record> Take(const rd_kafka_message_t& error, int64_t next,
                             absl::FunctionRef<absl::Status(int64_t)> seek);

 private:
  struct Failures {
    int64_t first = -1;
    int times = 0;
  };

  // Counts and logs the offsets from `from` to `last` of the batch that begins at `error`'s.
  Record PassOver(const rd_kafka_message_t& error, int64_t from, int64_t last);

  const KafkaConfig config_;
  const std::string client_id_;
  // By topic and partition: how often the batch could not be read that begins at `first`.
  std::map<std::pair<std::string, int32_t>, Failures> failures_;
  telemetry::Occasional line_;
};

}  // namespace tradewind::bus::internal
