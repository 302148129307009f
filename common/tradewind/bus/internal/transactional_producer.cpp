#include "tradewind/bus/internal/transactional_producer.h"

#include <librdkafka/rdkafka.h>

#include <stdexcept>

#include "tradewind/bus/internal/client.h"
#include "tradewind/bus/internal/rdkafka_handle.h"

namespace tradewind::bus {
namespace {

constexpr int kTimeoutMs = 30'000;
constexpr absl::Duration kDestroyLimit = absl::Seconds(5);

void Check(rd_kafka_error_t* error, const std::string& what) {
  const internal::ErrorHandle owned(error);
  if (owned != nullptr) throw std::runtime_error(what + ": " + rd_kafka_error_string(owned.get()));
}

}  // namespace

class TransactionalProducer::Impl {
 public:
  internal::ClientHandle client;
};

TransactionalProducer::TransactionalProducer(const KafkaConfig& config, const std::string& name)
    : impl_(std::make_unique<Impl>()) {
  internal::ClientSettings settings(config, "test-transactions");
  settings.Set("transactional.id", name);
  auto client = std::move(settings).Build(RD_KAFKA_PRODUCER, nullptr);
  if (!client.ok()) throw std::runtime_error(client.status().ToString());
  impl_->client = *std::move(client);
  Check(rd_kafka_init_transactions(impl_->client.get(), kTimeoutMs), "init of transactions");
}

TransactionalProducer::~TransactionalProducer() { internal::DestroyWithin(std::move(impl_->client), kDestroyLimit); }

void TransactionalProducer::Begin() { Check(rd_kafka_begin_transaction(impl_->client.get()), "begin"); }

void TransactionalProducer::Produce(const std::string& topic, int32_t partition, const std::string& key, int count) {
  for (int i = 0; i < count; ++i) {
    const rd_kafka_resp_err_t error = rd_kafka_producev(
        impl_->client.get(), RD_KAFKA_V_TOPIC(topic.c_str()), RD_KAFKA_V_PARTITION(partition),
        RD_KAFKA_V_KEY(key.data(), key.size()), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) throw std::runtime_error(rd_kafka_err2str(error));
  }
  if (rd_kafka_flush(impl_->client.get(), kTimeoutMs) != RD_KAFKA_RESP_ERR_NO_ERROR) {
    throw std::runtime_error("records of a transaction were not delivered");
  }
}

void TransactionalProducer::Commit() { Check(rd_kafka_commit_transaction(impl_->client.get(), kTimeoutMs), "commit"); }

void TransactionalProducer::Abort() { Check(rd_kafka_abort_transaction(impl_->client.get(), kTimeoutMs), "abort"); }

}  // namespace tradewind::bus
