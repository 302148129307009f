// How PostgresStore opens: its settings, what it says when it cannot, several instances at once, and what it takes for
// data.
#include <gmock/gmock.h>

#include <string>
#include <thread>
#include <vector>

#include "tradewind/config/config.h"
#include "tradewind/store/open_store.h"
#include "tradewind/store/postgres_commit_sql.h"
#include "tradewind/store/postgres_schema.h"
#include "tradewind/store/postgres_site.h"
#include "tradewind/store/store_contract.h"

namespace tradewind::store {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::SizeIs;
using std::string_literals::operator""s;

std::string Message(const absl::Status& status) { return std::string(status.message()); }

absl::Status OpenStatus(const std::string& url, const std::string& name = "orders") {
  return OpenPostgresStore({.url = config::Secret(url), .connect_timeout = absl::Seconds(1)}, name).status();
}

std::unique_ptr<Store> OpenOrDie(const std::string& name) {
  auto store = OpenPostgresStore(TestServer::Config(), name);
  EXPECT_TRUE(store.ok()) << store.status();
  return store.ok() ? *std::move(store) : nullptr;
}

TEST(PostgresStore, BindsItsSettingsAndMasksTheUrl) {
  StoreConfig config;
  config::Schema schema;
  Describe(schema, config);
  const char* const arguments[] = {"test",
                                   "--store.kind=postgres",
                                   "--store.directory=elsewhere",
                                   "--store.postgres.url=postgresql://u:secret@h/d",
                                   "--store.postgres.connect_timeout=3s",
                                   "--store.postgres.statement_timeout=7s",
                                   "--store.postgres.max_readers=9",
                                   "--print-config"};
  const auto command = config::Load(schema, {"test", "A test."}, 8, arguments);
  ASSERT_TRUE(command.ok()) << command.status();
  EXPECT_EQ(config.kind, "postgres");
  EXPECT_EQ(config.sqlite.directory, "elsewhere");
  EXPECT_EQ(config.postgres.url.value(), "postgresql://u:secret@h/d");
  EXPECT_EQ(config.postgres.connect_timeout, absl::Seconds(3));
  EXPECT_EQ(config.postgres.statement_timeout, absl::Seconds(7));
  EXPECT_EQ(config.postgres.max_readers, 9);
  EXPECT_THAT(command->output, AllOf(HasSubstr("kind: postgres"), Not(HasSubstr("secret"))));
  const char* const wrong[] = {"test", "--store.kind=paper"};
  EXPECT_FALSE(config::Load(schema, {"test", "A test."}, 2, wrong).ok());
}

TEST(PostgresStore, IsOpenedWhereTheSettingsSaySo) {
  const TemporarySchema schema;
  StoreConfig config{.kind = "postgres", .postgres = TestServer::Config()};
  const auto store = OpenStore(config, schema.name());
  ASSERT_TRUE(store.ok()) << store.status();
  EXPECT_EQ(OpenOrDie(schema.name())->id(), (*store)->id());
  config.kind = "paper";
  EXPECT_THAT(Message(OpenStore(config, schema.name()).status()), HasSubstr("store.kind"));
}

TEST(PostgresStore, RefusesSettingsThatCannotBe) {
  PostgresConfig config = TestServer::Config();
  config.max_readers = 0;
  EXPECT_THAT(Message(OpenPostgresStore(config, "orders").status()), HasSubstr("store.postgres.max_readers"));
  config = TestServer::Config();
  config.statement_timeout = absl::ZeroDuration();
  EXPECT_THAT(Message(OpenPostgresStore(config, "orders").status()), HasSubstr("store.postgres.statement_timeout"));
  for (const std::string& name : {""s, std::string(64, 'x'), "pg_orders"s, "a\0b"s}) {
    EXPECT_EQ(OpenPostgresStore(TestServer::Config(), name).status().code(), absl::StatusCode::kInvalidArgument)
        << name;
  }
}

TEST(PostgresStore, DoesNotRepeatAUrlItCannotRead) {
  for (const std::string& url : {"postgresqll://tradewind:secret@127.0.0.1/d"s, "postgresql://u:secret@h:1:2/d"s,
                                 "host=127.0.0.1 pasword=secret"s}) {
    const absl::Status refused = OpenStatus(url);
    EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument) << refused;
    EXPECT_THAT(Message(refused), AllOf(HasSubstr("store.postgres.url"), Not(HasSubstr("secret"))));
  }
}

