#include "tradewind/testing/in_memory_kafka.h"

#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "tradewind/bus/kafka_sink.h"

namespace tradewind::testing {
namespace {

using absl::StatusCode;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kLead[] = "lead";
constexpr char kOther[] = "other";

// Answers each assignment with the positions it was given.
class Listener final : public bus::AssignmentListener {
 public:
  std::vector<bus::Position> OnAssigned(absl::Span<const int32_t> /*partitions*/) override { return positions; }
  void OnRevoked(absl::Span<const int32_t> /*partitions*/) override {}
  void OnLost(absl::Span<const int32_t> /*partitions*/) override {}
  void OnUnreadable(int32_t partition, const absl::Status& why) override {
    EXPECT_EQ(partition, 0);
    EXPECT_EQ(why.code(), StatusCode::kOutOfRange);
    ++unreadable;
  }

  std::vector<bus::Position> positions;
  int unreadable = 0;
};

class InMemoryKafkaTest : public ::testing::Test {
 protected:
  InMemoryKafkaTest() {
    kafka_.CreateTopic(kLead, 2);
    kafka_.CreateTopic(kOther, 2);
    kafka_.CreateTopic("foreign", 2);
    source_ = kafka_.MakeSource({kLead, kOther}, listener_);
  }

  absl::StatusOr<std::optional<bus::Record>> Poll() { return source_->Poll(absl::ZeroDuration()); }
  // Has the source own partition 0 and read `kLead` from `offset`.
  absl::Status Own(int64_t offset = 0) {
    listener_.positions = {{kLead, 0, offset}};
    source_->Assign({0});
    return Poll().status();
  }
  void Append(const std::string& value, const std::string& topic = kLead) {
    kafka_.Append({.topic = topic, .partition = 0, .value = value});
  }
  // All that can be read now: "<offset> <value>".
  std::vector<std::string> ReadAll() {
    std::vector<std::string> read;
    for (auto record = Poll(); record.ok() && record->has_value(); record = Poll()) {
      read.push_back(std::to_string((*record)->offset()) + " " + std::string((*record)->value()));
    }
    return read;
  }

