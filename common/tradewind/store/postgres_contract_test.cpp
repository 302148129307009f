#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tradewind/store/postgres_site.h"
#include "tradewind/store/store_contract.h"

namespace tradewind::store {
namespace {

std::vector<std::unique_ptr<TemporarySchema>>& Unused() {
  static std::vector<std::unique_ptr<TemporarySchema>> unused;
  return unused;
}

// Drops them while the program is whole: libraries clean up behind themselves before static objects go.
class DropUnused final : public testing::Environment {
 public:
  void TearDown() override { Unused().clear(); }
};
const auto* const kDropUnused = testing::AddGlobalTestEnvironment(new DropUnused);

// Schemas are emptied and used again: making one takes a tenth of a second, and the tests need hundreds.
class PostgresSite final : public StoreSite {
 public:
  PostgresSite() {
    if (Unused().empty()) {
      schema_ = std::make_unique<TemporarySchema>();
    } else {
      schema_ = std::move(Unused().back());
      Unused().pop_back();
    }
  }
  ~PostgresSite() override {
    TestServer::Execute("SET search_path = " + schema_->Quoted() +
                        "; DELETE FROM name; DELETE FROM aggregate; DELETE FROM aggregate_index; DELETE FROM task; "
                        "DELETE FROM outbox; DELETE FROM request; DELETE FROM kept; DELETE FROM timer; "
                        "UPDATE meta SET value = replace(gen_random_uuid()::text, '-', '') WHERE name = 'id'");
    Unused().push_back(std::move(schema_));
  }

  absl::StatusOr<std::unique_ptr<Store>> Open() override {
    return OpenPostgresStore(TestServer::Config(), schema_->name());
  }

 private:
  std::unique_ptr<TemporarySchema> schema_;
};

std::unique_ptr<StoreSite> MakePostgresSite() { return std::make_unique<PostgresSite>(); }

INSTANTIATE_TEST_SUITE_P(Postgres, StoreContract, testing::Values(&MakePostgresSite),
                         [](const auto&) { return std::string("Schema"); });

}  // namespace
}  // namespace tradewind::store
