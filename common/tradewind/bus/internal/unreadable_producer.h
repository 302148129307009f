// Writes a batch of records that the broker takes and that no client of ours can decompress. Test code only.
#pragma once

#include <cstdint>
#include <string>

#include "tradewind/bus/kafka_config.h"

namespace tradewind::bus {

// Appends one zstd batch of `count` records whose plain text is larger than a consumer takes. Throws when the broker
// does not take it.
void AppendUnreadableBatch(const KafkaConfig& config, const std::string& topic, int32_t partition, int count);

}  // namespace tradewind::bus