  InMemoryKafka kafka_;
  Listener listener_;
  std::unique_ptr<InMemorySource> source_;
};

TEST_F(InMemoryKafkaTest, GivesNoRecordInThePollThatAssigns) {
  Append("first");
  listener_.positions = {{kLead, 0, 0}};
  source_->Assign({0});
  const auto assigning = source_->Poll(absl::Hours(1));
  ASSERT_TRUE(assigning.ok()) << assigning.status();
  EXPECT_FALSE(assigning->has_value());
  EXPECT_TRUE(source_->owns(0));
  EXPECT_THAT(ReadAll(), ElementsAre("0 first"));
}

TEST_F(InMemoryKafkaTest, PassesOverOffsetsWithoutARecord) {
  kafka_.AppendGap(kLead, 0, 2);
  Append("first");
  kafka_.AppendGap(kLead, 0, 1);
  Append("second");
  kafka_.AppendGap(kLead, 0, 3);
  ASSERT_TRUE(Own().ok());
  EXPECT_THAT(ReadAll(), ElementsAre("2 first", "4 second"));
  EXPECT_EQ(source_->Range(kLead, 0)->high, 8);
}

TEST_F(InMemoryKafkaTest, RefusesToResumeWhatIsNotOwnedOrNoInput) {
  ASSERT_TRUE(Own().ok());
  EXPECT_TRUE(source_->Resume(std::vector<bus::Position>{{kLead, 0, 0}, {kOther, 0, 0}}).ok());
  for (const bus::Position& wrong : {bus::Position{kLead, 1, 0}, bus::Position{"foreign", 0, 0},
                                     bus::Position{"nowhere", 0, 0}, bus::Position{kLead, 0, -1}}) {
    const absl::Status resumed = source_->Resume({&wrong, 1});
    EXPECT_EQ(resumed.code(), StatusCode::kInvalidArgument) << wrong.topic << wrong.partition;
    EXPECT_THAT(std::string(resumed.message()), HasSubstr(wrong.topic));
  }
}

TEST_F(InMemoryKafkaTest, RefusesAnAnswerToAnAssignmentThatNamesAnotherTopic) {
  listener_.positions = {{"foreign", 0, 0}};
  source_->Assign({0});
  EXPECT_EQ(Poll().status().code(), StatusCode::kInvalidArgument);
}

TEST_F(InMemoryKafkaTest, GivesNothingFromAnInputThatWasDeleted) {
  ASSERT_TRUE(Own().ok());
  Append("lost", kOther);
  kafka_.DeleteTopic(kOther);
  const bus::Position deleted{kOther, 0, 0};
  EXPECT_TRUE(source_->Resume({&deleted, 1}).ok());
  Append("first");
  EXPECT_THAT(ReadAll(), ElementsAre("0 first"));
  EXPECT_EQ(source_->Range(kOther, 0).status().code(), StatusCode::kNotFound);
  EXPECT_EQ(source_->CommitOffsets(std::vector<bus::CommittedOffset>{{kOther, 0, 1, ""}}, /*wait=*/true).code(),
            StatusCode::kNotFound);
}

TEST_F(InMemoryKafkaTest, PausesOnlyWhatItReads) {
  Append("first");
  ASSERT_TRUE(Own().ok());
  const std::vector<int32_t> all = {0, 1, 77};
  EXPECT_TRUE(source_->Pause(all).ok());
  EXPECT_TRUE(source_->paused(0));
  EXPECT_FALSE(source_->paused(1));
  EXPECT_THAT(ReadAll(), ElementsAre());
}

TEST_F(InMemoryKafkaTest, RefusesOffsetsOutsideTheLog) {
  Append("first");
  Append("second");
  kafka_.DeleteBefore(kLead, 0, 1);
  ASSERT_TRUE(Own(0).ok());
  EXPECT_THAT(ReadAll(), ElementsAre());
  EXPECT_EQ(listener_.unreadable, 1);
  // Told once, until it is resumed.
  EXPECT_THAT(ReadAll(), ElementsAre());
  EXPECT_EQ(listener_.unreadable, 1);
  const bus::Position further{.topic = kLead, .partition = 0, .offset = 1};
  EXPECT_TRUE(source_->Resume({&further, 1}).ok());
  EXPECT_THAT(ReadAll(), ElementsAre("1 second"));

  source_ = kafka_.MakeSource({kLead, kOther}, listener_);
  ASSERT_TRUE(Own(3).ok());
  EXPECT_THAT(ReadAll(), ElementsAre());
  EXPECT_EQ(listener_.unreadable, 2);
}

TEST_F(InMemoryKafkaTest, DeletionWhileReadingIsNoticed) {
  Append("first");
  ASSERT_TRUE(Own().ok());
  Append("second");
  kafka_.DeleteBefore(kLead, 0, 2);
  EXPECT_THAT(ReadAll(), ElementsAre());
  EXPECT_EQ(listener_.unreadable, 1);
}

TEST_F(InMemoryKafkaTest, KnowsNoRangeOfAPartitionThatDoesNotExist) {
  EXPECT_EQ(source_->Range(kLead, 2).status().code(), StatusCode::kNotFound);
  EXPECT_EQ(source_->Range(kLead, -1).status().code(), StatusCode::kNotFound);
  EXPECT_EQ(source_->Range("nowhere", 0).status().code(), StatusCode::kNotFound);
  EXPECT_TRUE(source_->Range(kLead, 1).ok());
}

TEST_F(InMemoryKafkaTest, RefusesToCommitOffsetsOfWhatDoesNotExist) {
  const std::vector<bus::CommittedOffset> offsets = {{kLead, 0, 5, "ours"}, {"nowhere", 0, 5, "ours"}};
  EXPECT_EQ(source_->CommitOffsets(offsets, /*wait=*/true).code(), StatusCode::kNotFound);
  EXPECT_EQ(kafka_.Committed(kLead, 0).offset, -1);
}

TEST_F(InMemoryKafkaTest, FailsCommitsWhenToldTo) {
  const std::vector<bus::CommittedOffset> offsets = {{kLead, 0, 5, "ours"}};
  source_->FailCommits(2);
  EXPECT_EQ(source_->CommitOffsets(offsets, /*wait=*/true).code(), StatusCode::kUnavailable);
  // Who does not wait learns it later, and nothing is committed.
  EXPECT_TRUE(source_->CommitOffsets(offsets, /*wait=*/false).ok());
  EXPECT_TRUE(source_->TakeFailedCommits());
  EXPECT_FALSE(source_->TakeFailedCommits());
  EXPECT_EQ(kafka_.Committed(kLead, 0).offset, -1);
  EXPECT_TRUE(source_->CommitOffsets(offsets, /*wait=*/true).ok());
  EXPECT_EQ(kafka_.Committed(kLead, 0).offset, 5);
}

TEST_F(InMemoryKafkaTest, KeepsCommittedOffsetsOfEachGroup) {
  const auto other = kafka_.MakeSource({kLead}, listener_, "other");
  ASSERT_TRUE(other->CommitOffsets(std::vector<bus::CommittedOffset>{{kLead, 0, 5, "theirs"}}, /*wait=*/true).ok());
  EXPECT_EQ(kafka_.Committed(kLead, 0).offset, -1);
  EXPECT_EQ(kafka_.Committed(kLead, 0, "other").metadata, "theirs");
}

// ---- sinks
// -----------------------------------------------------------------------------------------------------------

std::vector<bus::Delivery> Deliveries(InMemorySink& sink) {
  std::vector<bus::Delivery> deliveries;
  sink.Poll(absl::ZeroDuration(), [&](const bus::Delivery& delivery) { deliveries.push_back(delivery); });
  return deliveries;
}

TEST_F(InMemoryKafkaTest, RefusesToProduceToWhatDoesNotExist) {
  const auto sink = kafka_.MakeSink();
  EXPECT_EQ(sink->Produce({.topic = "nowhere"}, 1).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(sink->Produce({.topic = kLead, .partition = 2}, 1).code(), StatusCode::kInvalidArgument);
  EXPECT_TRUE(Deliveries(*sink).empty());
}

TEST_F(InMemoryKafkaTest, FailsTheDeliveryOfWhatTheTopicDoesNotTake) {
  kafka_.LimitRecords(kLead, 1000);
  const auto sink = kafka_.MakeSink();
  const std::string value(1000, 'x');
  ASSERT_TRUE(sink->Produce({.topic = kLead, .value = value}, 1).ok());
  ASSERT_TRUE(sink->Produce({.topic = kLead, .value = "small"}, 2).ok());
  const auto deliveries = Deliveries(*sink);
  ASSERT_EQ(deliveries.size(), 2);
  EXPECT_EQ(deliveries[0].status.code(), StatusCode::kInvalidArgument);
  EXPECT_TRUE(deliveries[0].certainly_absent);
  // Nothing overtakes it.
  EXPECT_FALSE(deliveries[1].status.ok());
  EXPECT_THAT(kafka_.ReadAll(kLead), ElementsAre());
  ASSERT_TRUE(sink->Reset().ok());
  ASSERT_TRUE(sink->Produce({.topic = kLead, .value = "small"}, 3).ok());
  EXPECT_TRUE(Deliveries(*sink).at(0).status.ok());
}

// The real client needs no broker to say what is too big for it.
TEST_F(InMemoryKafkaTest, TakesTheSizesThatTheRealClientTakes) {
  const auto real = bus::KafkaSink::Create({.brokers = "127.0.0.1:1"}, {.client_id = "sizes"});
  ASSERT_TRUE(real.ok()) << real.status();
  const auto sink = kafka_.MakeSink();
  const std::string key(40'000, 'k');
  const std::string long_header(70'000, 'h');
  const std::vector<std::vector<bus::HeaderView>> header_lists = {
      {}, {{"a", ""}}, {{"name", "value"}, {"name", "value"}}, {{"long", long_header}, {long_header, "x"}}};
  for (const auto& headers : header_lists) {
    bus::RecordContent empty{.topic = kLead, .key = key};
    for (const bus::HeaderView& header : headers) empty.headers.emplace_back(header.name, header.value);
    const size_t room = kMaxMessageBytes - WireSize(empty);
    for (const size_t size : {room - 1, room, room + 1, room + 2}) {
      const std::string value(size, 'v');
      const bus::OutgoingRecord record{.topic = kLead, .key = key, .value = value, .headers = headers};
      const absl::Status taken = sink->Produce(record, 1);
      EXPECT_EQ(taken.code(), (*real)->Produce(record, 1).code()) << headers.size() << " headers, " << size;
      EXPECT_EQ(taken.ok(), size <= room);
    }
  }
}

}  // namespace
}  // namespace tradewind::testing
