// Owners of what librdkafka hands out: one unique_ptr template for every kind of handle. Private to bus: no public
// header includes it.
#pragma once

#include <librdkafka/rdkafka.h>

#include <memory>

namespace tradewind::bus::internal {

template <auto kDestroy>
struct Destroyer {
  template <typename T>
  void operator()(T* handle) const noexcept {
    kDestroy(handle);
  }
};

template <typename T, auto kDestroy>
using Handle = std::unique_ptr<T, Destroyer<kDestroy>>;

// The callbacks of a client never run from its destruction, and a consumer does not leave its group by it: whoever
// wants that closes it first.
inline void DestroyClient(rd_kafka_t* client) noexcept {
  rd_kafka_destroy_flags(client, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
}

using ClientHandle = Handle<rd_kafka_t, DestroyClient>;
using ConfHandle = Handle<rd_kafka_conf_t, rd_kafka_conf_destroy>;
// Destroyed before the client it belongs to, as are queues and messages.
using TopicHandle = Handle<rd_kafka_topic_t, rd_kafka_topic_destroy>;
using QueueHandle = Handle<rd_kafka_queue_t, rd_kafka_queue_destroy>;
using MessageHandle = Handle<rd_kafka_message_t, rd_kafka_message_destroy>;
using HeadersHandle = Handle<rd_kafka_headers_t, rd_kafka_headers_destroy>;
using ErrorHandle = Handle<rd_kafka_error_t, rd_kafka_error_destroy>;
using EventHandle = Handle<rd_kafka_event_t, rd_kafka_event_destroy>;
using PartitionListHandle = Handle<rd_kafka_topic_partition_list_t, rd_kafka_topic_partition_list_destroy>;
using NewTopicHandle = Handle<rd_kafka_NewTopic_t, rd_kafka_NewTopic_destroy>;
using ConfigResourceHandle = Handle<rd_kafka_ConfigResource_t, rd_kafka_ConfigResource_destroy>;
using AdminOptionsHandle = Handle<rd_kafka_AdminOptions_t, rd_kafka_AdminOptions_destroy>;
using GroupOffsetsHandle = Handle<rd_kafka_ListConsumerGroupOffsets_t, rd_kafka_ListConsumerGroupOffsets_destroy>;

struct MetadataDestroyer {
  void operator()(const rd_kafka_metadata_t* metadata) const noexcept { rd_kafka_metadata_destroy(metadata); }
};
using MetadataHandle = std::unique_ptr<const rd_kafka_metadata_t, MetadataDestroyer>;

}  // namespace tradewind::bus::internal
