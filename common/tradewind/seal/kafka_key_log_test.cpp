// Keys over a real broker: several processes' worth of them, on one topic.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"

#include "tradewind/bus/envelope.h"
#include "tradewind/bus/internal/kafka_fixture.h"
#include "tradewind/bus/kafka_admin.h"
#include "tradewind/seal/keys.h"
#include "tradewind/testing/eventually.h"

namespace tradewind::seal {
namespace {

using testing::Eventually;
using ::testing::HasSubstr;

constexpr absl::Duration kLong = absl::Seconds(30);

class KafkaKeysTest : public ::testing::Test {
 protected:
  void SetUp() override {
    kafka_ = bus::TestKafka();
    kafka_.topic_prefix = bus::UniqueName("seal") + ".";
    kafka_.partitions = 3;
    config_.key_file = WriteKeyFile(std::string(43, 'A'));
  }
  static std::string WriteKeyFile(const std::string& text) {
    const std::string path = std::filesystem::path(::testing::TempDir()) / bus::UniqueName("master");
    std::ofstream(path) << text;
    return path;
  }
  std::unique_ptr<Keys> Start() const {
    auto keys = std::make_unique<Keys>();
    const absl::Status started = keys->Start(config_, kafka_, "test");
    EXPECT_TRUE(started.ok()) << started;
    return keys;
  }
  static absl::Status Prepare(Keys& keys, const std::string& subject, absl::Duration wait = kLong) {
    absl::Status prepared;
    absl::Notification done;
    keys.Prepare(subject, absl::Now() + wait, [&](absl::Status status) {
      prepared = std::move(status);
      done.Notify();
    });
    done.WaitForNotification();
    return prepared;
  }

  bus::KafkaConfig kafka_;
  KeysConfig config_;
};

TEST_F(KafkaKeysTest, WhatOneProcessSealsAnotherOpens) {
  const auto gateway = Start();
  const auto service = Start();
  ASSERT_TRUE(Prepare(*gateway, "ann").ok());
  const std::string sealed = gateway->Seal("ann", "Ann").value();
  // Its key was made a moment ago.
  EXPECT_EQ(service->Open(sealed).value(), "Ann");
  // One that starts later has read everything once it has started.
  EXPECT_EQ(Start()->Open(sealed, absl::ZeroDuration()).value(), "Ann");
  EXPECT_EQ(service->Fingerprint("Ann").value(), gateway->Fingerprint("ANN ").value());
}

TEST_F(KafkaKeysTest, ProcessesThatMakeAKeyAtOnceAgreeOnOne) {
  const auto first = Start();
  const auto second = Start();
  constexpr int kSubjects = 200;
  std::atomic<int> prepared = 0;
  for (int i = 0; i < kSubjects; ++i) {
    for (Keys* keys : {first.get(), second.get()}) {
      keys->Prepare("subject-" + std::to_string(i), absl::Now() + kLong, [&](const absl::Status& status) {
        EXPECT_TRUE(status.ok()) << status;
        ++prepared;
      });
    }
  }
  ASSERT_TRUE(Eventually([&] { return prepared == 2 * kSubjects; }));
  for (int i = 0; i < kSubjects; ++i) {
    const std::string subject = "subject-" + std::to_string(i);
    ASSERT_EQ(first->Seal(subject, "x").value(), second->Seal(subject, "x").value());
  }
}

TEST_F(KafkaKeysTest, ErasureReachesEverybodyAndRemovesTheKeysRecord) {
  const auto gateway = Start();
  const auto service = Start();
  ASSERT_TRUE(Prepare(*gateway, "ann").ok());
  ASSERT_TRUE(Prepare(*gateway, "bob").ok());
  const std::string text = gateway->Seal("ann", "Ann").value() + gateway->Seal("bob", "Bob").value();
  const absl::Status erased = service->Erase("ann", absl::Now() + kLong);
  ASSERT_TRUE(erased.ok()) << erased;
  EXPECT_EQ(service->Open(text).value(), "[erased]Bob");
  EXPECT_TRUE(Eventually([&] { return gateway->Open(text).value() == "[erased]Bob"; }));
  EXPECT_EQ(Start()->Open(text).value(), "[erased]Bob");
  EXPECT_EQ(Prepare(*gateway, "ann").code(), absl::StatusCode::kFailedPrecondition);
  // Erasing again, as an effect does that was cut short, finds nothing left to do.
  EXPECT_TRUE(service->Erase("ann", absl::Now() + kLong).ok());

  const std::string topic = bus::FullTopic(kafka_, bus::kKeysTopic);
  const std::string tag = ToText(TagOf("ann"));
  int keys = 0;
  int removals = 0;
  int erasures = 0;
  for (const bus::Record& record : bus::ReadAll(kafka_, topic, bus::PartitionOf(tag, kafka_.partitions))) {
    if (!record.key().starts_with(tag)) continue;
    if (record.key() == tag) {
      ++erasures;
    } else if (record.value().data() == nullptr) {
      ++removals;
    } else {
      ++keys;
    }
  }
  EXPECT_EQ(keys, 1);
  EXPECT_EQ(removals, 1);
  EXPECT_EQ(erasures, 1);
}

// Whichever of the two gets to the log first.
TEST_F(KafkaKeysTest, LeavesNoKeyOfWhoIsErasedMeanwhile) {
  kafka_.partitions = 1;
  const auto gateway = Start();
  const auto service = Start();
  constexpr int kSubjects = 100;
  std::atomic<int> answered = 0;
  for (int i = 0; i < kSubjects; ++i) {
    const std::string subject = "subject-" + std::to_string(i);
    std::thread erasing([&] { EXPECT_TRUE(service->Erase(subject, absl::Now() + kLong).ok()); });
    gateway->Prepare(subject, absl::Now() + kLong, [&](const absl::Status&) { ++answered; });
    erasing.join();
  }
  ASSERT_TRUE(Eventually([&] { return answered == kSubjects; }));
  const auto left = [&] {
    std::set<std::string> keys;
    for (const bus::Record& record : bus::ReadAll(kafka_, bus::FullTopic(kafka_, bus::kKeysTopic), 0)) {
      keys.erase(std::string(record.key()));
      if (record.key().find('/') != std::string_view::npos && !record.value().empty()) keys.emplace(record.key());
    }
    return keys;
  };
  EXPECT_TRUE(Eventually([&] { return left().empty(); }));
}

TEST_F(KafkaKeysTest, IsRefusedByATopicOfAnotherMasterKey) {
  ASSERT_TRUE(Prepare(*Start(), "ann").ok());
  config_.key_file = WriteKeyFile(std::string(42, 'B') + "A");
  const absl::Status started = Keys().Start(config_, kafka_, "test");
  EXPECT_EQ(started.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(started.message()), HasSubstr("seal.key_file"));
}

TEST_F(KafkaKeysTest, RefusesATopicThatIsNotCompacted) {
  auto admin = bus::KafkaAdmin::Create(kafka_, "test");
  ASSERT_TRUE(admin.ok());
  ASSERT_TRUE((*admin)->EnsureTopics({bus::FullTopic(kafka_, bus::kKeysTopic)}).ok());
  const absl::Status started = Keys().Start(config_, kafka_, "test");
  EXPECT_EQ(started.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(started.message()), HasSubstr("cleanup.policy"));
}

TEST_F(KafkaKeysTest, GivesUpAtTheDeadlineWhereKafkaIsAway) {
  kafka_.brokers = "127.0.0.1:1";
  kafka_.request_timeout = absl::Seconds(1);
  EXPECT_EQ(Keys().Start(config_, kafka_, "test").code(), absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace tradewind::seal
