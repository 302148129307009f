// One commit of a batch: the transaction behind Session::Commit of SqliteStore.
//
// Task rows first, since nothing may be written for a task that has another owner; then the writes that can conflict,
// all of them tried so that the caller learns every conflict at once; then what follows from those.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "tradewind/store/sqlite_writer.h"
#include "tradewind/store/store.h"

namespace tradewind::store {

// Lives for one batch, under the writer's mutex.
class SqliteCommit {
 public:
  SqliteCommit(SqliteWriter& writer, const Batch& batch) : writer_(writer), batch_(batch) {}

  absl::StatusOr<CommitResult> Run();

 private:
  // The greatest version removed in a kind, as it stands at this point of the transaction.
  struct RemovedVersion {
    int64_t kind = 0;
    int64_t version = 0;
    bool changed = false;
  };

  absl::Status CheckNumbers() const;
  absl::Status RunInTransaction();
  absl::Status AdvanceTasks();
  absl::Status WriteAggregates();
  // The version that the aggregate now has, 0 for none; nothing where it was not the one expected. `key` is the short
  // form of the write's.
  absl::StatusOr<std::optional<int64_t>> WriteAggregate(int64_t kind, std::string_view key,
                                                        const AggregateWrite& write);
  // Writes nothing.
  absl::StatusOr<std::optional<int64_t>> CheckAggregate(int64_t kind, std::string_view key,
                                                        const AggregateWrite& write);
  absl::StatusOr<std::optional<int64_t>> InsertAggregate(int64_t kind, std::string_view key,
                                                         const AggregateWrite& write);
  absl::StatusOr<std::optional<int64_t>> RemoveAggregate(int64_t kind, std::string_view key,
                                                         const AggregateWrite& write);
  absl::Status WriteIndexEntries(int64_t kind, const AggregateWrite& write);
  absl::Status WriteRequests();
  absl::Status WriteRemovedVersions();
  absl::Status WriteOutbox();
  absl::Status WriteKept();
  absl::Status WriteTimers();

  absl::StatusOr<int64_t> Kind(std::string_view name);
  absl::StatusOr<RemovedVersion*> RemovedVersionOf(int64_t kind);

  SqliteWriter& writer_;
  const Batch& batch_;
  CommitResult result_;
  std::vector<RemovedVersion> removed_versions_;
  // The kind of the write before: batches come with long runs of one kind.
  std::string_view last_kind_;
  int64_t last_kind_id_ = 0;
};

}  // namespace tradewind::store
