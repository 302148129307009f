// Who hears of the outcome of every command, whether a call still waits for it or not: the caller may have gone away,
// or may have asked for no more than that Kafka has the command.
#pragma once

#include <cstdint>

namespace tradewind::mesh::v1 {
class Reply;
}

namespace tradewind::commands {

// Called by several threads, with no lock held, before the call that waits; must not block.
class OutcomeListener {
 public:
  // A service has answered the command of reply.correlation_id(). May come more than once, where a command had to wait.
  virtual void OnReply(const mesh::v1::Reply& reply) = 0;
  // Kafka certainly does not have the command of that correlation id, and never will.
  virtual void OnAbsent(uint64_t id) = 0;

 protected:
  ~OutcomeListener() = default;
};

}  // namespace tradewind::commands
