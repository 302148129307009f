// Reader of PostgresStore: a small pool of connections. They see what is committed.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"

#include "tradewind/store/postgres_link.h"
#include "tradewind/store/store.h"

namespace tradewind::store {

class PostgresReader final : public Reader {
 public:
  // The place outlives the reader; its schema is up to date. Connections are made as they are needed.
  PostgresReader(const PostgresPlace& place, size_t max_connections);

  absl::StatusOr<std::optional<Aggregate>> Get(std::string_view kind, std::string_view key) override;
  absl::StatusOr<std::vector<ListedAggregate>> List(const ListQuery& query) override;
  using Reader::ListKept;
  absl::StatusOr<std::vector<KeptRecord>> ListKept(const KeptFilter& filter, int64_t after, int64_t limit,
                                                   int64_t max_bytes) override;
  absl::StatusOr<int64_t> CountKept(std::string_view group, KeptState state) override;
  absl::StatusOr<std::string> ProgressOf(const TaskId& task) override;

  // Store::Request and Store::PinPartitions: all that is written outside a session, on a connection of the same pool.
  absl::StatusOr<int64_t> Request(const KeptFilter& filter, KeptAction action);
  absl::StatusOr<std::map<std::string, int32_t>> PinPartitions(const std::map<std::string, int32_t>& counts,
                                                               bool replace);

 private:
  // Gives the link back when the call ends.
  class Lease;

  // Waits for a connection to come free once all are in use, up to kMaxReaderWait; then it is ready. While the server
  // is away, one caller tries and those who come within kRetryAfter are told what that one was.
  absl::StatusOr<Lease> Acquire();
  void Release(std::unique_ptr<PostgresLink> link);

  const PostgresPlace& place_;
  const size_t max_connections_;
  std::mutex mutex_;
  std::condition_variable released_;
  // Last used, first taken: the others may be closed by whatever closes idle connections.
  std::vector<std::unique_ptr<PostgresLink>> idle_;
  size_t open_ = 0;
  absl::Status away_;
  std::chrono::steady_clock::time_point away_until_ = std::chrono::steady_clock::time_point::min();
};

}  // namespace tradewind::store
