// For tests: brokers that librdkafka plays inside of a client.
#pragma once

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include <cstdint>
#include <string>
#include <utility>

#include "tradewind/bus/internal/client.h"

namespace tradewind::bus::internal {

class PlayedBrokers {
 public:
  // Their ids are 1 to `count`.
  explicit PlayedBrokers(int64_t count) {
    ClientSettings settings({.brokers = "127.0.0.1:1"}, "plays brokers");
    settings.Set("test.mock.num.brokers", count);
    client_ = std::move(settings).Build(RD_KAFKA_PRODUCER, nullptr).value();
    cluster_ = rd_kafka_handle_mock_cluster(client_.get());
  }

  // The client that plays them, which can be asked as any other can.
  rd_kafka_t* client() const { return client_.get(); }
  rd_kafka_mock_cluster_t* cluster() const { return cluster_; }
  std::string addresses() const { return rd_kafka_mock_cluster_bootstraps(cluster_); }

 private:
  ClientHandle client_;
  rd_kafka_mock_cluster_t* cluster_;
};

}  // namespace tradewind::bus::internal
