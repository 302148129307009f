// One commit of a batch, from the structs of store.h to the call of commit_batch and back. See postgres_commit_sql.h
// for what happens on the server.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "tradewind/store/postgres_link.h"
#include "tradewind/store/postgres_wire.h"
#include "tradewind/store/store.h"

namespace tradewind::store {

// Lives for one batch. The link is ready, and its connections have prepared kCallCommitBatch as kCommitBatch.
class PostgresCommit {
 public:
  PostgresCommit(PostgresLink& link, const Batch& batch) : link_(link), batch_(batch) {}

  absl::StatusOr<CommitResult> Run();

 private:
  absl::Status CheckNumbers() const;
  absl::Status CheckSize() const;
  absl::Status ResolveNames();
  // The orders in which the server locks. Places in the batch that come twice go to `doubles`, and not to the server.
  void Sort();

  void AddTasks(PostgresParameters& parameters) const;
  void AddAggregates(PostgresParameters& parameters) const;
  void AddIndexEntries(PostgresParameters& parameters, bool removed) const;
  void AddRequests(PostgresParameters& parameters) const;
  void AddKept(PostgresParameters& parameters) const;
  void AddTimers(PostgresParameters& parameters) const;
  void AddLongKeys(PostgresParameters& parameters) const;
  void AddMarks(PostgresParameters& parameters) const;
  // The timers to be set, each name once.
  std::vector<const Timer*> TimersSet() const;
  CommitResult Read(const PostgresResult& row) const;

  absl::StatusOr<int32_t> Kind(std::string_view name);

  PostgresLink& link_;
  const Batch& batch_;
  // Beside the batch's: the kind of each aggregate, the index of each entry, the method and the group of each request.
  std::vector<int32_t> kinds_;
  std::vector<int32_t> removed_indexes_;
  std::vector<int32_t> added_indexes_;
  std::vector<int32_t> methods_;
  // Of the requests; those of methods that share a number point into the next.
  std::vector<std::string_view> request_ids_;
  std::deque<std::string> ids_with_method_;
  std::vector<int32_t> groups_;
  // Places in the batch, in the order in which the server gets them.
  std::vector<size_t> tasks_;
  std::vector<size_t> aggregates_;
  std::vector<size_t> requests_;
  std::vector<size_t> double_aggregates_;
  std::vector<size_t> double_requests_;
  // The kind of the write before: batches come with long runs of one kind.
  std::string_view last_kind_;
  int32_t last_kind_id_ = 0;
};

}  // namespace tradewind::store
