#include "tradewind/bus/replaceable_sink.h"

#include <gtest/gtest.h>

#include <memory>
#include <utility>
#include <vector>

#include "absl/synchronization/notification.h"

namespace tradewind::bus {
namespace {

constexpr OutgoingRecord kRecord{.topic = "t", .value = "v"};

// Reports whatever it takes at once, and ends when it is let go.
class SlowToEnd final : public EventSink {
 public:
  explicit SlowToEnd(absl::Notification& let_go) : let_go_(let_go) {}
  ~SlowToEnd() override { let_go_.WaitForNotification(); }
  absl::Status Produce(const OutgoingRecord&, uint64_t token) override {
    taken_.push_back(token);
    return absl::OkStatus();
  }
  int Poll(absl::Duration, absl::FunctionRef<void(const Delivery&)> on_delivery) override {
    const auto reported = static_cast<int>(taken_.size());
    for (const uint64_t token : std::exchange(taken_, {})) on_delivery({.token = token});
    return reported;
  }
  absl::Status Reset() override { return absl::UnimplementedError("not used"); }

 private:
  absl::Notification& let_go_;
  std::vector<uint64_t> taken_;
};

class ReplaceableSinkTest : public ::testing::Test {
 protected:
  absl::Status Produce(uint64_t token) {
    return sink_.Use([&](EventSink& sink) { return sink.Produce(kRecord, token); });
  }
  std::vector<uint64_t> Reported() {
    std::vector<uint64_t> tokens;
    sink_.Poll(absl::ZeroDuration(), [&](const Delivery& delivery) { tokens.push_back(delivery.token); });
    return tokens;
  }

  absl::Notification let_go_;
  MakeSink make_ = [this] { return std::make_unique<SlowToEnd>(let_go_); };
  ReplaceableSink sink_{std::make_unique<SlowToEnd>(let_go_), [this] { return make_(); }};
};

TEST_F(ReplaceableSinkTest, TakesRecordsWhileTheOldOneEnds) {
  ASSERT_TRUE(Produce(1).ok());
  bool forgot = false;
  ASSERT_TRUE(sink_.Replace([&] { forgot = true; }).ok());
  EXPECT_TRUE(forgot);
  EXPECT_TRUE(Produce(2).ok());
  EXPECT_EQ(Reported(), std::vector<uint64_t>{2});
  let_go_.Notify();
}

TEST_F(ReplaceableSinkTest, TakesRecordsWhileTheNewOneIsMade) {
  make_ = [&] {
    // As another thread would, which must not have to wait for this one.
    EXPECT_TRUE(Produce(1).ok());
    return std::make_unique<SlowToEnd>(let_go_);
  };
  ASSERT_TRUE(sink_.Replace([] {}).ok());
  let_go_.Notify();
}

TEST_F(ReplaceableSinkTest, KeepsTheOldOneWhereNoneCanBeMade) {
  make_ = [] { return absl::UnavailableError("no memory"); };
  ASSERT_TRUE(Produce(1).ok());
  EXPECT_EQ(sink_.Replace([] { FAIL() << "forgot what is on its way"; }).code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(Reported(), std::vector<uint64_t>{1});
  let_go_.Notify();
}

}  // namespace
}  // namespace tradewind::bus
