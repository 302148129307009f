// Records that nobody in the mesh wrote: whatever lies on an input topic costs itself and nothing else. After each, a
// good record of another key is handled, and the task can be taken again.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "tradewind/mesh/v1/envelope.pb.h"
#include "tradewind/mesh/v1/state.pb.h"
#include "tradewind/order/v1/events.pb.h"
#include "tradewind/runtime/notice_limit.h"
#include "tradewind/runtime/task_progress.h"
#include "tradewind/runtime/worker_harness.h"
#include "tradewind/runtime/worker_test_group.h"
#include "tradewind/telemetry/metrics.h"
#include "tradewind/testing/eventually.h"
#include "tradewind/user/v1/events.pb.h"

namespace tradewind::runtime {
namespace {

using ::testing::ElementsAre;
using testing::Eventually;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using user::v1::UserRegistered;
using Headers = std::vector<std::pair<std::string, std::string>>;

constexpr char kRekeyed[] = "loyalty.rekeyed.v1";

// A subscriber that writes down whom it was told of.
class Subscriber {
 public:
  explicit Subscriber(bool keyed_by_name = false) : group_("loyalty") {
    group_.Add({.run =
                    [this](const google::protobuf::Message& message, Context&) {
                      const std::lock_guard lock(mutex_);
                      seen_.push_back(static_cast<const UserRegistered&>(message).display_name());
                      return Ack();
                    },
                .prototype = &UserRegistered::default_instance()});
    if (keyed_by_name) {
      group_.Rekey(UserRegistered::descriptor()->full_name(), [](const google::protobuf::Message& message) {
        return static_cast<const UserRegistered&>(message).display_name();
      });
    }
    worker_ = mesh_.Start(group_);
  }

  // Puts a record on the topic of the events, in the partition of `key`.
  void Put(std::string key, std::string value, Headers headers, bool has_value = true) {
    PutOn(kUserEvents, std::move(key), std::move(value), std::move(headers), has_value);
  }
  void PutOn(const std::string& topic, std::string key, std::string value, Headers headers, bool has_value = true) {
    const int32_t partition = bus::PartitionOf(key, kPartitions);
    mesh_.kafka().Append({.topic = topic,
                          .partition = partition,
                          .key = std::move(key),
                          .value = std::move(value),
                          .headers = std::move(headers),
                          .has_value = has_value});
  }
  // A record as it should be, in the same partition as one under `key`, is handled; and again after a restart.
  void ExpectAllIsWellBeside(const std::string& key) {
    for (const char* round : {"running", "started again"}) {
      const std::string other = OtherKeyBeside(key);
      const std::string name = std::string("good ") + round;
      mesh_.Send(Registered(other, name), other);
      EXPECT_TRUE(Eventually([&] { return Saw(name); })) << round;
      EXPECT_TRUE(worker_->Stop().ok());
      worker_ = mesh_.Start(group_, {0, 1, 2, 3}, config_);
    }
  }
  void Restart(WorkerConfig config) {
    config_ = std::move(config);
    EXPECT_TRUE(worker_->Stop().ok());
    worker_ = mesh_.Start(group_, {0, 1, 2, 3}, config_);
  }

  bool Saw(const std::string& name) const {
    const std::lock_guard lock(mutex_);
    return std::find(seen_.begin(), seen_.end(), name) != seen_.end();
  }
  int TimesSeen(const std::string& name) const {
    const std::lock_guard lock(mutex_);
    return static_cast<int>(std::count(seen_.begin(), seen_.end(), name));
  }
  std::vector<store::KeptRecord> Kept() { return *mesh_.store().reader().ListKept({}, 0, 1000); }
  // The one record that is kept, once there is one.
  store::KeptRecord OnlyKept() {
    EXPECT_TRUE(Eventually([&] { return !Kept().empty(); }));
    const auto kept = Kept();
    EXPECT_THAT(kept, SizeIs(1));
    return kept.empty() ? store::KeptRecord() : kept.front();
  }
  void Retry(int64_t id) { EXPECT_EQ(*mesh_.store().Request({.id = id}, store::KeptAction::kRetry), 1); }
  Mesh& mesh() { return mesh_; }

 private:
  static std::string OtherKeyBeside(const std::string& key) {
    for (int i = 0;; ++i) {
      std::string other = "beside-" + std::to_string(i);
      if (bus::PartitionOf(other, kPartitions) == bus::PartitionOf(key, kPartitions) && other != key) return other;
    }
  }

