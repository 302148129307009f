#include "tradewind/app/query_config.h"

#include "tradewind/config/config.h"

namespace tradewind {

void Describe(config::Schema& schema, QueryConfig& config) {
  auto section = schema.Section("queries", "Calls that read the store.");
  section.Field("threads", &config.threads, "calls that are answered at once").Min(1).Max(256);
  section.Field("max_waiting", &config.max_waiting, "calls that may wait for a thread, of one client half of them")
      .Min(2)
      .Max(100'000);
}

rpc::WorkPool::Options PoolOptions(const QueryConfig& config) {
  return {.name = "queries", .threads = config.threads, .max_waiting = static_cast<size_t>(config.max_waiting)};
}

}  // namespace tradewind