TEST(PostgresStore, NamesTheSettingWhenTheServerIsAway) {
  const absl::Status refused = OpenStatus(TestServer::UrlWith("", "1", ""));
  EXPECT_EQ(refused.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(Message(refused), AllOf(HasSubstr("127.0.0.1"), HasSubstr("port 1"), HasSubstr("store.postgres.url")));
  // The first host is away, the second is not: libpq's several hosts work.
  const std::string url = TestServer::Url();
  const TemporarySchema schema;
  EXPECT_TRUE(OpenStatus(std::string(url).insert(url.find('@') + 1, "127.0.0.1:1,"), schema.name()).ok());
}

TEST(PostgresStore, PassesOverAServerThatTakesNoWrites) {
  const std::string url = TestServer::Url() + "?options=-c%20default_transaction_read_only%3Don";
  const absl::Status refused = OpenStatus(url);
  EXPECT_EQ(refused.code(), absl::StatusCode::kUnavailable) << refused;
  EXPECT_THAT(Message(refused), HasSubstr("session is read-only"));
}

TEST(PostgresStore, NamesTheSettingWhenThePasswordIsWrong) {
  const absl::Status refused = OpenStatus(TestServer::UrlWith("wrong", "", ""));
  EXPECT_EQ(refused.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(Message(refused), AllOf(HasSubstr("tradewind"), HasSubstr("store.postgres.url"), HasSubstr("28P01")));
  EXPECT_EQ(Message(refused).find('\n'), std::string::npos);
}

TEST(PostgresStore, SaysHowToMakeAMissingDatabase) {
  const absl::Status refused = OpenStatus(TestServer::UrlWith("", "", "nowhere"));
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(Message(refused), AllOf(HasSubstr("nowhere"), HasSubstr("createdb"), HasSubstr("store.postgres.url")));
}

TEST(PostgresStore, SaysWhatAUserMustBeAllowed) {
  // Anyone may connect to it, and only its owner create schemas there.
  const absl::Status refused = OpenStatus(TestServer::UrlWith("", "", "postgres"));
  EXPECT_EQ(refused.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(Message(refused), AllOf(HasSubstr("GRANT CREATE ON DATABASE"), HasSubstr("store.postgres.url")));
}

TEST(PostgresStore, OpensAnEmptyDatabaseFromManyInstancesAtOnce) {
  constexpr size_t kInstances = 6;
  const TemporarySchema schema;
  std::vector<std::unique_ptr<Store>> stores(kInstances);
  std::vector<std::thread> threads;
  for (auto& store : stores) threads.emplace_back([&store, &schema] { store = OpenOrDie(schema.name()); });
  for (std::thread& thread : threads) thread.join();
  for (const auto& store : stores) {
    ASSERT_NE(store, nullptr);
    EXPECT_EQ(store->id(), stores.front()->id());
  }
}

TEST(PostgresStore, RefusesASchemaNewerThanItsOwn) {
  const TemporarySchema schema;
  OpenOrDie(schema.name()).reset();
  TestServer::Execute("UPDATE " + schema.Quoted() + ".meta SET value = '" +
                      std::to_string(PostgresSchemaVersion() + 1) + "' WHERE name = 'schema_version'");
  const absl::Status refused = OpenPostgresStore(TestServer::Config(), schema.name()).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(Message(refused), AllOf(HasSubstr(schema.name()), HasSubstr("newer version")));
}

// Makes a schema what the version left before requests named their tasks. Goes before what undoes earlier steps.
std::string UndoTasksOfRequests(const TemporarySchema& schema) {
  return "SET search_path = " + schema.Quoted() + "; DROP FUNCTION " + kCommitBatch +
         "; DROP INDEX request_by_age; ALTER TABLE request DROP COLUMN task_group; "
         "ALTER TABLE request DROP COLUMN task_partition; CREATE INDEX request_by_age ON request (created_ms); ";
}

TEST(PostgresStore, KeepsAnswersOfBeforeTheyNamedTasks) {
  const TemporarySchema schema;
  WriteUnderK(*OpenOrDie(schema.name()));
  TestServer::Execute(UndoTasksOfRequests(schema) + "UPDATE meta SET value = '4' WHERE name = 'schema_version'");
  ExpectAnswersWithoutTasksAreKept(*OpenOrDie(schema.name()));
}

TEST(PostgresStore, KnowsWhetherItIsOlderThanMeshNames) {
  const TemporarySchema schema;
  {
    const auto store = OpenOrDie(schema.name());
    ASSERT_TRUE((*store->OpenSession())->TakeTask({"orders", 1}, 0).ok());
    EXPECT_FALSE(store->predates_mesh_names());
  }
  EXPECT_FALSE(OpenOrDie(schema.name())->predates_mesh_names());
  // As the version before that step left it.
  TestServer::Execute(UndoTasksOfRequests(schema) + "UPDATE meta SET value = '3' WHERE name = 'schema_version'");
  EXPECT_TRUE(OpenOrDie(schema.name())->predates_mesh_names());
  EXPECT_TRUE(OpenOrDie(schema.name())->predates_mesh_names());
}

// A schema as the version before keys had a short form left it. That took long keys only where they compress.
TEST(PostgresStore, ShortensTheKeysOfAnOlderSchema) {
  const TemporarySchema schema;
  const std::string key(5000, 'k');
  WriteUnderK(*OpenOrDie(schema.name()));
  const std::string is = " = '" + key + "'::bytea";
  TestServer::Execute(UndoTasksOfRequests(schema) +
                      "DROP INDEX kept_by_queue; ALTER TABLE kept DROP COLUMN place; "
                      "CREATE INDEX kept_by_queue ON kept (\"group\", partition, key, id) WHERE queued; "
                      "ALTER TABLE aggregate DROP COLUMN long_key; ALTER TABLE kept DROP COLUMN long_key; "
                      "ALTER TABLE timer DROP COLUMN long_key; UPDATE aggregate SET key" +
                      is + "; UPDATE aggregate_index SET key" + is + ", value" + is +
                      "; UPDATE request SET request_id" + is + ", caller" + is + "; UPDATE kept SET key" + is +
                      "; UPDATE timer SET key" + is + "; UPDATE name SET name" + is +
                      " WHERE name = 'K'; UPDATE meta SET value = '1' WHERE name = 'schema_version'");
  const auto store = OpenOrDie(schema.name());
  ASSERT_NE(store, nullptr);
  ExpectFoundByLongKey(*store, key);
}

TEST(PostgresStore, RefusesTheSchemaOfAnotherProgram) {
  for (const char* const table : {"theirs (id integer)", "meta (name text, value text)"}) {
    const TemporarySchema schema;
    TestServer::Execute("CREATE SCHEMA " + schema.Quoted() + "; CREATE TABLE " + schema.Quoted() + "." + table);
    const absl::Status refused = OpenPostgresStore(TestServer::Config(), schema.name()).status();
    EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(Message(refused), AllOf(HasSubstr(schema.name()), HasSubstr("other program")));
  }
}

TEST(PostgresStore, TakesAnyBytesForANameOrAKey) {
  const TemporarySchema schema;
  const auto store = OpenOrDie(schema.name());
  const auto session = *store->OpenSession();
  const std::string odd = "a\0\xff\xc3\x28'\"\\"s;
  const TaskId task{odd, 3};
  const auto taken = session->TakeTask(task, 0);
  ASSERT_TRUE(taken.ok()) << taken.status();
  Batch batch;
  batch.tasks = {MakeTaskCommit(task, *taken)};
  batch.tasks[0].progress = batch.tasks[0].outbox = odd;
  batch.aggregates = {MakeWrite(odd, odd, 0, odd)};
  batch.aggregates[0].index_added = {{odd, odd, 1}};
  batch.requests = {{{odd, odd, odd}, odd, odd}};
  batch.kept = {{.task = task, .key = odd, .source = odd, .type = odd, .reason = odd, .record = odd}};
  batch.timers_set = {{.task = task, .key = odd, .name = odd, .due = absl::FromUnixSeconds(1), .record = odd}};
  const auto result = session->Commit(batch);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(session->TakeTask(task, 0)->outbox.at(0).batch, odd);
  EXPECT_EQ((*store->reader().Get(odd, odd))->value, odd);
  EXPECT_EQ(store->reader().List({.kind = odd, .index = odd, .value = odd})->at(0).key, odd);
  const RequestKey key{odd, odd, odd};
  EXPECT_EQ(session->LoadRequests({&key, 1})->at(0)->reply, odd);
  EXPECT_EQ(session->LoadKept(task, KeptState::kDead)->at(0).reason, odd);
  EXPECT_EQ(session->LoadTimers(task, 1)->at(0).name, odd);
}

TEST(PostgresStore, RefusesWhatTheServerCannotHoldAndGoesOn) {
  const TemporarySchema schema;
  const auto store = OpenOrDie(schema.name());
  const auto session = *store->OpenSession();
  // The group stands in indexes as it is. Bytes that do not compress.
  std::string huge;
  for (uint32_t i = 1; huge.size() < 10'000; ++i) huge += std::to_string(i * 2'654'435'761U);
  Batch batch;
  batch.aggregates = {MakeWrite("order", "1", 0, "small")};
  batch.kept = {{.task = {huge, 1}}};
  EXPECT_EQ(session->Commit(batch).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_FALSE(store->reader().Get("order", "1")->has_value());
  batch.kept.pop_back();
  const auto result = session->Commit(batch);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->kind, CommitResult::Kind::kCommitted);
  // Nor what no message can hold, which it knows from the length alone: nothing reads the bytes.
  batch.aggregates = {MakeWrite("order", "2", 0, std::string_view("x", 1'100'000'000))};
  EXPECT_EQ(session->Commit(batch).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace tradewind::store
