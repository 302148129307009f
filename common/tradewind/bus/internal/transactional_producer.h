// A producer of transactions, as foreign clients of a mesh's topics may be. Test code only: nothing of the mesh uses
// transactions.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "tradewind/bus/kafka_config.h"

namespace tradewind::bus {

// Every call blocks until the broker has answered and throws when it did not in time. A transaction that is open when
// the producer is destroyed stays open until a producer of the same name is made, which aborts it.
class TransactionalProducer {
 public:
  TransactionalProducer(const KafkaConfig& config, const std::string& name);
  ~TransactionalProducer();

  void Begin();
  // Returns once the broker has the records "<key>": `count` of them.
  void Produce(const std::string& topic, int32_t partition, const std::string& key, int count);
  void Commit();
  void Abort();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tradewind::bus
