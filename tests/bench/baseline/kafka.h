// librdkafka in as few lines as the baselines need. No Tradewind code: what is measured against must not depend on what
// is measured. A setting that librdkafka refuses, or a topic that cannot be made, ends the program with one line.
#pragma once

#include <librdkafka/rdkafka.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace bench {

struct KafkaDestroy {
  void operator()(rd_kafka_t* client) const { rd_kafka_destroy(client); }
  void operator()(rd_kafka_topic_t* topic) const { rd_kafka_topic_destroy(topic); }
  void operator()(rd_kafka_message_t* message) const { rd_kafka_message_destroy(message); }
};
using Client = std::unique_ptr<rd_kafka_t, KafkaDestroy>;
using Topic = std::unique_ptr<rd_kafka_topic_t, KafkaDestroy>;
using Message = std::unique_ptr<rd_kafka_message_t, KafkaDestroy>;

struct ProducerSettings {
  std::string brokers = "127.0.0.1:9092";
  int linger_ms = 0;
  // max.in.flight.requests.per.connection.
  int in_flight = 1;
  // True: idempotent, acks=all. False: acks=1, for answers that may be lost.
  bool durable = true;
};

using OnDelivery = void (*)(rd_kafka_t* client, const rd_kafka_message_t* message, void* opaque);

// `on_delivery` may be null; it is called with `opaque` from within rd_kafka_poll.
Client NewProducer(const ProducerSettings& settings, OnDelivery on_delivery, void* opaque);

// A member of `group` that reads from the beginning what the group has not read yet.
Client NewGroupMember(const std::string& brokers, const std::string& group, const std::string& topic);

// Reads one partition from its present end, without a group.
Client NewTailReader(const std::string& brokers, const std::string& topic, int32_t partition);

// Topic handle with the partitioner every client of the mesh uses.
Topic OpenTopic(const Client& producer, const std::string& name);

// Creates the topic where it is missing. Blocks until the producer can see it.
void EnsureTopic(const Client& producer, const std::string& name, int partitions);

// Nothing where the message has no such header.
std::string_view Header(const rd_kafka_message_t* message, const char* name);

[[noreturn]] void Die(const std::string& what);

}  // namespace bench
