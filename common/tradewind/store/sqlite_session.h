// Session of SqliteStore: reads and writes through the store's one writing connection.
#pragma once

#include <optional>
#include <vector>

#include "tradewind/store/sqlite_writer.h"
#include "tradewind/store/store.h"

namespace tradewind::store {

class SqliteSession final : public Session {
 public:
  using Session::LoadKept;
  using Session::LoadQueues;
  using Session::TakeTask;

  // The writer outlives the session.
  explicit SqliteSession(SqliteWriter& writer) : writer_(writer) {}

  absl::StatusOr<TakenTask> TakeTask(const TaskId& task, uint64_t epoch_floor, uint64_t own_epoch) override;
  absl::StatusOr<std::vector<Aggregate>> LoadAggregates(absl::Span<const AggregateKey> keys) override;
  absl::StatusOr<std::vector<std::optional<RequestRow>>> LoadRequests(absl::Span<const RequestKey> keys) override;
  absl::StatusOr<CommitResult> Commit(const Batch& batch) override;
  absl::StatusOr<std::vector<KeptRecord>> LoadKept(const TaskId& task, KeptState state, int64_t after, int64_t limit,
                                                   int64_t max_bytes) override;
  absl::StatusOr<std::vector<KeptRecord>> LoadKeptById(absl::Span<const int64_t> ids) override;
  absl::StatusOr<KeptCounts> CountKept(std::string_view group) override;
  absl::StatusOr<std::vector<QueueHead>> LoadQueueHeads(const TaskId& task) override;
  absl::StatusOr<std::vector<KeptRecord>> LoadQueues(const TaskId& task, absl::Span<const std::string> keys,
                                                     int64_t limit, int64_t max_bytes) override;
  absl::StatusOr<std::vector<KeptRecord>> LoadRequested(std::string_view group, absl::Span<const int32_t> partitions,
                                                        int64_t limit, int64_t max_bytes) override;
  absl::StatusOr<std::vector<Timer>> LoadTimers(const TaskId& task, int64_t limit, int64_t max_bytes) override;
  absl::StatusOr<int64_t> PruneRequests(std::string_view group, absl::Span<const int32_t> partitions, absl::Time before,
                                        int64_t limit) override;
  absl::StatusOr<int64_t> PruneRequestsWithoutTask(absl::Time before, int64_t limit) override;

 private:
  // By the number of the group. Rows that name no task have 0 for it and for their partition.
  absl::StatusOr<int64_t> Prune(int64_t group, absl::Span<const int32_t> partitions, absl::Time before, int64_t limit);

  SqliteWriter& writer_;
};

}  // namespace tradewind::store
