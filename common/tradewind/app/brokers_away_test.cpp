#include "tradewind/app/brokers_away.h"

#include <gtest/gtest.h>

namespace tradewind {
namespace {

double Shown() { return telemetry::NewGauge("tradewind_kafka_brokers_away", "").value(); }

TEST(BrokersAway, AreThoseThatTheClusterMisses) {
  BrokersAway away;
  away.Note(bus::ClusterBrokers{{"a:1", "b:1"}, {3}});
  EXPECT_EQ(Shown(), 1);
  away.Note(bus::ClusterBrokers{{"a:1", "b:1", "c:1"}, {}});
  EXPECT_EQ(Shown(), 0);
}

TEST(BrokersAway, AreAllWhereNoneAnswers) {
  BrokersAway away;
  away.Note(absl::UnavailableError("away"));
  EXPECT_EQ(Shown(), 1);
  away.Note(bus::ClusterBrokers{{"a:1", "b:1"}, {3}});
  away.Note(absl::UnavailableError("away"));
  EXPECT_EQ(Shown(), 3);
}

}  // namespace
}  // namespace tradewind
