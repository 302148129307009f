#include "tradewind/store/sqlite_checkpointer.h"

#include <sqlite3.h>

#include <utility>

#include "tradewind/store/logger.h"

namespace tradewind::store {
namespace {

// After a failed copy, say on a full disk: commits go on and the log grows, so it is tried again, but not at once.
constexpr std::chrono::seconds kRetryDelay(5);
constexpr std::chrono::milliseconds kBusyDelay(5);

}  // namespace

absl::StatusOr<std::unique_ptr<SqliteCheckpointer>> SqliteCheckpointer::Start(Connection& writer,
                                                                              std::mutex& writer_mutex, Limits limits) {
  absl::StatusOr<std::unique_ptr<Connection>> own = Connection::Open(writer.file(), Connection::Mode::kReadWrite);
  if (!own.ok()) return own.status();
  // It syncs the log before it copies, and the file after.
  if (absl::Status set = (*own)->Execute("PRAGMA synchronous = NORMAL"); !set.ok()) return set;
  return std::unique_ptr<SqliteCheckpointer>(new SqliteCheckpointer(writer, writer_mutex, limits, *std::move(own)));
}

SqliteCheckpointer::SqliteCheckpointer(Connection& writer, std::mutex& writer_mutex, Limits limits,
                                       std::unique_ptr<Connection> own)
    : writer_(writer),
      writer_mutex_(writer_mutex),
      limits_(limits),
      own_(std::move(own)),
      next_copy_(limits.copy_pages) {
  // Takes the place of SQLite's own, which would checkpoint within the commit.
  sqlite3_wal_hook(writer_.handle(), &SqliteCheckpointer::OnCommit, this);
  thread_ = std::thread([this] { Run(); });
}

SqliteCheckpointer::~SqliteCheckpointer() {
  sqlite3_wal_hook(writer_.handle(), nullptr, nullptr);
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  due_.notify_one();
  thread_.join();
}

int SqliteCheckpointer::OnCommit(void* self, sqlite3*, const char*, int pages) noexcept {
  auto* checkpointer = static_cast<SqliteCheckpointer*>(self);
  const std::lock_guard lock(checkpointer->mutex_);
  // All of the log had been copied, and it begins anew.
  if (pages < checkpointer->pages_) checkpointer->next_copy_ = checkpointer->limits_.copy_pages;
  checkpointer->pages_ = pages;
  if (pages >= checkpointer->next_copy_) checkpointer->due_.notify_one();
  return SQLITE_OK;
}

int SqliteCheckpointer::Copy() {
  return sqlite3_wal_checkpoint_v2(own_->handle(), "main", SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
}

std::chrono::milliseconds SqliteCheckpointer::DelayAfter(int code) const {
  // It met a commit at the moment that one publishes itself, or someone else's checkpoint.
  if ((code & 0xff) == SQLITE_BUSY) return kBusyDelay;
  const absl::Status status = SqliteStatus(code, own_->file(), sqlite3_errmsg(own_->handle()));
  kLog.Warn("cannot move commits from the write-ahead log to the database file; the log grows until this works again",
            {{"error", status}});
  return kRetryDelay;
}

void SqliteCheckpointer::Run() {
  std::unique_lock lock(mutex_);
  while (true) {
    due_.wait(lock, [this] { return stopping_ || pages_ >= next_copy_; });
    if (stopping_) return;
    const bool finish = pages_ >= limits_.reset_pages;
    next_copy_ = pages_ + limits_.copy_pages;
    lock.unlock();
    int code = Copy();
    if (code == SQLITE_OK && finish) {
      const std::lock_guard no_commits(writer_mutex_);
      code = Copy();
    }
    const std::chrono::milliseconds delay = code == SQLITE_OK ? std::chrono::milliseconds(0) : DelayAfter(code);
    lock.lock();
    if (code == SQLITE_OK) continue;
    next_copy_ = 0;
    due_.wait_for(lock, delay, [this] { return stopping_; });
  }
}

}  // namespace tradewind::store
