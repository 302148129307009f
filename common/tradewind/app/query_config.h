// Settings of the threads that answer a service's queries.
#pragma once

#include <cstdint>

#include "tradewind/rpc/work_pool.h"

namespace tradewind::config {
class Schema;
}

namespace tradewind {

struct QueryConfig {
  // More than the store has connections for readers (4), so that those who wait for a key hold up nobody.
  int32_t threads = 8;
  // Of one client half of them at most.
  int32_t max_waiting = 2'000;
};

// Binds the fields under "queries".
void Describe(config::Schema& schema, QueryConfig& config);

rpc::WorkPool::Options PoolOptions(const QueryConfig& config);

}  // namespace tradewind
