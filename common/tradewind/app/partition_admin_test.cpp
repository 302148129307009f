#include "tradewind/app/partition_admin.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "absl/time/clock.h"

#include "tradewind/order/v1/events.pb.h"
#include "tradewind/store/sqlite_store.h"
#include "tradewind/user/v1/events.pb.h"

namespace tradewind {
namespace {

using ::testing::HasSubstr;

constexpr char kTopic[] = "t.order.events.v1";

bus::Envelope Event(std::string_view source, bus::Sequence sequence, bus::Sequence previous) {
  bus::Envelope envelope;
  envelope.source = source;
  envelope.sequence = sequence;
  envelope.previous = previous;
  return envelope;
}

bus::Record RecordAt(int64_t offset, std::string value) {
  bus::RecordContent content{.topic = kTopic, .partition = 2, .offset = offset, .key = "k", .value = std::move(value)};
  return bus::Record::FromContent(std::move(content));
}

std::filesystem::path MakeFolder() {
  std::string pattern = (std::filesystem::temp_directory_path() / "tradewind-partition-XXXXXX").string();
  return mkdtemp(pattern.data());
}

// The group inventory stands at offset 120 of partition 2, has taken /order/2 up to 1-5, and has two effects under way.
// The log is what `range_` and `records_` say.
class PartitionAdminTest : public ::testing::Test {
 protected:
  PartitionAdminTest() {
    group_.Add({.run = [](const google::protobuf::Message&, runtime::Context&) { return runtime::Ack(); },
                .prototype = &order::v1::OrderCreated::default_instance()});
    runtime::TaskProgress progress;
    runtime::InputProgress& input = progress.AddInput(kTopic, 0);
    input.MarkReadFromStart();
    input.Take(Event("/order/2", {1, 5}, {}), absl::Now());
    input.MoveTo(120, bus::Fingerprint(RecordAt(119, "last")));
    input.AddPending(90);
    input.AddPending(110);
    Commit(progress);
  }
  ~PartitionAdminTest() override {
    store_.reset();
    std::filesystem::remove_all(folder_);
  }

  // As the owner of the task.
  void Commit(const runtime::TaskProgress& progress) {
    const auto session = *store_->OpenSession();
    const auto taken = *session->TakeTask(kTask, 0);
    const std::string blob = progress.Serialize("cluster-1");
    store::Batch batch;
    batch.now = absl::Now();
    batch.tasks.push_back({.task = kTask,
                           .expected_epoch = taken.epoch,
                           .expected_emit_sequence = taken.emit_sequence,
                           .new_emit_sequence = taken.emit_sequence + 1,
                           .progress = blob});
    ASSERT_EQ(session->Commit(batch)->kind, store::CommitResult::Kind::kCommitted);
  }

  mesh::v1::PartitionProgress Described(const std::string& source = "") {
    mesh::v1::DescribePartitionRequest request;
    request.set_topic("order.events.v1");
    request.set_partition(2);
    request.set_source(source);
    const auto described = admin_.Describe(request);
    EXPECT_TRUE(described.ok()) << described.status();
    return described.ok() && described->groups_size() == 1 ? described->groups(0) : mesh::v1::PartitionProgress();
  }
  absl::Status Accept(const mesh::v1::PartitionProgress& described) {
    mesh::v1::AcceptLossRequest request;
    request.set_topic("order.events.v1");
    request.set_partition(2);
    request.set_group("inventory");
    request.set_next_offset(described.next_offset());
    request.set_go_on_at(described.lost().go_on_at());
    return admin_.AcceptLoss(request);
  }
  absl::Status Forget(const std::string& source) {
    mesh::v1::ForgetSourceRequest request;
    request.set_topic("order.events.v1");
    request.set_partition(2);
    request.set_group("inventory");
    request.set_source(source);
    return admin_.ForgetSource(request);
  }
  runtime::InputProgress Input() {
    return *runtime::TaskProgress::Parse(*store_->reader().ProgressOf(kTask))->FindInput(kTopic);
  }

