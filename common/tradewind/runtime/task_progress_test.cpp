#include "tradewind/runtime/task_progress.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "gtest/gtest.h"
#include "rapidcheck.h"
#include "rapidcheck/gtest.h"

#include "tradewind/mesh/v1/state.pb.h"

namespace tradewind::runtime {
namespace {

bus::Envelope Event(std::string_view source, bus::Sequence sequence, bus::Sequence previous) {
  bus::Envelope envelope;
  envelope.source = source;
  envelope.sequence = sequence;
  envelope.previous = previous;
  return envelope;
}

TEST(TaskProgress, TakesASourceNeverSeenAsItComes) {
  InputProgress progress("topic");
  EXPECT_EQ(progress.Judge(Event("/a/0", {7, 5}, {7, 4})), Verdict::kTake);
}

TEST(TaskProgress, TellsRepeatFromGapFromNext) {
  InputProgress progress("topic");
  progress.Take(Event("/a/0", {7, 5}, {}), absl::Now());
  EXPECT_EQ(progress.Judge(Event("/a/0", {7, 5}, {7, 4})), Verdict::kRepeat);
  EXPECT_EQ(progress.Judge(Event("/a/0", {6, 9}, {6, 8})), Verdict::kRepeat);
  EXPECT_EQ(progress.Judge(Event("/a/0", {7, 8}, {7, 5})), Verdict::kTake);
  EXPECT_EQ(progress.Judge(Event("/a/0", {7, 8}, {7, 6})), Verdict::kGap);
  EXPECT_EQ(progress.Judge(Event("/b/0", {1, 1}, {})), Verdict::kTake);
}

TEST(TaskProgress, MissesTheFirstEventOfASourceWhereThePartitionWasReadFromItsStart) {
  InputProgress progress("topic");
  EXPECT_EQ(progress.Judge(Event("/a/0", {7, 6}, {7, 4})), Verdict::kTake);
  progress.MarkReadFromStart();
  EXPECT_EQ(progress.Judge(Event("/a/0", {7, 6}, {7, 4})), Verdict::kGap);
  EXPECT_EQ(progress.Judge(Event("/a/0", {7, 4}, {})), Verdict::kTake);
}

TEST(TaskProgress, TakesEventsFromOutsideAlways) {
  InputProgress progress("topic");
  bus::Envelope outside;
  outside.source = "/elsewhere";
  progress.Take(outside, absl::Now());
  EXPECT_EQ(progress.Judge(outside), Verdict::kTake);
}

// As many sources as are remembered, silent since `silent_since` but for "/spoke/0", which is not as old.
InputProgress FullOfSources(absl::Time silent_since) {
  InputProgress progress("topic");
  progress.MarkReadFromStart();
  for (size_t i = 1; i < kMaxSources; ++i) {
    progress.Take(Event("/silent/" + std::to_string(i), {7, 5}, {}), silent_since);
  }
  progress.Take(Event("/spoke/0", {7, 5}, {}), silent_since + absl::Hours(2));
  return progress;
}

TEST(TaskProgress, HasNoRoomWhileEverySourceIsYoung) {
  const absl::Time silent_since = absl::Now();
  InputProgress progress = FullOfSources(silent_since);
  EXPECT_FALSE(progress.MakeRoomFor(Event("/new/0", {1, 1}, {}), silent_since + kSourceAge));
  EXPECT_TRUE(progress.MakeRoomFor(Event("/silent/3", {7, 6}, {7, 5}), silent_since + kSourceAge));
  EXPECT_EQ(progress.sources(), kMaxSources);
}

TEST(TaskProgress, ForgetsSourcesOfAgeToMakeRoom) {
  const absl::Time silent_since = absl::Now();
  InputProgress progress = FullOfSources(silent_since);
  EXPECT_TRUE(progress.MakeRoomFor(Event("/new/0", {1, 1}, {}), silent_since + kSourceAge + absl::Hours(1)));
  EXPECT_EQ(progress.sources(), 1U);
  EXPECT_EQ(progress.Judge(Event("/spoke/0", {7, 5}, {})), Verdict::kRepeat);
  EXPECT_EQ(progress.Judge(Event("/spoke/0", {7, 8}, {7, 7})), Verdict::kGap);
}

TEST(TaskProgress, TakesAForgottenSourceAsItComes) {
  const absl::Time silent_since = absl::Now();
  InputProgress progress = FullOfSources(silent_since);
  progress.MakeRoomFor(Event("/new/0", {1, 1}, {}), silent_since + kSourceAge + absl::Hours(1));
  EXPECT_EQ(progress.Judge(Event("/silent/3", {7, 8}, {7, 7})), Verdict::kTake);
  progress.Take(Event("/silent/3", {7, 8}, {7, 7}), absl::Now());
  EXPECT_EQ(progress.Judge(Event("/silent/3", {7, 8}, {7, 7})), Verdict::kRepeat);
  EXPECT_EQ(progress.Judge(Event("/silent/3", {7, 10}, {7, 9})), Verdict::kGap);
}

TEST(TaskProgress, ChainsEachOutputPartitionByItself) {
  TaskProgress progress;
  EXPECT_EQ(progress.Extend("t", 0, {1, 1}), std::nullopt);
  EXPECT_EQ(progress.Extend("t", 1, {1, 2}), std::nullopt);
  EXPECT_EQ(progress.Extend("u", 0, {1, 3}), std::nullopt);
  EXPECT_EQ(progress.Extend("t", 0, {2, 4}), (bus::Sequence{1, 1}));
  EXPECT_EQ(progress.Extend("t", 0, {2, 5}), (bus::Sequence{2, 4}));
}

TEST(TaskProgress, SurvivesItsBlob) {
  TaskProgress progress;
  InputProgress& input = progress.AddInput("topic", 3);
  input.Take(Event("/b/0", {7, 5}, {}), absl::Now());
  input.Take(Event("/a/0", {7, 6}, {}), absl::Now());
  input.MoveTo(9, 42);
  for (const int64_t offset : {3, 5, 8}) input.AddPending(offset);
  input.RemovePending(5);
  input.RemovePending(6);
  input.MarkReadFromStart();
  progress.Extend("out", 2, {1, 8});
  auto copy = TaskProgress::Parse(progress.Serialize("cluster"));
  ASSERT_TRUE(copy.ok());
  EXPECT_EQ(copy->cluster_id(), "cluster");
  EXPECT_EQ(copy->FindInput("topic")->next_offset(), 9);
  EXPECT_EQ(copy->FindInput("topic")->fingerprint(), 42U);
  EXPECT_EQ(copy->FindInput("topic")->pending(), (std::vector<int64_t>{3, 8}));
  EXPECT_EQ(copy->FindInput("topic")->Judge(Event("/c/0", {7, 6}, {7, 4})), Verdict::kGap);
  EXPECT_EQ(copy->FindInput("topic")->Judge(Event("/a/0", {7, 6}, {})), Verdict::kRepeat);
  EXPECT_EQ(copy->Extend("out", 2, {1, 9}), (bus::Sequence{1, 8}));
  EXPECT_FALSE(TaskProgress::Parse("\xff\xff").ok());
}

// A service of a later version runs beside this one, and takes the task when this one has had it.
TEST(TaskProgress, KeepsTheFieldsOfALaterVersion) {
  mesh::v1::TaskProgress proto;
  const auto add_field = [](google::protobuf::Message& message, const std::string& text) {
    message.GetReflection()->MutableUnknownFields(&message)->AddLengthDelimited(1000)->assign(text);
  };
  add_field(proto, "task");
  auto& input = *proto.add_inputs();
  input.set_topic("topic");
  add_field(input, "input");
  for (const char* source : {"/a/0", "/b/0"}) {
    auto& watermark = *input.add_watermarks();
    watermark.set_source(source);
    watermark.mutable_sequence()->set_number(4);
  }
  add_field(*input.mutable_watermarks(1), "watermark");
  auto& output = *proto.add_outputs();
  output.set_topic("out");
  add_field(output, "output");
  add_field(*proto.mutable_suspect(), "suspect");

  auto progress = TaskProgress::Parse(proto.SerializeAsString());
  ASSERT_TRUE(progress.ok());
  progress->FindInput("topic")->Take(Event("/b/0", {0, 5}, {0, 4}), absl::UnixEpoch());
  progress->FindInput("topic")->MoveTo(9, 0);
  progress->Extend("out", 0, {0, 7});

  input.set_offset(9);
  input.mutable_watermarks(1)->mutable_sequence()->set_number(5);
  output.mutable_last()->set_number(7);
  mesh::v1::TaskProgress kept;
  ASSERT_TRUE(kept.ParseFromString(progress->Serialize("")));
  EXPECT_EQ(kept.DebugString(), proto.DebugString());
}

// A chain sent with any prefix repeated any number of times, as a publisher does that starts again from the first row
// not acknowledged, is taken once and in order; with an event lost for good, nothing behind it is.
RC_GTEST_PROP(TaskProgress, ResendsAreTakenOnceAndLossStopsTheChain, ()) {
  const auto length = *rc::gen::inRange(1, 30);
  const auto lost = *rc::gen::inRange(0, 60);
  std::vector<int> log;
  int acknowledged = 0;
  for (const auto& [more, fewer] : *rc::gen::arbitrary<std::vector<std::pair<uint8_t, uint8_t>>>()) {
    const int end = std::min(length, acknowledged + more % 8);
    for (int i = acknowledged; i < end; ++i) log.push_back(i);
    acknowledged = std::max(acknowledged, end - fewer % 8);
  }
  for (int i = acknowledged; i < length; ++i) log.push_back(i);
  InputProgress progress("topic");
  progress.MarkReadFromStart();
  std::vector<int> taken;
  for (const int i : log) {
    if (i == lost) continue;
    const bus::Envelope event = Event("/a/0", {1, static_cast<uint64_t>(i) + 1}, {1, static_cast<uint64_t>(i)});
    if (progress.Judge(event) != Verdict::kTake) continue;
    progress.Take(event, absl::Now());
    taken.push_back(i);
  }
  const int expected = std::min(length, lost);
  RC_ASSERT(static_cast<int>(taken.size()) == expected);
  for (int i = 0; i < expected; ++i) RC_ASSERT(taken[static_cast<size_t>(i)] == i);
}

}  // namespace
}  // namespace tradewind::runtime
