// Keys over a real broker: several processes' worth of them, on one topic.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"

#include "tradewind/bus/envelope.h"
#include "tradewind/bus/internal/kafka_fixture.h"
#include "tradewind/bus/internal/unreadable_producer.h"
#include "tradewind/bus/kafka_admin.h"
#include "tradewind/bus/kafka_sink.h"
#include "tradewind/bus/partition_reader.h"
#include "tradewind/bus/record_copy.h"
#include "tradewind/clock/steady_now.h"
#include "tradewind/seal/keys.h"
#include "tradewind/telemetry/metrics.h"
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
    std::string path = std::filesystem::path(::testing::TempDir()) / bus::UniqueName("master");
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
    keys.Prepare(subject, clock::SteadyNow() + wait, [&](absl::Status status) {
      prepared = std::move(status);
      done.Notify();
    });
    done.WaitForNotification();
    return prepared;
  }

  static absl::Status Require(Keys& keys, const std::string& subject) {
    absl::Status required;
    absl::Notification done;
    keys.Require(subject, clock::SteadyNow() + kLong, [&](absl::Status status) {
      required = std::move(status);
      done.Notify();
    });
    done.WaitForNotification();
    return required;
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
      keys->Prepare("subject-" + std::to_string(i), clock::SteadyNow() + kLong, [&](const absl::Status& status) {
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
  const absl::Status erased = service->Erase("ann", clock::SteadyNow() + kLong);
  ASSERT_TRUE(erased.ok()) << erased;
  EXPECT_EQ(service->Open(text).value(), "[erased]Bob");
  EXPECT_TRUE(Eventually([&] { return gateway->Open(text).value() == "[erased]Bob"; }));
  EXPECT_EQ(Start()->Open(text).value(), "[erased]Bob");
  EXPECT_EQ(Prepare(*gateway, "ann").code(), absl::StatusCode::kFailedPrecondition);
  // Erasing again, as an effect does that was cut short, finds nothing left to do.
  EXPECT_TRUE(service->Erase("ann", clock::SteadyNow() + kLong).ok());

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
    std::thread erasing([&] { EXPECT_TRUE(service->Erase(subject, clock::SteadyNow() + kLong).ok()); });
    gateway->Prepare(subject, clock::SteadyNow() + kLong, [&](const absl::Status&) { ++answered; });
    erasing.join();
  }
  ASSERT_TRUE(Eventually([&] { return answered == kSubjects; }));
  const auto left = [&] {
    std::set<std::string> keys;
    for (const bus::Record& record : bus::ReadAll(kafka_, bus::FullTopic(kafka_, bus::kKeysTopic), 0)) {
      if (record.key().starts_with(ToText(kCheckSubject))) continue;
      keys.erase(std::string(record.key()));
      if (record.key().find('/') != std::string_view::npos && !record.value().empty()) keys.emplace(record.key());
    }
    return keys;
  };
  EXPECT_TRUE(Eventually([&] { return left().empty(); }));
}

TEST_F(KafkaKeysTest, LeavesPartitionsEmptyThatAreAddedLater) {
  const auto before = Start();
  ASSERT_TRUE(Prepare(*before, "ann").ok());
  const std::string topic = bus::FullTopic(kafka_, bus::kKeysTopic);
  bus::AddPartitions(kafka_, topic, 12);
  const auto after = Start();
  for (int i = 0; i < 20; ++i) {
    const std::string subject = "subject-" + std::to_string(i);
    ASSERT_TRUE(Prepare(*after, subject).ok());
    EXPECT_TRUE(Require(*before, subject).ok()) << subject;
  }
  ASSERT_TRUE(after->Erase("ann", clock::SteadyNow() + kLong).ok());
  std::string left;
  for (const bus::Record& record : bus::ReadAll(kafka_, topic, bus::PartitionOf(ToText(TagOf("ann")), 3))) {
    if (record.key().starts_with(ToText(TagOf("ann")) + "/")) left = record.value();
  }
  EXPECT_EQ(left, "");
}

TEST_F(KafkaKeysTest, IsRefusedByATopicOfAnotherMasterKey) {
  ASSERT_TRUE(Prepare(*Start(), "ann").ok());
  config_.key_file = WriteKeyFile(std::string(42, 'B') + "A");
  const absl::Status started = Keys().Start(config_, kafka_, "test");
  EXPECT_EQ(started.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(started.message()), HasSubstr("seal.key_file"));
}

TEST_F(KafkaKeysTest, ShowForHowLongTheLogCannotBeRead) {
  const telemetry::Age unread = telemetry::NewAge("tradewind_keys_unread_seconds", "");
  const auto keys = Start();
  EXPECT_EQ(unread.value(), 0);
  bus::DeleteTopic(kafka_, bus::FullTopic(kafka_, bus::kKeysTopic));
  EXPECT_TRUE(Eventually([&] { return unread.value() > 0; }));
}

// ---- foreign records ------------------------------------------------------------------------------------------------

class ForeignRecords : public KafkaKeysTest {
 protected:
  void SetUp() override {
    KafkaKeysTest::SetUp();
    kafka_.partitions = 1;
    topic_ = bus::FullTopic(kafka_, bus::kKeysTopic);
  }
  using Records = std::vector<std::pair<std::string, std::optional<std::string>>>;
  // Returns once they are on the log.
  void Write(const Records& records) const {
    auto sink = bus::KafkaSink::Create(kafka_, {.client_id = "foreign"}).value();
    size_t delivered = 0;
    for (const auto& [key, value] : records) {
      // No pointer, no value.
      const std::string_view bytes = value.has_value() ? std::string_view(*value) : std::string_view();
      ASSERT_TRUE(sink->Produce({.topic = topic_, .partition = 0, .key = key, .value = bytes}, 0).ok());
    }
    ASSERT_TRUE(Eventually([&] {
      sink->Poll(absl::Milliseconds(10), [&](const bus::Delivery& delivery) { delivered += delivery.status.ok(); });
      return delivered == records.size();
    }));
  }
  // All records up to one that is written now. Where the topic has been compacted there are fewer than offsets.
  std::vector<bus::Record> ReadToEnd() const {
    const std::string end = bus::UniqueName("end");
    Write({{end, "x"}});
    const bus::Position position{.topic = topic_, .partition = 0, .offset = bus::kFromBeginning};
    auto reader = bus::PartitionReader::Create(kafka_, "test", {&position, 1}).value();
    std::vector<bus::Record> records;
    while (records.empty() || records.back().key() != end) {
      auto record = reader->Poll(kLong);
      if (!record.ok() || !record->has_value()) throw std::runtime_error(topic_ + " was not read to its end");
      records.push_back(bus::CopyOf(**record));
    }
    return records;
  }
  size_t CountOnLog(const std::string& name) const {
    const std::vector<bus::Record> records = ReadToEnd();
    return static_cast<size_t>(
        std::count_if(records.begin(), records.end(), [&](const bus::Record& record) { return record.key() == name; }));
  }
  // Whether the newest record of that name is a key.
  bool Restored(const std::string& name) const {
    std::string value;
    for (const bus::Record& record : bus::ReadAll(kafka_, topic_, 0)) {
      if (record.key() == name) value = record.value();
    }
    return value.size() > 1;
  }
  std::string NameOfKey(const std::string& subject) const {
    std::string name;
    for (const bus::Record& record : bus::ReadAll(kafka_, topic_, 0)) {
      if (record.key().starts_with(ToText(TagOf(subject)))) name = record.key();
    }
    return name;
  }
  static Records OfEveryForm() {
    const std::string tag = ToText(TagOf("somebody"));
    return {{"junk", "x"},
            {"junk", std::nullopt},
            {"junk", ""},
            {std::string("\xff\0\x01", 3), "x"},
            {std::string(300'000, 'k'), "x"},
            {"k", std::string(900'000, 'v')},
            {tag + "/0123456789abcdef", std::string(40, '\x17')},
            {tag + "/0123456789abcdef", std::string(72, '\x17')},
            {tag + "/0123456789ABCDEF", "x"},
            {tag + "/fedcba9876543210", MasterKey::Random().Wrap(DataKey{1}, TagOf("somebody"))},
            {tag, "x"},
            {tag, ""},
            {tag, std::nullopt},
            {ToText(kCheckSubject), "2026-01-01T00:00:00Z"},
            {ToText(kCheckSubject) + "/0123456789abcdef", std::string(72, '\x17')}};
  }

  std::string topic_;
};

TEST_F(ForeignRecords, StopNoStartAndNoOther) {
  const auto running = Start();
  ASSERT_TRUE(Prepare(*running, "ann").ok());
  const std::string sealed = running->Seal("ann", "Ann").value();
  Write(OfEveryForm());
  ASSERT_TRUE(Prepare(*running, "bob").ok());
  const auto started = Start();
  EXPECT_EQ(started->Open(sealed, absl::ZeroDuration()).value(), "Ann");
  EXPECT_EQ(started->Open(running->Seal("bob", "Bob").value(), absl::ZeroDuration()).value(), "Bob");
  EXPECT_TRUE(Prepare(*started, "somebody").ok());
}

// A batch that no client decompresses, on every partition.
TEST_F(ForeignRecords, ThatCannotBeReadStopNoStartAndNoOther) {
  const auto first = Start();
  ASSERT_TRUE(Prepare(*first, "before").ok());
  const auto skipped = telemetry::NewCounter("tradewind_keys_records_skipped_total", "");
  const double was_skipped = skipped.value();
  for (int32_t partition = 0; partition < kafka_.partitions; ++partition) {
    bus::AppendUnreadableBatch(kafka_, bus::FullTopic(kafka_, bus::kKeysTopic), partition, 1);
  }
  EXPECT_TRUE(Eventually([&] { return skipped.value() == was_skipped + kafka_.partitions; }, kLong));
  ASSERT_TRUE(Prepare(*first, "behind").ok());
  const auto second = Start();
  EXPECT_TRUE(Require(*second, "before").ok());
  EXPECT_TRUE(Require(*second, "behind").ok());
}

TEST_F(ForeignRecords, AreToldOfOnceAMinuteAtMost) {
  const auto keys = Start();
  ::testing::internal::CaptureStderr();
  Write(OfEveryForm());
  EXPECT_TRUE(Prepare(*keys, "ann").ok());
  const std::string lines = ::testing::internal::GetCapturedStderr();
  const std::string line = "passed over a record of the log of keys  topic=" + topic_ + " partition=0 offset=";
  const size_t first = lines.find(line);
  ASSERT_NE(first, std::string::npos) << lines;
  EXPECT_EQ(lines.find("passed over", first + line.size()), std::string::npos) << lines;
}

// On a log of the version before, which has no record to check the master key by.
TEST_F(ForeignRecords, StopNoStartOnALogWithoutACheck) {
  ASSERT_TRUE(bus::KafkaAdmin::Create(kafka_, "test").value()->EnsureTopics({topic_}, bus::TopicKind::kCompacted).ok());
  const MasterKey master = MasterKey::Read(config_.key_file).value();
  Write(OfEveryForm());
  Write({{KeyRecordName(TagOf("ann"), 1), master.Wrap(DataKey{1}, TagOf("ann"))},
         {ErasureRecordName(TagOf("bob")), "2026-11-29T23:43:00+00:00"}});
  const auto started = Start();
  EXPECT_EQ(started->Open(SealText(DataKey{1}, TagOf("ann"), "Ann")).value(), "Ann");
  EXPECT_EQ(Prepare(*started, "bob").code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(ForeignRecords, CannotTakeAKeyAwayFromWhoHasIt) {
  const auto keys = Start();
  ASSERT_TRUE(Prepare(*keys, "ann").ok());
  const std::string sealed = keys->Seal("ann", "Ann").value();
  const std::string name = NameOfKey("ann");
  Write({{name, std::nullopt}});
  EXPECT_TRUE(Eventually([&] { return Restored(name); }));
  EXPECT_EQ(Start()->Open(sealed, absl::ZeroDuration()).value(), "Ann");
}

// Of records of one name compaction keeps the newest alone.
TEST_F(ForeignRecords, CannotTakeAKeyAwayByCompaction) {
  auto keys = Start();
  ASSERT_TRUE(Prepare(*keys, "ann").ok());
  const std::string sealed = keys->Seal("ann", "Ann").value();
  const std::string name = NameOfKey("ann");
  Write({{name, std::nullopt}, {name, "x"}});
  ASSERT_TRUE(Eventually([&] { return Restored(name); }));
  // Nobody is there to help while it is compacted.
  keys.reset();
  bus::SetTopicConfigs(kafka_, topic_,
                       {{"cleanup.policy", "compact"},
                        {"segment.ms", "100"},
                        {"min.cleanable.dirty.ratio", "0.01"},
                        {"delete.retention.ms", "0"}});
  // A segment is closed by the next record, and the one that is written to is never compacted.
  ASSERT_TRUE(Eventually(
      [&] {
        Write({{"junk", "x"}});
        return CountOnLog(name) == 1;
      },
      absl::Minutes(2)));
  EXPECT_EQ(Start()->Open(sealed, absl::ZeroDuration()).value(), "Ann");
}

TEST_F(ForeignRecords, ErasureWithoutProofIsTakenUntilProofsAreRequired) {
  const auto keys = Start();
  ASSERT_TRUE(Prepare(*keys, "ann").ok());
  const std::string sealed = keys->Seal("ann", "Ann").value();
  Write({{ErasureRecordName(TagOf("ann")), "2026-11-29T23:43:00+00:00"}});
  EXPECT_TRUE(Eventually([&] { return keys->Open(sealed).value() == "[erased]"; }));
  config_.require_signed_erasures = true;
  EXPECT_EQ(Start()->Open(sealed, absl::ZeroDuration()).value(), "Ann");
}

// A transaction that nobody ends holds back whoever reads what was committed.
TEST_F(ForeignRecords, TransactionHoldsBackNothing) {
  const auto keys = Start();
  const auto handle = [&](const char* id) {
    char value[] = "x";
    rd_kafka_conf_t* conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", kafka_.brokers.c_str(), nullptr, 0);
    rd_kafka_conf_set(conf, "transactional.id", (topic_ + id).c_str(), nullptr, 0);
    rd_kafka_t* producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, nullptr, 0);
    EXPECT_EQ(rd_kafka_init_transactions(producer, 30'000), nullptr);
    EXPECT_EQ(rd_kafka_begin_transaction(producer), nullptr);
    EXPECT_EQ(rd_kafka_producev(producer, RD_KAFKA_V_TOPIC(topic_.c_str()), RD_KAFKA_V_PARTITION(0),
                                RD_KAFKA_V_KEY("junk", 4), RD_KAFKA_V_VALUE(value, 1), RD_KAFKA_V_END),
              RD_KAFKA_RESP_ERR_NO_ERROR);
    EXPECT_EQ(rd_kafka_flush(producer, 30'000), RD_KAFKA_RESP_ERR_NO_ERROR);
    return producer;
  };
  rd_kafka_t* aborted = handle("-aborted");
  EXPECT_EQ(rd_kafka_abort_transaction(aborted, 30'000), nullptr);
  rd_kafka_destroy(aborted);
  // The last thing on the partition is no record now.
  EXPECT_EQ(Require(*keys, "nobody").code(), absl::StatusCode::kNotFound);
  rd_kafka_t* open = handle("-open");
  EXPECT_EQ(Require(*keys, "nobody").code(), absl::StatusCode::kNotFound);
  EXPECT_TRUE(Prepare(*keys, "ann").ok());
  EXPECT_TRUE(Require(*Start(), "ann").ok());
  EXPECT_EQ(rd_kafka_abort_transaction(open, 30'000), nullptr);
  rd_kafka_destroy(open);
}

TEST_F(ForeignRecords, WhoHasAKeyElsewhereIsFoundAtOnce) {
  const auto first = Start();
  const auto second = Start();
  for (int i = 0; i < 50; ++i) {
    const std::string subject = "subject-" + std::to_string(i);
    ASSERT_TRUE(Prepare(*first, subject).ok());
    ASSERT_TRUE(Require(*second, subject).ok()) << i;
  }
  EXPECT_EQ(Require(*second, "nobody").code(), absl::StatusCode::kNotFound);
  const size_t before = bus::ReadAll(kafka_, topic_, 0).size();
  for (int i = 0; i < 50; ++i) EXPECT_EQ(Require(*second, "nobody").code(), absl::StatusCode::kNotFound);
  // To ask leaves nothing on the log.
  EXPECT_EQ(bus::ReadAll(kafka_, topic_, 0).size(), before);
}

TEST_F(ForeignRecords, KeyThatWasWithdrawnLeavesNothing) {
  const auto keys = Start();
  ASSERT_TRUE(Prepare(*keys, "ann").ok());
  keys->Withdraw("ann");
  EXPECT_TRUE(Eventually([&] { return Require(*keys, "ann").code() == absl::StatusCode::kNotFound; }));
  EXPECT_EQ(Require(*Start(), "ann").code(), absl::StatusCode::kNotFound);
  std::set<std::string> left;
  for (const bus::Record& record : bus::ReadAll(kafka_, topic_, 0)) {
    left.erase(std::string(record.key()));
    if (record.value().data() != nullptr) left.emplace(record.key());
  }
  EXPECT_EQ(left.size(), 2) << "the records by which the master key is checked and partitions are counted";
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