  const store::TaskId kTask{"inventory", 2};
  const std::filesystem::path folder_ = MakeFolder();
  std::unique_ptr<store::Store> store_ =
      *store::OpenSqliteStore({.directory = folder_.string(), .cache_bytes = 1 << 20}, "inventory");
  runtime::Group group_{"inventory"};
  absl::StatusOr<bus::OffsetRange> range_ = bus::OffsetRange{0, 130};
  std::map<int64_t, std::string> records_ = {{119, "last"}};
  PartitionAdmin admin_{
      *store_,
      {&group_},
      "t.",
      {.range = [this](const std::string&, int32_t) { return range_; },
       .read = [this](const std::string&, int32_t, int64_t offset) -> absl::StatusOr<std::optional<bus::Record>> {
         const auto found = records_.find(offset);
         if (found == records_.end()) return std::nullopt;
         return RecordAt(offset, found->second);
       }}};
};

TEST_F(PartitionAdminTest, FindsNothingLostOfAWholeLog) {
  const auto described = Described("/order/2");
  EXPECT_EQ(described.group(), "inventory");
  EXPECT_EQ(described.next_offset(), 120);
  EXPECT_EQ(described.log_end(), 130);
  EXPECT_FALSE(described.has_lost());
  EXPECT_EQ(described.taken().number(), 5U);
  EXPECT_FALSE(Described("/order/3").has_taken());
  EXPECT_TRUE(absl::IsFailedPrecondition(Accept(described)));
}

TEST_F(PartitionAdminTest, GoesOnBehindWhatHasExpired) {
  range_ = bus::OffsetRange{200, 250};
  const auto described = Described();
  EXPECT_EQ(described.lost().unread(), 80);
  EXPECT_EQ(described.lost().effects(), 2);
  EXPECT_EQ(described.lost().go_on_at(), 200);
  EXPECT_THAT(described.lost().reason(), HasSubstr("were deleted"));
  ASSERT_TRUE(Accept(described).ok());
  const runtime::InputProgress input = Input();
  EXPECT_EQ(input.next_offset(), 200);
  EXPECT_TRUE(input.pending().empty());
  // Each source is taken up where it next speaks, and what it says again is still a repeat.
  EXPECT_EQ(input.Judge(Event("/order/2", {1, 9}, {1, 8})), runtime::Verdict::kTake);
  EXPECT_EQ(input.Judge(Event("/order/2", {1, 5}, {1, 4})), runtime::Verdict::kRepeat);
  EXPECT_EQ(input.Judge(Event("/order/3", {1, 9}, {1, 8})), runtime::Verdict::kTake);
  EXPECT_FALSE(Described().has_lost());
}

TEST_F(PartitionAdminTest, DropsOnlyTheEffectsThatHaveExpired) {
  range_ = bus::OffsetRange{100, 130};
  const auto described = Described();
  EXPECT_EQ(described.lost().unread(), 0);
  EXPECT_EQ(described.lost().effects(), 1);
  ASSERT_TRUE(Accept(described).ok());
  EXPECT_EQ(Input().next_offset(), 120);
  EXPECT_THAT(Input().pending(), ::testing::ElementsAre(110));
  EXPECT_EQ(Input().Judge(Event("/order/2", {1, 9}, {1, 8})), runtime::Verdict::kGap);
}

TEST_F(PartitionAdminTest, GivesUpEffectsOfATopicThatIsReadNoMore) {
  runtime::Group reads_another{"inventory"};
  reads_another.Add({.run = [](const google::protobuf::Message&, runtime::Context&) { return runtime::Ack(); },
                     .prototype = &user::v1::UserRegistered::default_instance()});
  const auto gone = [](const std::string&, int32_t) { return absl::NotFoundError("no such topic"); };
  PartitionAdmin admin{*store_, {&reads_another}, "t.", {.range = gone, .read = {}}};
  mesh::v1::DescribePartitionRequest request;
  request.set_topic("order.events.v1");
  request.set_partition(2);
  const auto described = admin.Describe(request);
  ASSERT_TRUE(described.ok()) << described.status();
  ASSERT_EQ(described->groups_size(), 1);
  EXPECT_EQ(described->groups(0).lost().effects(), 2);
  EXPECT_THAT(described->groups(0).lost().reason(), HasSubstr("does not read it any more"));
  mesh::v1::AcceptLossRequest accept;
  accept.set_topic("order.events.v1");
  accept.set_partition(2);
  accept.set_group("inventory");
  accept.set_next_offset(120);
  accept.set_go_on_at(120);
  ASSERT_TRUE(admin.AcceptLoss(accept).ok());
  EXPECT_TRUE(Input().pending().empty());
  EXPECT_EQ(Input().next_offset(), 120);
  EXPECT_TRUE(absl::IsNotFound(admin.Describe(request).status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(admin.AcceptLoss(accept)));
}

TEST_F(PartitionAdminTest, BeginsATopicThatWasMadeAnewAtItsBeginning) {
  range_ = bus::OffsetRange{0, 7};
  auto described = Described();
  EXPECT_THAT(described.lost().reason(), HasSubstr("made anew or lost its end"));
  ASSERT_TRUE(Accept(described).ok());
  EXPECT_EQ(Input().next_offset(), 0);
  EXPECT_TRUE(Input().pending().empty());
  // What Kafka has as the group's offset may still be that of the former log.
  EXPECT_EQ(Input().outdated_mirror(), 120);
}

TEST_F(PartitionAdminTest, KnowsAnotherLogByItsRecords) {
  records_[119] = "another";
  const auto described = Described();
  EXPECT_EQ(described.lost().reason(), "the topic was made anew");
  EXPECT_EQ(described.lost().go_on_at(), 0);
  ASSERT_TRUE(Accept(described).ok());
  EXPECT_EQ(Input().next_offset(), 0);
}

TEST_F(PartitionAdminTest, AcceptsOnlyWhatWasDescribed) {
  range_ = bus::OffsetRange{200, 250};
  const auto described = Described();
  range_ = bus::OffsetRange{230, 250};
  EXPECT_THAT(std::string(Accept(described).message()), HasSubstr("has changed since it was described"));
  EXPECT_EQ(Input().next_offset(), 120);
}

TEST_F(PartitionAdminTest, ChangesNoAggregate) {
  store::Batch batch;
  for (const char* key : {"p-1", "p-2"}) {
    store::AggregateWrite& write = batch.aggregates.emplace_back();
    write.kind = "product";
    write.key = key;
    write.value = "what the records that are gone have left";
    write.index_added = {{"all", "", 7}};
  }
  ASSERT_EQ((*store_->OpenSession())->Commit(batch)->kind, store::CommitResult::Kind::kCommitted);
  const auto stored = [&] {
    std::vector<std::tuple<std::string, uint64_t, std::string, int64_t>> all;
    const auto list = *store_->reader().List({.kind = "product", .index = "all", .value = ""});
    for (const store::ListedAggregate& listed : list) {
      const auto found = *store_->reader().Get("product", listed.key);
      all.emplace_back(listed.key, found->version, found->value, listed.order);
    }
    return all;
  };
  const auto before = stored();
  EXPECT_EQ(before.size(), 2U);
  range_ = bus::OffsetRange{200, 250};
  ASSERT_TRUE(Accept(Described()).ok());
  ASSERT_TRUE(Forget("/order/2").ok());
  EXPECT_EQ(Input().next_offset(), 200);
  EXPECT_EQ(stored(), before);
}

TEST_F(PartitionAdminTest, ForgetsASource) {
  ASSERT_TRUE(Forget("/order/2").ok());
  EXPECT_EQ(Input().Judge(Event("/order/2", {1, 4}, {1, 3})), runtime::Verdict::kTake);
  EXPECT_EQ(Input().next_offset(), 120);
  EXPECT_TRUE(absl::IsNotFound(Forget("/order/9")));
}

TEST_F(PartitionAdminTest, RefusesTopicsThatNoGroupReads) {
  mesh::v1::DescribePartitionRequest request;
  request.set_topic("user.events.v1");
  EXPECT_TRUE(absl::IsNotFound(admin_.Describe(request).status()));
}

TEST_F(PartitionAdminTest, SaysWhyKafkaDoesNotAnswer) {
  range_ = absl::UnavailableError("no broker");
  mesh::v1::DescribePartitionRequest request;
  request.set_topic("order.events.v1");
  request.set_partition(2);
  EXPECT_EQ(admin_.Describe(request).status(), absl::UnavailableError("no broker"));
}

}  // namespace
}  // namespace tradewind
