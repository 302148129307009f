#include "tradewind/store/sqlite_site.h"
#include "tradewind/store/store_contract.h"

namespace tradewind::store {
namespace {

class SqliteSite final : public StoreSite {
 public:
  absl::StatusOr<std::unique_ptr<Store>> Open() override { return OpenSqliteStore(folder_.Config(), "contract"); }

 private:
  TemporaryFolder folder_;
};

std::unique_ptr<StoreSite> MakeSqliteSite() { return std::make_unique<SqliteSite>(); }

INSTANTIATE_TEST_SUITE_P(Sqlite, StoreContract, testing::Values(&MakeSqliteSite),
                         [](const auto&) { return std::string("File"); });

}  // namespace
}  // namespace tradewind::store
