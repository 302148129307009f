// A store::Session that measures for how long the store has not answered: away, full, or stuck in a call. For the
// metric tradewind_store_away_seconds, which `tradewind status` reads.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tradewind/store/store.h"
#include "tradewind/telemetry/metrics.h"

namespace tradewind {

// Passes every call on. Used by one thread, like the session inside it; the metric is read by others.
//
// Writing and reading are measured apart, since a full disk refuses the one and not the other. Each counts from the
// beginning of the first call that was not answered since the last one that was; a store that takes a write can be read
// as well.
class WatchedSession final : public store::Session {
 public:
  using Session::LoadKept;
  using Session::LoadQueues;
  using Session::TakeTask;

  WatchedSession(std::unique_ptr<store::Session> inner, const std::string& group);

  absl::StatusOr<store::TakenTask> TakeTask(const store::TaskId& task, uint64_t epoch_floor,
                                            uint64_t own_epoch) override;
  absl::StatusOr<std::vector<store::Aggregate>> LoadAggregates(absl::Span<const store::AggregateKey> keys) override;
  absl::StatusOr<std::vector<std::optional<store::RequestRow>>> LoadRequests(
      absl::Span<const store::RequestKey> keys) override;
  absl::StatusOr<store::CommitResult> Commit(const store::Batch& batch) override;
  absl::StatusOr<std::vector<store::KeptRecord>> LoadKept(const store::TaskId& task, store::KeptState state,
                                                          int64_t after, int64_t limit, int64_t max_bytes) override;
  absl::StatusOr<std::vector<store::KeptRecord>> LoadKeptById(absl::Span<const int64_t> ids) override;
  absl::StatusOr<store::KeptCounts> CountKept(std::string_view group) override;
  absl::StatusOr<std::vector<store::QueueHead>> LoadQueueHeads(const store::TaskId& task) override;
  absl::StatusOr<std::vector<store::KeptRecord>> LoadQueues(const store::TaskId& task,
                                                            absl::Span<const std::string> keys, int64_t limit,
                                                            int64_t max_bytes) override;
  absl::StatusOr<std::vector<store::KeptRecord>> LoadRequested(std::string_view group,
                                                               absl::Span<const int32_t> partitions, int64_t limit,
                                                               int64_t max_bytes) override;
  absl::StatusOr<std::vector<store::Timer>> LoadTimers(const store::TaskId& task, int64_t limit,
                                                       int64_t max_bytes) override;
  absl::StatusOr<int64_t> PruneRequests(std::string_view group, absl::Span<const int32_t> partitions, absl::Time before,
                                        int64_t limit) override;
  absl::StatusOr<int64_t> PruneRequestsWithoutTask(absl::Time before, int64_t limit) override;

 private:
  const std::unique_ptr<store::Session> inner_;
  const telemetry::Age writing_;
  const telemetry::Age reading_;
};

}  // namespace tradewind
