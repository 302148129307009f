// What only SqliteStore promises: its file, its lock, its settings, and that a commit outlives the process.
#include "tradewind/store/sqlite_store.h"

#include <gmock/gmock.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <future>
#include <string>
#include <vector>

#include "absl/time/time.h"

#include "tradewind/config/config.h"
#include "tradewind/store/sqlite_connection.h"
#include "tradewind/store/sqlite_open.h"
#include "tradewind/store/sqlite_schema.h"
#include "tradewind/store/sqlite_site.h"
#include "tradewind/store/sqlite_stall.h"
#include "tradewind/store/store_contract.h"

namespace tradewind::store {
namespace {

using testing::AllOf;
using testing::HasSubstr;

std::string Message(const absl::Status& status) { return std::string(status.message()); }

absl::Status OpenStatus(const SqliteConfig& config) { return OpenSqliteStore(config, "orders").status(); }

std::unique_ptr<Store> OpenOrDie(const SqliteConfig& config) {
  auto store = OpenSqliteStore(config, "orders");
  EXPECT_TRUE(store.ok()) << store.status();
  return store.ok() ? *std::move(store) : nullptr;
}

// Runs SQL on the file as some other program would.
void ExecuteOn(const std::string& file, const std::string& sql) {
  auto connection = Connection::Open(file, Connection::Mode::kReadWrite);
  ASSERT_TRUE(connection.ok()) << connection.status();
  const absl::Status done = (*connection)->Execute(sql.c_str());
  ASSERT_TRUE(done.ok()) << done;
}

TEST(SqliteStore, MakesItsFolderAndFile) {
  const TemporaryFolder folder;
  SqliteConfig config = folder.Config();
  config.directory = folder.File("deep/er");
  const auto store = OpenOrDie(config);
  EXPECT_TRUE(std::filesystem::exists(folder.File("deep/er/orders.db")));
}

TEST(SqliteStore, RefusesASecondOpenerAndNamesTheFile) {
  const TemporaryFolder folder;
  auto store = OpenOrDie(folder.Config());
  const absl::Status refused = OpenStatus(folder.Config());
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(Message(refused), AllOf(HasSubstr(folder.File("orders.lock")), HasSubstr("store.directory"),
                                      HasSubstr("process " + std::to_string(getpid()))));
  EXPECT_TRUE(OpenSqliteStore(folder.Config(), "users").ok());
  store.reset();
  EXPECT_TRUE(OpenStatus(folder.Config()).ok());
}

TEST(SqliteStore, RefusesASecondProcess) {
  const TemporaryFolder folder;
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const auto held = OpenSqliteStore(folder.Config(), "orders");
    // Tells the parent, and stays until it is killed.
    kill(getpid(), held.ok() ? SIGSTOP : SIGKILL);
    _exit(1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, WUNTRACED), child);
  ASSERT_TRUE(WIFSTOPPED(status));
  const absl::Status refused = OpenStatus(folder.Config());
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(Message(refused), HasSubstr("process " + std::to_string(child)));
  kill(child, SIGKILL);
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(OpenStatus(folder.Config()).ok());
}

TEST(SqliteStore, TellsAReaderThatAllConnectionsStayBusy) {
  const TemporaryFolder folder;
  const auto store = OpenOrDie(folder.Config());
  const auto read = [&] { return store->reader().Get("order", "1").status(); };
  std::vector<std::future<absl::Status>> busy;
  std::future<absl::Status> one_more;
  SqliteStall stall;
  for (int i = 0; i < SqliteStall::kReaders; ++i) busy.push_back(std::async(std::launch::async, read));
  EXPECT_TRUE(stall.WaitForAll());
  const auto begun = std::chrono::steady_clock::now();
  one_more = std::async(std::launch::async, read);
  // A minute is for a slow machine. A reader that is told of nothing goes on only once it is let.
  EXPECT_EQ(one_more.wait_for(std::chrono::minutes(1)), std::future_status::ready);
  EXPECT_GE(std::chrono::steady_clock::now() - begun, absl::ToChronoSeconds(kMaxReaderWait));
  EXPECT_TRUE(stall.HoldsAll());
  stall.Release();
  const absl::Status refused = one_more.get();
  EXPECT_EQ(refused.code(), absl::StatusCode::kUnavailable) << refused;
  EXPECT_THAT(Message(refused), HasSubstr("all 8 connections for queries were busy for 5s"));
  for (std::future<absl::Status>& call : busy) EXPECT_TRUE(call.get().ok());
  EXPECT_TRUE(read().ok());
}

TEST(SqliteStore, RefusesASchemaNewerThanItsOwn) {
  const TemporaryFolder folder;
  OpenOrDie(folder.Config()).reset();
  ExecuteOn(folder.File("orders.db"), "PRAGMA user_version = " + std::to_string(SqliteSchemaVersion() + 1));
  const absl::Status refused = OpenStatus(folder.Config());
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(Message(refused), AllOf(HasSubstr(folder.File("orders.db")), HasSubstr("newer version")));
}

// Makes a file what the version left before requests named their tasks. Goes before what undoes earlier steps.
constexpr char kUndoTasksOfRequests[] =
    "DROP TABLE group_name; DROP INDEX request_by_age; ALTER TABLE request DROP COLUMN task_group; "
    "ALTER TABLE request DROP COLUMN task_partition; CREATE INDEX request_by_age ON request (created_ms); ";

TEST(SqliteStore, KeepsAnswersOfBeforeTheyNamedTasks) {
  const TemporaryFolder folder;
  WriteUnderK(*OpenOrDie(folder.Config()));
  ExecuteOn(folder.File("orders.db"), std::string(kUndoTasksOfRequests) + "PRAGMA user_version = 5");
  ExpectAnswersWithoutTasksAreKept(*OpenOrDie(folder.Config()));
}

TEST(SqliteStore, KnowsWhetherItIsOlderThanMeshNames) {
  const TemporaryFolder folder;
  {
    const auto store = OpenOrDie(folder.Config());
    ASSERT_TRUE((*store->OpenSession())->TakeTask({"orders", 1}, 0).ok());
    EXPECT_FALSE(store->predates_mesh_names());
  }
  EXPECT_FALSE(OpenOrDie(folder.Config())->predates_mesh_names());
  // As the version before that step left it.
  ExecuteOn(folder.File("orders.db"), std::string(kUndoTasksOfRequests) + "PRAGMA user_version = 4");
  EXPECT_TRUE(OpenOrDie(folder.Config())->predates_mesh_names());
  EXPECT_TRUE(OpenOrDie(folder.Config())->predates_mesh_names());
}

// A file as the version before keys had a short form left it, but for what that version never wrote.
TEST(SqliteStore, ShortensTheKeysOfAnOlderFile) {
  const TemporaryFolder folder;
  const std::string key(5000, 'k');
  WriteUnderK(*OpenOrDie(folder.Config()));
  const std::string is = " = CAST('" + key + "' AS BLOB)";
  ExecuteOn(folder.File("orders.db"),
            std::string(kUndoTasksOfRequests) +
                "DROP INDEX kept_by_queue; ALTER TABLE kept DROP COLUMN place; "
                "CREATE INDEX kept_by_queue ON kept (\"group\", partition, key, id) WHERE queued = 1; "
                "ALTER TABLE aggregate DROP COLUMN long_key; ALTER TABLE kept DROP COLUMN long_key; "
                "ALTER TABLE timer DROP COLUMN long_key; UPDATE aggregate SET key" +
                is + "; UPDATE aggregate_index SET key" + is + ", value" + is + "; UPDATE request SET request_id" + is +
                ", caller" + is + "; UPDATE kept SET key" + is + "; UPDATE timer SET key" + is +
                "; UPDATE method SET name = '" + key + "'; PRAGMA user_version = 2");
  const auto store = OpenOrDie(folder.Config());
  ASSERT_NE(store, nullptr);
  ExpectFoundByLongKey(*store, key);
}

TEST(SqliteStore, RefusesASchemaWhoseVersionWasTakenAway) {
  const TemporaryFolder folder;
  OpenOrDie(folder.Config()).reset();
  ExecuteOn(folder.File("orders.db"), "PRAGMA user_version = 0");
  const absl::Status refused = OpenStatus(folder.Config());
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(Message(refused), AllOf(HasSubstr(folder.File("orders.db")), HasSubstr("schema version 0")));
}

TEST(SqliteStore, RefusesTheDatabaseOfAnotherProgram) {
  const TemporaryFolder folder;
  ExecuteOn(folder.File("orders.db"), "CREATE TABLE theirs (id INTEGER PRIMARY KEY)");
  const absl::Status refused = OpenStatus(folder.Config());
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(Message(refused), AllOf(HasSubstr(folder.File("orders.db")), HasSubstr("other program")));
}

TEST(SqliteStore, TellsAFileThatIsNoDatabase) {
  const TemporaryFolder folder;
  std::ofstream(folder.File("orders.db")) << std::string(10'000, 'x');
  const absl::Status refused = OpenStatus(folder.Config());
  EXPECT_EQ(refused.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(Message(refused), AllOf(HasSubstr(folder.File("orders.db")), HasSubstr("backup")));
}

TEST(SqliteStore, NamesTheSettingOfAFolderItCannotMake) {
  const TemporaryFolder folder;
  std::ofstream(folder.File("file")) << "a regular file";
  SqliteConfig config = folder.Config();
  for (const std::string& directory : {folder.File("file/below"), folder.File("file")}) {
    config.directory = directory;
    const absl::Status refused = OpenStatus(config);
    EXPECT_EQ(refused.code(), absl::StatusCode::kPermissionDenied) << directory;
    EXPECT_THAT(Message(refused), AllOf(HasSubstr(directory), HasSubstr("store.directory")));
  }
}

TEST(SqliteStore, NamesTheSettingOfAFolderItMayNotWrite) {
  const TemporaryFolder folder;
  std::filesystem::permissions(folder.path(), std::filesystem::perms(0555));
  // Root may write everywhere: as root the attempt is made as nobody.
  constexpr uid_t kNobody = 65534;
  const uid_t self = geteuid();
  if (self == 0) {
    ASSERT_EQ(seteuid(kNobody), 0);
  }
  const absl::Status refused = OpenStatus(folder.Config());
  if (self == 0) {
    ASSERT_EQ(seteuid(self), 0);
  }
  std::filesystem::permissions(folder.path(), std::filesystem::perms::owner_all);
  EXPECT_EQ(refused.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(Message(refused), AllOf(HasSubstr(folder.path()), HasSubstr("store.directory")));
}

TEST(SqliteStore, RefusesSettingsThatCannotBe) {
  const TemporaryFolder folder;
  SqliteConfig config = folder.Config();
  config.durability = "none";
  EXPECT_EQ(OpenStatus(config).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(Message(OpenStatus(config)), HasSubstr("store.durability"));
  config = folder.Config();
  config.cache_bytes = 0;
  EXPECT_THAT(Message(OpenStatus(config)), HasSubstr("store.cache_bytes"));
  EXPECT_EQ(OpenSqliteStore(folder.Config(), "../orders").status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(SqliteStore, BindsItsSettings) {
  SqliteConfig config;
  config::Schema schema;
  Describe(schema, config);
  const char* const arguments[] = {"test", "--store.directory=elsewhere", "--store.durability=power",
                                   "--store.cache_bytes=4194304"};
  const auto command = config::Load(schema, {"test", "A test."}, 4, arguments);
  ASSERT_TRUE(command.ok()) << command.status();
  EXPECT_EQ(config.directory, "elsewhere");
  EXPECT_EQ(config.durability, "power");
  EXPECT_EQ(config.cache_bytes, 4'194'304);
  const char* const wrong[] = {"test", "--store.durability=hope"};
  EXPECT_FALSE(config::Load(schema, {"test", "A test."}, 2, wrong).ok());
}

TEST(SqliteStore, SyncsEachCommitWhereItMustSurvivePowerLoss) {
  const TemporaryFolder folder;
  SqliteConfig config = folder.Config();
  const auto synchronous = [&] {
    const auto connection = OpenForWriting(folder.File("orders.db"), config);
    EXPECT_TRUE(connection.ok()) << connection.status();
    EXPECT_EQ(*(*connection)->QueryText("PRAGMA journal_mode"), "wal");
    return *(*connection)->QueryText("PRAGMA synchronous");
  };
  constexpr const char* kNormal = "1";
  constexpr const char* kFull = "2";
  EXPECT_EQ(synchronous(), kNormal);
  config.durability = "power";
  EXPECT_EQ(synchronous(), kFull);
}

TEST(SqliteStore, RefusesAValueTooBigForTheDatabase) {
  const TemporaryFolder folder;
  const auto store = OpenOrDie(folder.Config());
  const auto session = *store->OpenSession();
  // Beyond SQLite's limit, which it knows from the length alone: nothing reads the bytes.
  const std::string_view huge("x", 1'100'000'000);
  Batch batch;
  batch.aggregates = {MakeWrite("order", "1", 0, "small"), MakeWrite("order", "2", 0, huge)};
  EXPECT_EQ(session->Commit(batch).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_FALSE(store->reader().Get("order", "1")->has_value());
  batch.aggregates.pop_back();
  const auto result = session->Commit(batch);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->kind, CommitResult::Kind::kCommitted);
}

// Commits in a child that never stops by itself, kills it, and opens the file: whatever the child said was committed is
// there, whole.
TEST(SqliteStore, KeepsEveryCommitWhenTheProcessIsKilled) {
  const TemporaryFolder folder;
  const TaskId task{"orders", 0};
  int reports[2];
  ASSERT_EQ(pipe(reports), 0);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    auto store = OpenSqliteStore(folder.Config(), "orders");
    if (!store.ok()) _exit(1);
    const auto session = *(*store)->OpenSession();
    TakenTask taken = *session->TakeTask(task, 0);
    uint64_t version = 0;
    for (uint32_t i = 1;; ++i) {
      const std::string value = std::to_string(i);
      const std::string own = "own " + value;
      Batch batch;
      batch.tasks = {MakeTaskCommit(task, taken)};
      batch.tasks[0].progress = value;
      batch.aggregates = {MakeWrite("order", "shared", version, value), MakeWrite("order", own, 0, value)};
      const auto result = session->Commit(batch);
      if (!result.ok() || result->kind != CommitResult::Kind::kCommitted) _exit(2);
      version = result->versions[0];
      ++taken.emit_sequence;
      if (write(reports[1], &i, sizeof(i)) != sizeof(i)) _exit(3);
    }
  }
  close(reports[1]);
  uint32_t reported = 0;
  while (reported < 200 && read(reports[0], &reported, sizeof(reported)) == sizeof(reported)) continue;
  kill(child, SIGKILL);
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status)) << "the child gave up with " << WEXITSTATUS(status);
  while (read(reports[0], &reported, sizeof(reported)) == sizeof(reported)) continue;
  close(reports[0]);
  ASSERT_GE(reported, 200u);

  const auto store = OpenOrDie(folder.Config());
  const auto taken = (*store->OpenSession())->TakeTask(task, 0);
  ASSERT_TRUE(taken.ok()) << taken.status();
  // One more may have been committed than was said.
  EXPECT_GE(taken->emit_sequence, reported);
  EXPECT_LE(taken->emit_sequence, reported + 1);
  EXPECT_EQ(taken->progress, std::to_string(taken->emit_sequence));
  EXPECT_EQ((*store->reader().Get("order", "shared"))->value, taken->progress);
  for (uint64_t i = 1; i <= taken->emit_sequence; ++i) {
    EXPECT_TRUE(store->reader().Get("order", "own " + std::to_string(i))->has_value()) << i;
  }
}

}  // namespace
}  // namespace tradewind::store
