// Moves what was committed from the write-ahead log to the database file, on a thread and connection of its own, so
// that no commit has to wait for it and the log stays small.
//
// Left to itself, SQLite does this inside the commit that finds the log long, and that batch waits until everything is
// written and synced. Here most of it is copied beside the running commits; only when the log has grown far are commits
// held up, for the short rest, because a log is only begun anew once all of it has been copied.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "absl/status/statusor.h"

#include "tradewind/store/sqlite_connection.h"

namespace tradewind::store {

class SqliteCheckpointer {
 public:
  struct Limits {
    // Pages in the log at which copying begins, and at which commits are held up to finish it.
    // Pages that change often are copied once for many commits, and each copy costs two syncs: hence not often.
    int copy_pages = 16384;
    int reset_pages = 49152;
  };

  // Takes over `writer`'s checkpoints; `writer_mutex` guards it. Both outlive this object.
  static absl::StatusOr<std::unique_ptr<SqliteCheckpointer>> Start(Connection& writer, std::mutex& writer_mutex,
                                                                   Limits limits);
  // Stops the thread. No commit may run.
  ~SqliteCheckpointer();
  SqliteCheckpointer(const SqliteCheckpointer&) = delete;
  SqliteCheckpointer& operator=(const SqliteCheckpointer&) = delete;

 private:
  SqliteCheckpointer(Connection& writer, std::mutex& writer_mutex, Limits limits, std::unique_ptr<Connection> own);

  // Called by SQLite within each commit, with the pages then in the log.
  static int OnCommit(void* self, struct sqlite3* handle, const char* database, int pages) noexcept;
  void Run();
  // Copies what no reader needs in the log any more; returns SQLite's code.
  int Copy();
  // How long to wait after this error, which is logged where a person should know of it.
  std::chrono::milliseconds DelayAfter(int code) const;

  Connection& writer_;
  std::mutex& writer_mutex_;
  const Limits limits_;
  const std::unique_ptr<Connection> own_;

  std::mutex mutex_;
  std::condition_variable due_;
  // In the log, as of the last commit.
  int pages_ = 0;
  int next_copy_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace tradewind::store
