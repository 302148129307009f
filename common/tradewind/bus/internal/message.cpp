#include "tradewind/bus/internal/message.h"

namespace tradewind::bus::internal {
namespace {

std::string_view View(const void* data, size_t size) { return {static_cast<const char*>(data), size}; }

Record::Headers HeadersOf(const rd_kafka_message_t* message) {
  Record::Headers headers;
  rd_kafka_headers_t* list = nullptr;
  if (rd_kafka_message_headers(message, &list) != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return headers;
  }
  const char* name = nullptr;
  const void* value = nullptr;
  size_t size = 0;
  for (size_t i = 0; rd_kafka_header_get_all(list, i, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR; ++i) {
    headers.push_back({name, View(value, size)});
  }
  return headers;
}

}  // namespace

Record RecordFrom(MessageHandle message) {
  rd_kafka_message_t* raw = message.release();
  Record::Owner owner(raw, [](void* memory) { rd_kafka_message_destroy(static_cast<rd_kafka_message_t*>(memory)); });
  rd_kafka_timestamp_type_t type = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
  const int64_t timestamp_ms = rd_kafka_message_timestamp(raw, &type);
  return Record(std::move(owner), rd_kafka_topic_name(raw->rkt), raw->partition, raw->offset, timestamp_ms,
                View(raw->key, raw->key_len), View(raw->payload, raw->len), HeadersOf(raw));
}

}  // namespace tradewind::bus::internal
