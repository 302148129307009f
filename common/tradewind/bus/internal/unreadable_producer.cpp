#include "tradewind/bus/internal/unreadable_producer.h"

#include <librdkafka/rdkafka.h>

#include <stdexcept>

#include "tradewind/bus/internal/client.h"
#include "tradewind/bus/internal/deadline.h"
#include "tradewind/bus/internal/rdkafka_handle.h"

namespace tradewind::bus {
namespace {

constexpr int kTimeoutMs = 60'000;
constexpr absl::Duration kDestroyLimit = absl::Seconds(5);
// More than a consumer takes of one batch (receive.message.max.bytes).
constexpr int kPlainBytes = 110'000'000;

}  // namespace

void AppendUnreadableBatch(const KafkaConfig& config, const std::string& topic, int32_t partition, int count) {
  internal::ClientSettings settings(config, "test-unreadable");
  settings.Set("compression.type", "zstd");
  settings.Set("message.max.bytes", int64_t{1'000'000'000});
  settings.Set("batch.size", int64_t{1'000'000'000});
  settings.Set("batch.num.messages", int64_t{count});
  settings.Set("queue.buffering.max.kbytes", int64_t{1'000'000});
  // The batch is sent as soon as it has all of them, and not before.
  settings.Set("linger.ms", int64_t{kTimeoutMs});
  const auto client = std::move(settings).Build(RD_KAFKA_PRODUCER, nullptr);
  if (!client.ok()) throw std::runtime_error(client.status().ToString());
  const std::string value(static_cast<size_t>(kPlainBytes / count), '\0');
  for (int i = 0; i < count; ++i) {
    const rd_kafka_resp_err_t error =
        rd_kafka_producev(client->get(), RD_KAFKA_V_TOPIC(topic.c_str()), RD_KAFKA_V_PARTITION(partition),
                          RD_KAFKA_V_KEY("k", 1), RD_KAFKA_V_VALUE(const_cast<char*>(value.data()), value.size()),
                          RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) throw std::runtime_error(rd_kafka_err2str(error));
  }
  // Not by rd_kafka_flush, which sends what there is.
  const internal::Deadline deadline(absl::Milliseconds(kTimeoutMs));
  while (rd_kafka_outq_len(client->get()) > 0) {
    if (deadline.expired()) throw std::runtime_error("the batch was not delivered");
    rd_kafka_poll(client->get(), 10);
  }
}

}  // namespace tradewind::bus
