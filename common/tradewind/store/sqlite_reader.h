// Reader of SqliteStore: a pool of connections that can only read. They see what is committed and never wait for the
// writer, nor it for them.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "tradewind/store/sqlite_connection.h"
#include "tradewind/store/sqlite_names.h"
#include "tradewind/store/store.h"

namespace tradewind::store {

class SqliteReader final : public Reader {
 public:
  // The file exists and its schema is up to date. Connections are opened as they are needed.
  explicit SqliteReader(std::string file) : file_(std::move(file)) {}

  absl::StatusOr<std::optional<Aggregate>> Get(std::string_view kind, std::string_view key) override;
  absl::StatusOr<std::vector<ListedAggregate>> List(const ListQuery& query) override;
  using Reader::ListKept;
  absl::StatusOr<std::vector<KeptRecord>> ListKept(const KeptFilter& filter, int64_t after, int64_t limit,
                                                   int64_t max_bytes) override;
  absl::StatusOr<int64_t> CountKept(std::string_view group, KeptState state) override;
  absl::StatusOr<std::string> ProgressOf(const TaskId& task) override;

 private:
  struct ListStatements {
    Statement ascending;
    Statement ascending_after;
    Statement descending;
    Statement descending_after;

    Statement& Choose(bool down, bool after) {
      if (down) return after ? descending_after : descending;
      return after ? ascending_after : ascending;
    }
  };
  // A connection and what it has prepared; one thread's at a time.
  struct Lane {
    std::unique_ptr<Connection> connection;
    SqliteNames names;
    Statement get;
    ListStatements list;
    Statement list_kept;
    Statement count_kept;
    Statement progress;
  };
  // Gives the lane back when the call ends.
  class Lease;

  // Waits for a lane to come free once all are in use.
  absl::StatusOr<Lease> Acquire();
  void Release(std::unique_ptr<Lane> lane);
  absl::StatusOr<std::unique_ptr<Lane>> OpenLane() const;

  const std::string file_;
  std::mutex mutex_;
  std::condition_variable released_;
  // Last used, first taken: its pages are the ones most likely in memory.
  std::vector<std::unique_ptr<Lane>> idle_;
  size_t open_ = 0;
};

}  // namespace tradewind::store
