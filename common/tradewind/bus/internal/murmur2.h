// The hash that Kafka's Java clients partition by.
#pragma once

#include <cstdint>
#include <string_view>

namespace tradewind::bus::internal {

// MurmurHash2, 32 bit, with Kafka's seed 0x9747b28c. Reads little-endian, as org.apache.kafka.common.utils.Utils does.
uint32_t Murmur2(std::string_view bytes);

}  // namespace tradewind::bus::internal
