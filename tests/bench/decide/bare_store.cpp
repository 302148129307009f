// The bare store: what the decide loop writes, written by the plain SQLite C API in batches of 500 and nothing else. No
// reading, no parsing, no deciding, no publishing. Prints one line of JSON for each variant
// asked for; the best of them is what the loop is compared with.
#include <sqlite3.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "nlohmann/json.hpp"

#include "tests/bench/decide/workload.h"

namespace bench {
namespace {

struct Options {
  std::string directory = ".";
  // Empty runs them all.
  std::string variant;
  size_t batch = 500;
  // What the loop's outbox holds for each event; bench-decide-loop prints it.
  size_t outbox_bytes_per_event = 600;
  size_t task_bytes = 200;
  Workload workload;
};

// One point of the sweep.
struct Variant {
  const char* name;
  const char* table;
  // Writes the keys of a batch in their order instead of as they came.
  bool sorted;
  // Pages in the write-ahead log at which SQLite copies them to the file.
  int checkpoint_pages;
};

constexpr const char* kWithoutRowid =
    "CREATE TABLE aggregate(key BLOB PRIMARY KEY, version INTEGER NOT NULL, value BLOB NOT NULL) WITHOUT ROWID";
constexpr const char* kRowid =
    "CREATE TABLE aggregate(key BLOB PRIMARY KEY, version INTEGER NOT NULL, value BLOB NOT NULL)";

constexpr Variant kVariants[] = {{"without rowid", kWithoutRowid, false, 16'384},
                                 {"without rowid, keys sorted", kWithoutRowid, true, 16'384},
                                 {"without rowid, smaller log", kWithoutRowid, false, 4096},
                                 {"with rowid", kRowid, false, 16'384}};

[[noreturn]] void Die(const std::string& what) {
  std::fprintf(stderr, "bare store: %s\n", what.c_str());
  std::_Exit(1);
}

class BareStore {
 public:
  BareStore(const std::string& path, const Variant& variant) {
    for (const char* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(path + suffix);
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    if (sqlite3_open_v2(path.c_str(), &db_, flags, nullptr) != SQLITE_OK) Die(path + ": " + sqlite3_errmsg(db_));
    Execute("PRAGMA journal_mode=WAL");
    Execute("PRAGMA synchronous=NORMAL");
    Execute("PRAGMA cache_size=-262144");
    // Debian's SQLite overwrites what is deleted unless told not to.
    Execute("PRAGMA secure_delete=OFF");
    Execute(("PRAGMA wal_autocheckpoint=" + std::to_string(variant.checkpoint_pages)).c_str());
    Execute(variant.table);
    Execute("CREATE TABLE outbox(sequence INTEGER PRIMARY KEY, batch BLOB NOT NULL)");
    Execute("CREATE TABLE task(id INTEGER PRIMARY KEY, sequence INTEGER NOT NULL, progress BLOB NOT NULL)");
    Execute("INSERT INTO task VALUES(1, 0, x'')");
    upsert_ = Prepare(
        "INSERT INTO aggregate VALUES(?, 1, ?)"
        " ON CONFLICT DO UPDATE SET version = version + 1, value = excluded.value");
    append_ = Prepare("INSERT INTO outbox VALUES(?, ?)");
    drop_ = Prepare("DELETE FROM outbox WHERE sequence < ?");
    advance_ = Prepare("UPDATE task SET sequence = ?, progress = ? WHERE id = 1");
  }
  ~BareStore() {
    for (sqlite3_stmt* statement : {upsert_, append_, drop_, advance_}) sqlite3_finalize(statement);
    sqlite3_close(db_);
  }
  BareStore(const BareStore&) = delete;
  BareStore& operator=(const BareStore&) = delete;

  // One transaction: the keys, the batch's events in one outbox row, the row before it dropped, the task advanced.
  void Write(const std::vector<std::string>& keys, const std::string& value, const std::string& events,
             const std::string& progress) {
    ++sequence_;
    Execute("BEGIN IMMEDIATE");
    for (const std::string& key : keys) {
      BindBlob(upsert_, 1, key);
      BindBlob(upsert_, 2, value);
      Step(upsert_);
    }
    sqlite3_bind_int64(append_, 1, sequence_);
    BindBlob(append_, 2, events);
    Step(append_);
    sqlite3_bind_int64(drop_, 1, sequence_);
    Step(drop_);
    sqlite3_bind_int64(advance_, 1, sequence_);
    BindBlob(advance_, 2, progress);
    Step(advance_);
    Execute("COMMIT");
  }

 private:
  void Execute(const char* sql) {
    if (sqlite3_exec(db_, sql, nullptr, nullptr, nullptr) != SQLITE_OK) Die(sqlite3_errmsg(db_));
  }
  sqlite3_stmt* Prepare(const char* sql) {
    sqlite3_stmt* statement = nullptr;
    if (sqlite3_prepare_v3(db_, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr) != SQLITE_OK) {
      Die(sqlite3_errmsg(db_));
    }
    return statement;
  }
  static void BindBlob(sqlite3_stmt* statement, int index, const std::string& value) {
    sqlite3_bind_blob(statement, index, value.data(), static_cast<int>(value.size()), SQLITE_STATIC);
  }
  void Step(sqlite3_stmt* statement) {
    if (sqlite3_step(statement) != SQLITE_DONE) Die(sqlite3_errmsg(db_));
    sqlite3_reset(statement);
  }

  sqlite3* db_ = nullptr;
  int64_t sequence_ = 0;
  sqlite3_stmt* upsert_ = nullptr;
  sqlite3_stmt* append_ = nullptr;
  sqlite3_stmt* drop_ = nullptr;
  sqlite3_stmt* advance_ = nullptr;
};

// Writes commands [from, to).
void WriteRange(BareStore& store, const Options& options, const Variant& variant, size_t from, size_t to) {
  const std::string value(kStateBytes, 's');
  const std::string progress(options.task_bytes, 't');
  std::vector<std::string> keys;
  for (size_t begin = from; begin < to; begin += options.batch) {
    const size_t end = std::min(begin + options.batch, to);
    keys.clear();
    for (size_t i = begin; i < end; ++i) keys.push_back(options.workload.Key(i));
    if (variant.sorted) std::sort(keys.begin(), keys.end());
    store.Write(keys, value, std::string(options.outbox_bytes_per_event * keys.size(), 'e'), progress);
  }
}

void Measure(const Options& options, const Variant& variant) {
  BareStore store(options.directory + "/bare.db", variant);
  WriteRange(store, options, variant, 0, options.workload.keys);
  const auto begin = std::chrono::steady_clock::now();
  WriteRange(store, options, variant, options.workload.keys, options.workload.size());
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  const nlohmann::json result{{"variant", variant.name},
                              {"events", options.workload.timed},
                              {"seconds", seconds},
                              {"rate", static_cast<double>(options.workload.timed) / seconds}};
  std::printf("%s\n", result.dump().c_str());
  std::fflush(stdout);
}

int Main(int argc, char** argv) {
  Options options;
  CLI::App app("The decide loop's writes by the plain SQLite C API.");
  app.add_option("--directory", options.directory);
  app.add_option("--variant", options.variant);
  app.add_option("--batch", options.batch);
  app.add_option("--outbox-bytes", options.outbox_bytes_per_event, "for each event");
  app.add_option("--task-bytes", options.task_bytes);
  app.add_option("--keys", options.workload.keys);
  app.add_option("--events", options.workload.timed);
  CLI11_PARSE(app, argc, argv);
  bool any = false;
  for (const Variant& variant : kVariants) {
    if (!options.variant.empty() && options.variant != variant.name) continue;
    any = true;
    Measure(options, variant);
  }
  if (!any) Die("no variant is called " + options.variant);
  return 0;
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) { return bench::Main(argc, argv); }
