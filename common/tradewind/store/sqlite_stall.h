// For tests with a SqliteStore: keeps its connections for queries busy for as long as a test wants, by the hook that
// SQLite calls before a statement begins.
#pragma once

#include <sqlite3.h>

#include <chrono>
#include <condition_variable>
#include <mutex>

namespace tradewind::store {

// While it is there, no statement begins on a connection that can only be read and was opened after it was made. One at
// a time. Thread-safe.
class SqliteStall {
 public:
  // As many connections as a store opens for queries (kMaxLanes of sqlite_reader.cpp).
  static constexpr int kReaders = 8;

  SqliteStall() {
    const std::lock_guard lock(TheState().mutex);
    TheState().holds = true;
    sqlite3_auto_extension(reinterpret_cast<void (*)()>(&OnOpen));
  }
  ~SqliteStall() { Release(); }
  SqliteStall(const SqliteStall&) = delete;
  SqliteStall& operator=(const SqliteStall&) = delete;

  // Lets everything go on.
  void Release() {
    sqlite3_cancel_auto_extension(reinterpret_cast<void (*)()>(&OnOpen));
    const std::lock_guard lock(TheState().mutex);
    TheState().holds = false;
    TheState().changed.notify_all();
  }
  // Blocks until every connection for queries is held; false after ten seconds.
  bool WaitForAll() const {
    std::unique_lock lock(TheState().mutex);
    return TheState().changed.wait_for(lock, std::chrono::seconds(10), [] { return TheState().held == kReaders; });
  }
  bool HoldsAll() const {
    const std::lock_guard lock(TheState().mutex);
    return TheState().held == kReaders;
  }

 private:
  struct State {
    std::mutex mutex;
    std::condition_variable changed;
    bool holds = false;
    int held = 0;
  };
  // Stays: connections call back for as long as they are open.
  static State& TheState() {
    static State& state = *new State;
    return state;
  }

  static int OnOpen(sqlite3* connection, char** /*error*/, const sqlite3_api_routines* /*routines*/) {
    return sqlite3_trace_v2(connection, SQLITE_TRACE_STMT, &OnStatement, nullptr);
  }
  static int OnStatement(unsigned /*event*/, void* /*context*/, void* statement, void* /*text*/) {
    if (sqlite3_db_readonly(sqlite3_db_handle(static_cast<sqlite3_stmt*>(statement)), "main") != 1) return 0;
    State& state = TheState();
    std::unique_lock lock(state.mutex);
    if (!state.holds) return 0;
    ++state.held;
    state.changed.notify_all();
    state.changed.wait(lock, [&] { return !state.holds; });
    --state.held;
    return 0;
  }
};

}  // namespace tradewind::store