  Mesh mesh_;
  Group group_;
  WorkerConfig config_;
  mutable std::mutex mutex_;
  std::vector<std::string> seen_;
  std::unique_ptr<RunningWorker> worker_;
};

std::string Value(const std::string& user_id, const std::string& name) {
  return Registered(user_id, name).SerializeAsString();
}

// A million records of garbage cost their place in the store, and not as many notices.
TEST(WorkerRecord, AnnouncesSoManyDeathsInAMinute) {
  constexpr int64_t kGarbage = NoticeLimits::kMaxDeaths + 50;
  Subscriber subscriber;
  for (int64_t i = 0; i < kGarbage; ++i) subscriber.Put("k", "garbage", {});
  const auto kept = [&] { return *subscriber.mesh().store().reader().CountKept("loyalty", store::KeptState::kDead); };
  ASSERT_TRUE(Eventually([&] { return kept() == kGarbage; }));
  subscriber.ExpectAllIsWellBeside("k");
  EXPECT_THAT(subscriber.mesh().kafka().ReadAll(std::string(bus::kDeadTopic)), SizeIs(NoticeLimits::kMaxDeaths));
}

// Headers of an event from outside the mesh.
Headers Outside(Headers more = {}) {
  Headers headers = {{"ce_specversion", "1.0"},
                     {"ce_id", "x-1"},
                     {"ce_type", UserRegistered::descriptor()->full_name()},
                     {"ce_source", "/outside"}};
  headers.insert(headers.end(), more.begin(), more.end());
  return headers;
}

// Headers of an event of a task of `mesh`; of none where that is empty.
Headers OfTask(const std::string& source, bus::Sequence sequence, bus::Sequence previous, const std::string& mesh) {
  Headers headers = Outside({{"ce_sequence", sequence.ToString()}});
  headers[3].second = source;
  if (previous != bus::Sequence{}) headers.emplace_back("ce_previous", previous.ToString());
  if (!mesh.empty()) headers.emplace_back("tradewind-mesh", mesh);
  return headers;
}

const std::string kOwnMesh = bus::MeshName(kClusterId, "");

TEST(WorkerRecord, KeepsAsDeadWhatHasNoHeadersUnderAKeyOfAnySize) {
  for (const std::string& key :
       {std::string(), std::string("\0\xff", 2), std::string(230'000, '\xff'), std::string(910'000, 'k')}) {
    Subscriber subscriber;
    subscriber.Put(key, "junk", {});
    const store::KeptRecord kept = subscriber.OnlyKept();
    EXPECT_EQ(kept.state, store::KeptState::kDead);
    EXPECT_FALSE(kept.queued);
    EXPECT_THAT(kept.reason, HasSubstr("ce_specversion is missing"));
    subscriber.ExpectAllIsWellBeside(key);
    // What is said of it fits on its topic, whatever its size.
    const auto notices = subscriber.mesh().kafka().ReadAll(kDead);
    ASSERT_THAT(notices, SizeIs(1));
    EXPECT_LT(notices[0].value.size(), 10'000U);
  }
}

TEST(WorkerRecord, CountsHeadersAmongTheBytesOfABatch) {
  constexpr int kRecords = 40;
  Mesh mesh;
  std::atomic<int> seen = 0;
  Group group("loyalty");
  group.Add({.run =
                 [&](const google::protobuf::Message&, Context&) {
                   ++seen;
                   return Ack();
                 },
             .prototype = &UserRegistered::default_instance()});
  Headers headers = Outside({{"padding", std::string(50'000, 'x')}});
  for (int i = 0; i < kRecords; ++i) {
    headers[1].second = "x-" + std::to_string(i);
    mesh.kafka().Append({.topic = kUserEvents,
                         .partition = bus::PartitionOf("u-1", kPartitions),
                         .key = "u-1",
                         .value = Value("u-1", "Ann"),
                         .headers = headers});
  }
  const auto batches = telemetry::NewCounter("tradewind_batches_total", "", {{"group", "loyalty"}});
  const double before = batches.value();
  WorkerConfig config;
  config.batch_bytes = 100'000;
  const auto worker = mesh.Start(group, {0, 1, 2, 3}, config);
  EXPECT_TRUE(Eventually([&] { return seen == kRecords; }));
  ASSERT_TRUE(worker->Stop().ok());
  EXPECT_GE(batches.value() - before, kRecords / 2);
}

// A batch of which the client can read nothing: one record comes in the place of all of its.
TEST(WorkerRecord, KeepsAsDeadWhatCannotBeRead) {
  Subscriber subscriber;
  const int32_t partition = bus::PartitionOf("k", kPartitions);
  subscriber.mesh().kafka().Append({.topic = kUserEvents,
                                    .partition = partition,
                                    .has_value = false,
                                    .damage = "of the batch at offset 0 nothing can be read"});
  const store::KeptRecord kept = subscriber.OnlyKept();
  EXPECT_EQ(kept.state, store::KeptState::kDead);
  EXPECT_FALSE(kept.queued);
  EXPECT_EQ(kept.key, std::string(kUserEvents) + "/" + std::to_string(partition) + "/0");
  EXPECT_EQ(kept.reason, "of the batch at offset 0 nothing can be read");
  subscriber.ExpectAllIsWellBeside("k");
  EXPECT_THAT(subscriber.Kept(), SizeIs(1));
}

TEST(WorkerRecord, KeepsAsDeadWhatFailsUnderALargeKey) {
  for (const std::string& key : {std::string(300'000, 'k'), std::string(63'000, '\x01')}) {
    Subscriber subscriber;
    subscriber.Put(key, "not a message", Outside());
    EXPECT_THAT(subscriber.OnlyKept().reason, HasSubstr("is not a tradewind.user.v1.UserRegistered"));
    subscriber.ExpectAllIsWellBeside(key);
  }
}

TEST(WorkerRecord, KeepsAsDeadWhatCannotBeAnnounced) {
  Mesh mesh;
  // Nobody knows over how many partitions notices are spread.
  mesh.kafka().DeleteTopic(kDead);
  std::vector<std::string> seen;
  const Group group = RecordingGroup(seen);
  const auto worker = mesh.Start(group);
  mesh.kafka().Append({.topic = kUserEvents, .partition = bus::PartitionOf("u-1", kPartitions), .key = "u-1"});
  EXPECT_TRUE(Eventually([&] { return *mesh.store().reader().CountKept("loyalty", store::KeptState::kDead) == 1; }));
  mesh.Send(Registered("u-1", "good"), "u-1");
  EXPECT_TRUE(mesh.kafka().WaitForRecords(kEvents, 1));
  EXPECT_TRUE(worker->Stop().ok());
  EXPECT_THAT(seen, ElementsAre("good"));
}

TEST(WorkerRecord, KeepsAsDeadTextThatIsNotUtf8) {
  for (const char* name : {"ce_source", "ce_id", "ce_type", "tradewind-request-id"}) {
    Subscriber subscriber;
    Headers headers = Outside({{"ce_sequence", bus::Sequence{5, 1}.ToString()}});
    std::erase_if(headers, [&](const auto& header) { return header.first == name; });
    headers.emplace_back(name, "/ext\xff");
    subscriber.Put("u-1", Value("u-1", "bad"), headers);
    EXPECT_THAT(subscriber.OnlyKept().reason, HasSubstr("not UTF-8"));
    subscriber.ExpectAllIsWellBeside("u-1");
  }
}

TEST(WorkerRecord, KeepsHeadersOfAnyNameAndValue) {
  Subscriber subscriber;
  subscriber.Put("u-1", "not a message",
                 Outside({{"\xff\xfe", "\xff"}, {"", ""}, {"traceparent", "\xff"}, {std::string(50'000, 'n'), "v"}}));
  const store::KeptRecord kept = subscriber.OnlyKept();
  mesh::v1::KeptRecord record;
  ASSERT_TRUE(record.ParseFromString(kept.record));
  EXPECT_EQ(record.headers(4).name(), "\xff\xfe");
  subscriber.Retry(kept.id);
  EXPECT_TRUE(Eventually([&] {
    const auto now = subscriber.Kept();
    return now.size() == 1 && now[0].id != kept.id && now[0].state == store::KeptState::kDead;
  }));
  subscriber.ExpectAllIsWellBeside("u-1");
}

TEST(WorkerRecord, TakesAnEventWithoutAValueForDead) {
  Subscriber subscriber;
  subscriber.Put("u-1", "", Outside(), /*has_value=*/false);
  const store::KeptRecord kept = subscriber.OnlyKept();
  EXPECT_THAT(kept.reason, HasSubstr("it has no value"));
  EXPECT_FALSE(kept.queued);
  // Its key goes on, and retrying it does not make a message of it.
  subscriber.mesh().Send(Registered("u-1", "good"), "u-1");
  EXPECT_TRUE(Eventually([&] { return subscriber.Saw("good"); }));
  subscriber.Retry(kept.id);
  EXPECT_TRUE(Eventually([&] { return subscriber.Kept().size() == 1 && subscriber.Kept()[0].id != kept.id; }));
  EXPECT_FALSE(subscriber.Saw(""));
}

TEST(WorkerRecord, TakesAnEmptyOrOtherKeyFieldForDead) {
  for (const auto& [key, field] : std::vector<std::pair<std::string, std::string>>{
           {"u-1", ""}, {"u-1", "u-2"}, {"", "u-2"}, {"", ""}, {"u-1", "U-1"}}) {
    Subscriber subscriber;
    subscriber.Put(key, Value(field, "bad"), Outside());
    const store::KeptRecord kept = subscriber.OnlyKept();
    EXPECT_THAT(kept.reason, HasSubstr("its field 'user_id' is")) << key << "/" << field;
    EXPECT_FALSE(kept.queued);
    for (const char* good : {"u-1", "u-2"}) {
      subscriber.mesh().Send(Registered(good, std::string("good ") + good), good);
      EXPECT_TRUE(Eventually([&] { return subscriber.Saw(std::string("good ") + good); }));
    }
    EXPECT_FALSE(subscriber.Saw("bad"));
  }
}

// As a version kept it that did not look at the keys of records, nor told a null value from an empty one.
TEST(WorkerRecord, HandlesARetriedRecordOfOldUnderAnotherKey) {
  Subscriber subscriber;
  mesh::v1::KeptRecord record;
  record.set_topic(kUserEvents);
  record.set_partition(bus::PartitionOf("u-1", kPartitions));
  record.set_key("u-1");
  record.set_value(Value("u-2", "of old"));
  for (const auto& [name, value] : Outside()) {
    auto& header = *record.add_headers();
    header.set_name(name);
    header.set_value(value);
  }
  const auto keep = [&] {
    store::Batch batch;
    batch.kept.push_back({.task = {"loyalty", record.partition()}, .queued = true, .key = "u-1"});
    batch.kept.back().record = record.SerializeAsString();
    EXPECT_TRUE((*subscriber.mesh().store().OpenSession())->Commit(batch).ok());
    subscriber.Restart({});
    subscriber.Retry(subscriber.OnlyKept().id);
  };
  keep();
  EXPECT_TRUE(Eventually([&] { return subscriber.Saw("of old") && subscriber.Kept().empty(); }));
  // What this version has kept is looked at.
  record.set_has_value(true);
  record.set_value(Value("u-2", "of today"));
  keep();
  EXPECT_TRUE(Eventually([&] {
    const auto kept = subscriber.Kept();
    return kept.size() == 1 && kept[0].reason.find("its field 'user_id' is") != std::string::npos;
  }));
  EXPECT_FALSE(subscriber.Saw("of today"));
}

TEST(WorkerRecord, TellsTheCallerOfACommandUnderAnotherKey) {
  Mesh mesh;
  const Group group = CountingGroup();
  const auto worker = mesh.Start(group);
  mesh.Send(Create("o-2"), "o-1", {.correlation_id = 7});
  const auto replies = mesh.WaitForReplies(1);
  ASSERT_THAT(replies, SizeIs(1));
  EXPECT_EQ(replies[0].correlation_id(), 7U);
  EXPECT_TRUE(replies[0].has_error());
  for (const char* id : {"o-1", "o-2"}) {
    EXPECT_FALSE((*mesh.store().reader().Get("tradewind.order.v1.Order", id)).has_value());
  }
  EXPECT_THAT(mesh.kafka().ReadAll(kEvents), IsEmpty());
}

TEST(WorkerRecord, GoesOnInAChainBehindAnEventThatCannotBeHandled) {
  Subscriber subscriber;
  subscriber.Put("u-1", "", OfTask("/user/1", {5, 1}, {}, kOwnMesh), /*has_value=*/false);
  subscriber.Put("u-1", Value("u-1", "next"), OfTask("/user/1", {5, 2}, {5, 1}, kOwnMesh));
  EXPECT_TRUE(Eventually([&] { return subscriber.Saw("next"); }));
}

TEST(WorkerRecord, GoesOnInAChainBehindAnEventThatCannotBeHandledAndCameBeforeItsTurn) {
  Subscriber subscriber;
  subscriber.Put("u-1", Value("u-1", "first"), OfTask("/user/1", {5, 1}, {}, kOwnMesh));
  subscriber.Put("u-1", "", OfTask("/user/1", {5, 3}, {5, 2}, kOwnMesh), /*has_value=*/false);
  subscriber.Put("u-1", Value("u-1", "fourth"), OfTask("/user/1", {5, 4}, {5, 3}, kOwnMesh));
  subscriber.Put("u-1", Value("u-1", "second"), OfTask("/user/1", {5, 2}, {5, 1}, kOwnMesh));
  EXPECT_TRUE(Eventually([&] { return subscriber.Saw("fourth"); }));
  EXPECT_THAT(subscriber.OnlyKept().reason, HasSubstr("it has no value"));
}

TEST(WorkerRecord, TakesACopyFromAnotherMeshForDead) {
  Subscriber subscriber;
  subscriber.Put("u-1", Value("u-1", "first"), OfTask("/user/1", {5, 1}, {}, kOwnMesh));
  subscriber.Put("u-1", Value("u-1", "copied"), OfTask("/user/1", {9, 1}, {}, "another-cluster/"));
  EXPECT_THAT(subscriber.OnlyKept().reason, HasSubstr("written in the mesh 'another-cluster/'"));
  // The source's own events are none the older for it.
  subscriber.Put("u-1", Value("u-1", "second"), OfTask("/user/1", {5, 2}, {5, 1}, kOwnMesh));
  EXPECT_TRUE(Eventually([&] { return subscriber.Saw("second"); }));
  EXPECT_FALSE(subscriber.Saw("copied"));
}

TEST(WorkerRecord, LeavesACopyFromAnotherMeshDeadThatIsRetried) {
  Subscriber subscriber;
  subscriber.Put("u-1", Value("u-1", "copied"), OfTask("/user/1", {9, 1}, {}, "another-cluster/"));
  subscriber.Retry(subscriber.OnlyKept().id);
  EXPECT_TRUE(Eventually([&] { return subscriber.OnlyKept().requested == store::KeptAction::kNone; }));
  EXPECT_THAT(subscriber.OnlyKept().reason, HasSubstr("written in the mesh 'another-cluster/'"));
  subscriber.ExpectAllIsWellBeside("u-1");
  EXPECT_FALSE(subscriber.Saw("copied"));
}

// As an owner that takes a task sends again what its predecessor had sent.
TEST(WorkerRecord, HandlesAnUnmarkedEventOnceThatWasSentTwice) {
  Subscriber subscriber;
  for (int i = 0; i < 2; ++i) subscriber.Put("u-1", Value("u-1", "unmarked"), OfTask("/user/1", {5, 1}, {}, ""));
  ASSERT_TRUE(Eventually([&] { return subscriber.Kept().size() == 2; }));
  subscriber.Restart({.accept_unmarked_events = "true"});
  for (const size_t left : {1, 0}) {
    subscriber.Retry(subscriber.Kept().front().id);
    EXPECT_TRUE(Eventually([&] { return subscriber.Kept().size() == left; }));
  }
  subscriber.ExpectAllIsWellBeside("u-1");
  EXPECT_EQ(subscriber.TimesSeen("unmarked"), 1);
}

TEST(WorkerRecord, TellsMeshesOfOneClusterApartByTheirTopicPrefix) {
  Subscriber subscriber;
  subscriber.Put("u-1", Value("u-1", "copied"), OfTask("/user/1", {9, 1}, {}, bus::MeshName(kClusterId, "staging.")));
  EXPECT_THAT(subscriber.OnlyKept().reason, HasSubstr("staging."));
}

TEST(WorkerRecord, TakesUnmarkedEventsWhereTheLogHoldsSome) {
  Subscriber subscriber;
  subscriber.Put("u-1", Value("u-1", "unmarked"), OfTask("/user/1", {5, 1}, {}, ""));
  EXPECT_THAT(subscriber.OnlyKept().reason, HasSubstr("runtime.accept_unmarked_events"));
  subscriber.Restart({.accept_unmarked_events = "true"});
  subscriber.Retry(subscriber.OnlyKept().id);
  EXPECT_TRUE(Eventually([&] { return subscriber.Saw("unmarked"); }));
  // Where they count as ours they have their place in the chain, beside those that say so.
  subscriber.Put("u-1", Value("u-1", "old"), OfTask("/user/1", {6, 1}, {}, ""));
  subscriber.Put("u-1", Value("u-1", "new"), OfTask("/user/1", {6, 2}, {6, 1}, kOwnMesh));
  subscriber.Put("u-1", Value("u-1", "old"), OfTask("/user/1", {6, 1}, {}, ""));
  subscriber.Put("u-1", Value("u-1", "rolled back"), OfTask("/user/1", {6, 3}, {6, 2}, ""));
  EXPECT_TRUE(Eventually([&] { return subscriber.Saw("rolled back"); }));
  EXPECT_EQ(subscriber.TimesSeen("old"), 1);
  EXPECT_TRUE(subscriber.Saw("new"));
}

TEST(WorkerRecord, TakesAForeignSequenceForAnEventFromOutside) {
  Subscriber subscriber;
  for (const char* sequence : {"42", "", "00000000000000000007"}) {
    subscriber.Put("u-1", Value("u-1", "theirs"), Outside({{"ce_sequence", sequence}, {"ce_previous", "41"}}));
  }
  EXPECT_TRUE(Eventually([&] { return subscriber.TimesSeen("theirs") == 3; }));
}

TEST(WorkerRecord, SetsAsideTheFirstEventOfOneSourceTooMany) {
  Subscriber subscriber;
  const telemetry::Counter beyond =
      telemetry::NewCounter("tradewind_events_beyond_sources_total", "", {{"group", "loyalty"}});
  const double before = beyond.value();
  for (size_t i = 0; i < kMaxSources; ++i) {
    subscriber.Put("u-1", Value("u-1", "many"), OfTask("/ext/" + std::to_string(i), {5, 1}, {}, kOwnMesh));
  }
  subscriber.Put("u-1", Value("u-1", "too many"), OfTask("/one/more", {5, 1}, {}, kOwnMesh));
  EXPECT_TRUE(Eventually([&] { return !subscriber.Kept().empty(); }, absl::Seconds(60)));
  const store::KeptRecord kept = subscriber.OnlyKept();
  EXPECT_THAT(kept.reason, HasSubstr("10000 sources"));
  EXPECT_TRUE(Eventually([&] { return beyond.value() - before == 1; }));
  // Known ones are not held up by it, and it can be had all the same.
  subscriber.Put("u-1", Value("u-1", "known"), OfTask("/ext/3", {5, 2}, {5, 1}, kOwnMesh));
  EXPECT_TRUE(Eventually([&] { return subscriber.Saw("known"); }));
  subscriber.Retry(kept.id);
  EXPECT_TRUE(Eventually([&] { return subscriber.Saw("too many") && subscriber.Kept().empty(); }));
  // Sent twice, and once more when it was handled: no watermark tells that, and all are retried.
  const auto send_again = [&] {
    subscriber.Put("u-1", Value("u-1", "twice"), OfTask("/two/more", {5, 1}, {}, kOwnMesh));
  };
  const auto retry_all = [&](size_t count) {
    EXPECT_TRUE(Eventually([&] { return subscriber.Kept().size() == count; }));
    EXPECT_EQ(*subscriber.mesh().store().Request({}, store::KeptAction::kRetry), static_cast<int64_t>(count));
    EXPECT_TRUE(Eventually([&] { return subscriber.Kept().empty(); }));
  };
  send_again();
  send_again();
  retry_all(2);
  EXPECT_TRUE(Eventually([&] { return subscriber.Saw("twice"); }));
  send_again();
  retry_all(1);
  EXPECT_EQ(subscriber.TimesSeen("twice"), 1);
  // Those that are silent for long make room, and are taken up where they next speak.
  subscriber.mesh().StepWallClock(kSourceAge + absl::Hours(2));
  subscriber.Put("u-1", Value("u-1", "later"), OfTask("/later", {5, 1}, {}, kOwnMesh));
  EXPECT_TRUE(Eventually([&] { return subscriber.Saw("later"); }));
  subscriber.Put("u-1", Value("u-1", "woke up"), OfTask("/ext/5", {5, 9}, {5, 8}, kOwnMesh));
  EXPECT_TRUE(Eventually([&] { return subscriber.Saw("woke up"); }));
  EXPECT_TRUE(Eventually([&] { return beyond.value() - before == 4; }));
}

TEST(WorkerRecord, TakesARekeyedRecordUnderAnotherKeyForDead) {
  Subscriber subscriber(/*keyed_by_name=*/true);
  subscriber.PutOn(kRekeyed, "ada", Value("u-1", "bob"), Outside());
  EXPECT_THAT(subscriber.OnlyKept().reason, HasSubstr("keyed by is 'bob'"));
  // On its own topic the key is that of its options, on the group's that of the subscription.
  subscriber.Put("u-1", Value("u-1", "ada"), Outside());
  EXPECT_TRUE(Eventually([&] { return subscriber.Saw("ada"); }));
}

TEST(WorkerRecord, TakesForDeadWhatIsTooLargeToBePassedOn) {
  Subscriber subscriber(/*keyed_by_name=*/true);
  UserRegistered large = Registered("u-1", "ada");
  large.set_email(std::string(990'000, 'e'));
  subscriber.Put("u-1", large.SerializeAsString(), Outside());
  EXPECT_THAT(subscriber.OnlyKept().reason, HasSubstr("the most is 900000"));
  // A key that is passed on travels three times.
  subscriber.Put("u-2", Value("u-2", std::string(400'000, 'k')), Outside());
  EXPECT_TRUE(Eventually([&] { return subscriber.Kept().size() == 2; }));
  subscriber.Put("u-3", Value("u-3", "bob"), Outside());
  EXPECT_TRUE(Eventually([&] { return subscriber.Saw("bob"); }));
}

// What an earlier version put into its outbox without looking at its size.
TEST(WorkerRecord, KeepsAsDeadWhatAnOutboxHoldsAndKafkaNeverTakes) {
  Mesh mesh;
  const Group group = CountingGroup();
  {
    const auto worker = mesh.Start(group);
    mesh.Send(Create("o-1"), "o-1");
    ASSERT_TRUE(mesh.kafka().WaitForRecords(kEvents, 1));
  }
  const int32_t partition = bus::PartitionOf("o-1", kPartitions);
  std::string blob;
  CommitForTask(mesh, {"order", partition}, [&](const store::TakenTask& taken, store::TaskCommit& commit) {
    mesh::v1::OutboxBatch outbox;
    outbox.set_source("/order/" + std::to_string(partition));
    outbox.set_epoch(taken.epoch);
    for (const size_t bytes : {size_t{10}, size_t{1'100'000}, size_t{10}}) {
      mesh::v1::OutgoingEvent& event = *outbox.add_events();
      event.set_topic(kEvents);
      event.set_partition(partition);
      event.set_key("o-1");
      event.set_type("test.Large");
      event.set_number(taken.emit_sequence + static_cast<uint64_t>(outbox.events_size()));
      event.set_value(std::string(bytes, 'v'));
    }
    blob = outbox.SerializeAsString();
    commit.new_emit_sequence = taken.emit_sequence + 3;
    commit.outbox = blob;
    commit.ends_takes = false;
  });

  const auto worker = mesh.Start(group);
  ASSERT_TRUE(mesh.kafka().WaitForRecords(kEvents, 4));
  const auto events = mesh.kafka().Read(kEvents, partition);
  EXPECT_EQ(HeaderOf(events[1], bus::kTypeHeader), "test.Large");
  EXPECT_EQ(HeaderOf(events[2], bus::kTypeHeader), "tradewind.mesh.v1.EventWithheld");
  EXPECT_EQ(HeaderOf(events[3], bus::kTypeHeader), "test.Large");
  // Kept with the commit that drops the row.
  EXPECT_TRUE(Eventually([&] { return !mesh.store().reader().ListKept({}, 0, 10)->empty(); }));
  const store::KeptRecord kept = mesh.store().reader().ListKept({}, 0, 10)->front();
  EXPECT_EQ(kept.state, store::KeptState::kDead);
  EXPECT_EQ(kept.type, "test.Large");
  EXPECT_GT(kept.record.size(), 1'100'000U);
}

}  // namespace
}  // namespace tradewind::runtime
