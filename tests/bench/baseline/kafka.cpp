#include "tests/bench/baseline/kafka.h"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <initializer_list>
#include <thread>
#include <utility>

namespace bench {
namespace {

using Setting = std::pair<const char*, std::string>;

rd_kafka_conf_t* Conf(std::initializer_list<Setting> settings) {
  char error[512];
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  // Without this a small request can wait 40 ms for the acknowledgement of the one before it.
  rd_kafka_conf_set(conf, "socket.nagle.disable", "true", error, sizeof(error));
  for (const auto& [name, value] : settings) {
    if (rd_kafka_conf_set(conf, name, value.c_str(), error, sizeof(error)) != RD_KAFKA_CONF_OK) Die(error);
  }
  return conf;
}

Client NewClient(rd_kafka_type_t type, rd_kafka_conf_t* conf) {
  char error[512];
  Client client(rd_kafka_new(type, conf, error, sizeof(error)));
  if (!client) Die(error);
  return client;
}

void Check(rd_kafka_resp_err_t error, const std::string& what) {
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) Die(what + ": " + rd_kafka_err2str(error));
}

int PartitionCount(const Client& client, const std::string& name) {
  const rd_kafka_metadata_t* metadata = nullptr;
  if (rd_kafka_metadata(client.get(), 1, nullptr, &metadata, 10'000) != RD_KAFKA_RESP_ERR_NO_ERROR) return 0;
  int count = 0;
  for (int i = 0; i < metadata->topic_cnt; ++i) {
    if (name == metadata->topics[i].topic) count = metadata->topics[i].partition_cnt;
  }
  rd_kafka_metadata_destroy(metadata);
  return count;
}

}  // namespace

void Die(const std::string& what) {
  std::fprintf(stderr, "%s\n", what.c_str());
  std::_Exit(1);
}

Client NewProducer(const ProducerSettings& settings, OnDelivery on_delivery, void* opaque) {
  rd_kafka_conf_t* conf =
      Conf({{"bootstrap.servers", settings.brokers},
            {"enable.idempotence", settings.durable ? "true" : "false"},
            {"request.required.acks", settings.durable ? "-1" : "1"},
            {"max.in.flight.requests.per.connection", std::to_string(settings.durable ? settings.in_flight : 1000)},
            {"linger.ms", std::to_string(settings.linger_ms)}});
  if (on_delivery != nullptr) rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
  rd_kafka_conf_set_opaque(conf, opaque);
  return NewClient(RD_KAFKA_PRODUCER, conf);
}

Client NewGroupMember(const std::string& brokers, const std::string& group, const std::string& topic) {
  Client client =
      NewClient(RD_KAFKA_CONSUMER,
                Conf({{"bootstrap.servers", brokers}, {"group.id", group}, {"auto.offset.reset", "earliest"}}));
  rd_kafka_poll_set_consumer(client.get());
  rd_kafka_topic_partition_list_t* topics = rd_kafka_topic_partition_list_new(1);
  rd_kafka_topic_partition_list_add(topics, topic.c_str(), RD_KAFKA_PARTITION_UA);
  Check(rd_kafka_subscribe(client.get(), topics), "subscribe " + topic);
  rd_kafka_topic_partition_list_destroy(topics);
  return client;
}

Client NewTailReader(const std::string& brokers, const std::string& topic, int32_t partition) {
  Client client =
      NewClient(RD_KAFKA_CONSUMER,
                Conf({{"bootstrap.servers", brokers}, {"group.id", "unused"}, {"enable.auto.commit", "false"}}));
  rd_kafka_poll_set_consumer(client.get());
  int64_t low = 0;
  int64_t high = 0;
  Check(rd_kafka_query_watermark_offsets(client.get(), topic.c_str(), partition, &low, &high, 10'000),
        "end of " + topic);
  rd_kafka_topic_partition_list_t* start = rd_kafka_topic_partition_list_new(1);
  rd_kafka_topic_partition_list_add(start, topic.c_str(), partition)->offset = high;
  Check(rd_kafka_assign(client.get(), start), "assign " + topic);
  rd_kafka_topic_partition_list_destroy(start);
  return client;
}

Topic OpenTopic(const Client& producer, const std::string& name) {
  char error[512];
  rd_kafka_topic_conf_t* conf = rd_kafka_topic_conf_new();
  rd_kafka_topic_conf_set(conf, "partitioner", "murmur2_random", error, sizeof(error));
  return Topic(rd_kafka_topic_new(producer.get(), name.c_str(), conf));
}

void EnsureTopic(const Client& producer, const std::string& name, int partitions) {
  char error[512];
  rd_kafka_NewTopic_t* topic = rd_kafka_NewTopic_new(name.c_str(), partitions, 1, error, sizeof(error));
  rd_kafka_queue_t* answer = rd_kafka_queue_new(producer.get());
  rd_kafka_CreateTopics(producer.get(), &topic, 1, nullptr, answer);
  // "Exists already" is as good an answer as any: what counts is that the producer sees it.
  if (rd_kafka_event_t* event = rd_kafka_queue_poll(answer, 30'000)) rd_kafka_event_destroy(event);
  rd_kafka_queue_destroy(answer);
  rd_kafka_NewTopic_destroy(topic);

  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (PartitionCount(producer, name) != partitions) {
    if (std::chrono::steady_clock::now() > deadline) {
      Die("topic " + name + " does not come up with " + std::to_string(partitions) + " partitions");
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

std::string_view Header(const rd_kafka_message_t* message, const char* name) {
  rd_kafka_headers_t* headers = nullptr;
  const void* value = nullptr;
  size_t size = 0;
  if (rd_kafka_message_headers(message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR ||
      rd_kafka_header_get_last(headers, name, &value, &size) != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return {};
  }
  return {static_cast<const char*>(value), size};
}

}  // namespace bench
