// Any schedule of takeovers, zombies, crashes and resends leaves each command acted on once and each event taken once,
// in order: over SQLite.
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "tradewind/runtime/worker_schedule_gen.h"

namespace tradewind::runtime {
namespace {

TEST(WorkerSchedule, LosesNothingDoublesNothingSwapsNothing) {
  EXPECT_TRUE(rc::check([] {
    const auto steps = *AnySchedule();
    Mesh mesh;
    const std::vector<std::string> wrong = RunSchedule(mesh, steps);
    for (const std::string& text : wrong) RC_LOG() << text << "\n";
    RC_ASSERT(wrong.empty());
  }));
}

}  // namespace
}  // namespace tradewind::runtime
