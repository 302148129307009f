// The same over PostgreSQL.
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "tradewind/runtime/worker_schedule_gen.h"
#include "tradewind/store/postgres_site.h"

namespace tradewind::runtime {
namespace {

TEST(WorkerScheduleOverPostgres, LosesNothingDoublesNothingSwapsNothing) {
  EXPECT_TRUE(rc::check([] {
    const auto steps = *AnySchedule();
    const store::TemporarySchema schema;
    auto store = store::OpenPostgresStore(store::TestServer::Config(), schema.name());
    RC_ASSERT(store.ok());
    std::vector<std::string> wrong;
    {
      Mesh mesh(*std::move(store));
      wrong = RunSchedule(mesh, steps);
    }
    for (const std::string& text : wrong) RC_LOG() << text << "\n";
    RC_ASSERT(wrong.empty());
  }));
}

}  // namespace
}  // namespace tradewind::runtime
