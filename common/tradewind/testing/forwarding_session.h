// A store::Session that passes every call on: the base of those that watch one, or make it fail on purpose.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tradewind/store/store.h"

namespace tradewind::testing {

class ForwardingSession : public store::Session {
 public:
  using Session::LoadKept;
  using Session::LoadQueues;
  using Session::TakeTask;

  // `inner` outlives it.
  explicit ForwardingSession(store::Session& inner) : inner_(inner) {}

  absl::StatusOr<store::TakenTask> TakeTask(const store::TaskId& task, uint64_t epoch_floor,
                                            uint64_t own_epoch) override {
    return inner_.TakeTask(task, epoch_floor, own_epoch);
  }
  absl::StatusOr<std::vector<store::Aggregate>> LoadAggregates(absl::Span<const store::AggregateKey> keys) override {
    return inner_.LoadAggregates(keys);
  }
  absl::StatusOr<std::vector<std::optional<store::RequestRow>>> LoadRequests(
      absl::Span<const store::RequestKey> keys) override {
    return inner_.LoadRequests(keys);
  }
  absl::StatusOr<store::CommitResult> Commit(const store::Batch& batch) override { return inner_.Commit(batch); }
  absl::StatusOr<std::vector<store::KeptRecord>> LoadKept(const store::TaskId& task, store::KeptState state,
                                                          int64_t after, int64_t limit, int64_t max_bytes) override {
    return inner_.LoadKept(task, state, after, limit, max_bytes);
  }
  absl::StatusOr<std::vector<store::KeptRecord>> LoadKeptById(absl::Span<const int64_t> ids) override {
    return inner_.LoadKeptById(ids);
  }
  absl::StatusOr<store::KeptCounts> CountKept(std::string_view group) override { return inner_.CountKept(group); }
  absl::StatusOr<std::vector<store::QueueHead>> LoadQueueHeads(const store::TaskId& task) override {
    return inner_.LoadQueueHeads(task);
  }
  absl::StatusOr<std::vector<store::KeptRecord>> LoadQueues(const store::TaskId& task,
                                                            absl::Span<const std::string> keys, int64_t limit,
                                                            int64_t max_bytes) override {
    return inner_.LoadQueues(task, keys, limit, max_bytes);
  }
  absl::StatusOr<std::vector<store::KeptRecord>> LoadRequested(std::string_view group,
                                                               absl::Span<const int32_t> partitions, int64_t limit,
                                                               int64_t max_bytes) override {
    return inner_.LoadRequested(group, partitions, limit, max_bytes);
  }
  absl::StatusOr<std::vector<store::Timer>> LoadTimers(const store::TaskId& task, int64_t limit,
                                                       int64_t max_bytes) override {
    return inner_.LoadTimers(task, limit, max_bytes);
  }
  absl::StatusOr<int64_t> PruneRequests(std::string_view group, absl::Span<const int32_t> partitions, absl::Time before,
                                        int64_t limit) override {
    return inner_.PruneRequests(group, partitions, before, limit);
  }
  absl::StatusOr<int64_t> PruneRequestsWithoutTask(absl::Time before, int64_t limit) override {
    return inner_.PruneRequestsWithoutTask(before, limit);
  }

 private:
  store::Session& inner_;
};

}  // namespace tradewind::testing
