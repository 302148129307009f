// What every Store must do, as tests that know nothing but store.h. An implementation runs them with
//
//   tradewind_store_contract_test(<name> SOURCES <its file> DEPENDS <its library>)
//
// where its file says how to make and open it:
//
//   INSTANTIATE_TEST_SUITE_P(Sqlite, StoreContract, testing::Values(&MakeSqliteSite), [](const auto&) { return "File";
//   });
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tradewind/store/store.h"

namespace tradewind::store {

// A place for one store: empty when made, cleared away when destroyed.
class StoreSite {
 public:
  virtual ~StoreSite() = default;
  // What was written before is there. At most one store of a site is open at a time.
  virtual absl::StatusOr<std::unique_ptr<Store>> Open() = 0;
};

using MakeStoreSite = std::unique_ptr<StoreSite> (*)();

// A store, opened, and a session of it.
class StoreContract : public testing::TestWithParam<MakeStoreSite> {
 protected:
  void SetUp() override;
  void Reopen();

  std::unique_ptr<Session> NewSession();
  // Fail the test when the call fails.
  TakenTask Take(const TaskId& task, uint64_t epoch_floor = 0);
  CommitResult Commit(const Batch& batch);
  Aggregate Load(std::string_view kind, std::string_view key);
  std::optional<RequestRow> LoadRequest(const RequestKey& key);
  // Writes one aggregate and returns its version.
  uint64_t Write(std::string_view kind, std::string_view key, uint64_t expected_version,
                 std::optional<std::string_view> value, std::vector<IndexEntry> added = {},
                 std::vector<IndexEntry> removed = {});
  std::vector<std::string> ListKeys(const ListQuery& query);

  std::unique_ptr<StoreSite> site_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<Session> session_;
};

AggregateWrite MakeWrite(std::string_view kind, std::string_view key, uint64_t expected_version,
                         std::optional<std::string_view> value);
// What follows `taken`, one further.
TaskCommit MakeTaskCommit(const TaskId& id, const TakenTask& taken);

// For the tests of the step that gave long keys a short form: one row of every table with a key, all under "K"; and
// what must be read once a test has put `key` in the place of "K" as the version before wrote it.
void WriteUnderK(Store& store);
void ExpectFoundByLongKey(Store& store, const std::string& key);
// What must hold of the request under "K" once a test has taken its task from it, as the version before wrote it.
void ExpectAnswersWithoutTasksAreKept(Store& store);

}  // namespace tradewind::store
