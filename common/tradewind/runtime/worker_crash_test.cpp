// Messages that end the process that handles them: found whatever else arrives, and nothing else is slowed or blamed.
//
// Each run is a process of its own, with the topics in memory and the same store on disk: a child that the test forks
// while it has no thread.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/time/clock.h"

#include "tradewind/order/v1/order.pb.h"
#include "tradewind/runtime/worker_harness.h"
#include "tradewind/runtime/worker_test_group.h"
#include "tradewind/store/sqlite_store.h"
#include "tradewind/testing/eventually.h"
#include "tradewind/testing/forwarding_session.h"
#include "tradewind/user/v1/events.pb.h"

namespace tradewind::runtime {
namespace {

using testing::Eventually;
using user::v1::UserRegistered;

constexpr int kDied = 9;

class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "tradewind-crash-XXXXXX").string();
    path_ = mkdtemp(name.data());
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  const std::string& path() const { return path_; }
  std::unique_ptr<store::Store> Open() const {
    auto store = store::OpenSqliteStore({.directory = path_, .cache_bytes = 1 << 20}, "loyalty");
    return store.ok() ? *std::move(store) : nullptr;
  }

 private:
  std::string path_;
};

// Runs `body` in a process of its own, whose temporary files are in `folder`, and returns its exit code.
int RunInAChild(const Folder& folder, const std::function<bool()>& body) {
  const pid_t child = fork();
  if (child == 0) {
    setenv("TMPDIR", folder.path().c_str(), /*overwrite=*/1);  // NOLINT(concurrency-mt-unsafe)
    _exit(body() ? 0 : 1);
  }
  int status = 0;
  if (waitpid(child, &status, 0) != child || !WIFEXITED(status)) return -1;
  return WEXITSTATUS(status);
}

int64_t CountDead(Mesh& mesh, const Group& group) {
  return *mesh.store().reader().CountKept(group.name(), store::KeptState::kDead);
}

// The same record however often the topic is made: with the same time, too.
void Put(Mesh& mesh, const char* topic, const std::string& key, const google::protobuf::Message& message,
         const std::string& id, const std::vector<std::pair<std::string, std::string>>& more_headers = {}) {
  bus::RecordContent record{.topic = topic, .partition = 0, .timestamp_ms = 1, .key = key};
  record.value = message.SerializeAsString();
  record.headers = {{"ce_specversion", "1.0"},
                    {"ce_id", id},
                    {"ce_source", "/test"},
                    {"ce_type", message.GetDescriptor()->full_name()}};
  record.headers.insert(record.headers.end(), more_headers.begin(), more_headers.end());
  mesh.kafka().Append(std::move(record));
}

// Runs `body` in one process after another until one ends well, and returns how many died before.
int CountDeaths(const Folder& folder, const std::function<bool(int deaths)>& body) {
  int deaths = 0;
  int code = kDied;
  while (deaths < 12 && (code = RunInAChild(folder, [&] { return body(deaths); })) == kDied) ++deaths;
  EXPECT_EQ(code, 0);
  return deaths;
}

// With 600 other messages of the task before it at each start, each of which commits.
TEST(WorkerCrash, FindsAMessageThatKillsTheProcessBehindOthers) {
  const Folder folder;
  int deaths = 0;
  int others = 0;
  const auto run = [&] {
    Mesh mesh(folder.Open());
    Group group("loyalty");
    group.AddCommand({.run = [](const google::protobuf::Message&, Context&) { return Ack(); },
                      .prototype = &order::v1::CreateOrderRequest::default_instance()});
    group.Add({.run = [](const google::protobuf::Message&, Context&) -> Outcome { _exit(kDied); },
               .prototype = &UserRegistered::default_instance()});
    // What earlier processes have handled is on the topic, too.
    for (int i = 0; i < others; ++i) Put(mesh, kCommands, "u-1", Create("u-1"), std::to_string(i));
    Put(mesh, kUserEvents, "u-2", Registered("u-2", "killer"), "killer");
    WorkerConfig config = kQuick;
    config.batch_messages = 50;
    const auto worker = mesh.Start(group, {0, 1, 2, 3}, config);
    if (!Eventually([&] { return CountDead(mesh, group) == 1; }, absl::Seconds(60))) return false;
    return worker->Stop().ok();
  };
  int code = kDied;
  for (; deaths < 10 && code == kDied; deaths += code == kDied ? 1 : 0) {
    others += 600;
    code = RunInAChild(folder, run);
  }
  EXPECT_EQ(code, 0);
  EXPECT_LE(deaths, 5);
  EXPECT_GE(deaths, 1);
}

TEST(WorkerCrash, FindsAnEffectThatKillsTheProcess) {
  const Folder folder;
  const auto run = [&] {
    Mesh mesh(folder.Open());
    Group group("loyalty.effects");
    std::atomic<int> ended = 0;
    group.AddEffect({.effect =
                         [&](const google::protobuf::Message& message, EffectContext&) {
                           if (static_cast<const UserRegistered&>(message).display_name() == "killer") _exit(kDied);
                           ++ended;
                           return Ack();
                         },
                     .prototype = &UserRegistered::default_instance()});
    // Of one partition, all at once.
    for (int i = 0; i < 30; ++i) {
      Put(mesh, kUserEvents, "u-" + std::to_string(i),
          Registered("u-" + std::to_string(i), i == 10 ? "killer" : "other"), std::to_string(i));
    }
    const auto worker = mesh.Start(group, {0, 1, 2, 3}, kQuick);
    if (!Eventually([&] { return CountDead(mesh, group) == 1; }, absl::Seconds(60))) return false;
    // All others have ended, whichever process ran them.
    if (!Eventually(
            [&] {
              const auto taken = mesh.store().reader().ListKept({}, 0, 100);
              return taken.ok() && taken->size() == 1 && (*taken)[0].key == "u-10";
            },
            absl::Seconds(60))) {
      return false;
    }
    return worker->Stop().ok();
  };
  int deaths = 0;
  int code = kDied;
  while (deaths < 10 && (code = RunInAChild(folder, run)) == kDied) ++deaths;
  EXPECT_EQ(code, 0);
  EXPECT_LE(deaths, 5);
  EXPECT_GE(deaths, 1);
}

// The first of the key fails in the first process, so that what follows it runs from the queue of the key.
TEST(WorkerCrash, FindsAnEffectThatKillsTheProcessOutOfItsQueue) {
  const Folder folder;
  const auto run = [&](int deaths) {
    Mesh mesh(folder.Open());
    Group group("loyalty.effects");
    std::atomic<bool> may_fail = deaths == 0;
    group.AddEffect({.effect = [&](const google::protobuf::Message& message, EffectContext&) -> Outcome {
                       const std::string& name = static_cast<const UserRegistered&>(message).display_name();
                       if (name == "fails first" && may_fail.exchange(false)) return Retry(absl::ZeroDuration(), "");
                       if (name == "kills") _exit(kDied);
                       return Ack();
                     },
                     .prototype = &UserRegistered::default_instance()});
    for (const auto& [key, name] : {std::pair("u-2", "fails first"), {"u-2", "kills"}, {"u-9", "other"}}) {
      Put(mesh, kUserEvents, key, Registered(key, name), name);
    }
    const auto worker = mesh.Start(group, {0, 1, 2, 3}, kQuick);
    const auto only_the_killer_is_kept = [&] {
      const auto kept = mesh.store().reader().ListKept({}, 0, 100);
      return kept.ok() && kept->size() == 1 && kept->at(0).state == store::KeptState::kDead && kept->at(0).key == "u-2";
    };
    return Eventually(only_the_killer_is_kept, absl::Seconds(60)) && worker->Stop().ok();
  };
  const int deaths = CountDeaths(folder, run);
  EXPECT_LE(deaths, 6);
  EXPECT_GE(deaths, 1);
}

// Runs a process in which a UserRegistered whose name ends with "kills" ends it, one that begins with "fails" fails the
// first time that the first process sees it, and the others leave an order of that name. Ends well once the killer is
// dead and what `fill` has put behind it, under another key, was handled. With `retries` a person then has the killer
// handled again.
bool RunVictim(const Folder& folder, int deaths, const std::function<void(Mesh&)>& fill, bool retries = false) {
  Mesh mesh(folder.Open());
  bool may_fail = deaths == 0 && !retries;
  Group group("loyalty");
  group.Add({.run = [&](const google::protobuf::Message& message, Context& context) -> Outcome {
               const std::string& name = static_cast<const UserRegistered&>(message).display_name();
               if (name.starts_with("fails") && std::exchange(may_fail, false)) return Retry(absl::ZeroDuration(), "");
               if (name.ends_with("kills")) _exit(kDied);
               context.Load<order::v1::Order>(name)->set_revision(1);
               return Ack();
             },
             .prototype = &UserRegistered::default_instance()});
  fill(mesh);
  Put(mesh, kUserEvents, "u-9", Registered("u-9", "other"), "other");
  const auto worker = mesh.Start(group, {0, 1, 2, 3}, kQuick);
  const auto is_dead = [&] { return CountDead(mesh, group) == 1; };
  const auto is_handled = [&] {
    return (*mesh.store().reader().Get(order::v1::Order::descriptor()->full_name(), "other")).has_value();
  };
  if (!Eventually([&] { return is_dead() && is_handled(); }, absl::Seconds(60))) return false;
  if (retries) {
    const auto dead = mesh.store().reader().ListKept({.state = store::KeptState::kDead}, 0, 1);
    if (*mesh.store().Request({.id = dead->at(0).id}, store::KeptAction::kRetry) != 1) return false;
    if (!Eventually([&] { return !is_dead(); }, absl::Seconds(60))) return false;
  }
  return Eventually(is_dead, absl::Seconds(60)) && worker->Stop().ok();
}

// A few processes die, and then the killer is dead.
void ExpectIsFound(const std::function<void(Mesh&)>& fill) {
  const Folder folder;
  const int deaths = CountDeaths(folder, [&](int before) { return RunVictim(folder, before, fill); });
  EXPECT_LE(deaths, 6);
  EXPECT_GE(deaths, 1);
}

TEST(WorkerCrash, FindsAMessageThatKillsTheProcessInAQueue) {
  const auto fill = [](Mesh& mesh) {
    Put(mesh, kUserEvents, "u-2", Registered("u-2", "fails first"), "1");
    Put(mesh, kUserEvents, "u-2", Registered("u-2", "kills"), "2");
  };
  ExpectIsFound(fill);
}

TEST(WorkerCrash, FindsAMessageThatKillsTheProcessAtItsSecondAttempt) {
  const auto fill = [](Mesh& mesh) { Put(mesh, kUserEvents, "u-2", Registered("u-2", "fails, then kills"), "1"); };
  ExpectIsFound(fill);
}

TEST(WorkerCrash, FindsAMessageThatKillsTheProcessBehindAGap) {
  const auto fill = [](Mesh& mesh) {
    const auto chained = [&](uint64_t number, const char* name) {
      std::vector<std::pair<std::string, std::string>> headers = {
          {std::string(bus::kSequenceHeader), bus::Sequence{5, number}.ToString()},
          {std::string(bus::kMeshHeader), bus::MeshName(kClusterId, "")}};
      if (number > 1) headers.emplace_back(bus::kPreviousHeader, bus::Sequence{5, number - 1}.ToString());
      Put(mesh, kUserEvents, "u-2", Registered("u-2", name), std::to_string(number), headers);
    };
    for (const auto& [number, name] : {std::pair(1, "first"), {3, "kills"}, {2, "second"}}) chained(number, name);
  };
  ExpectIsFound(fill);
}

// Else a person who retries it has every process of the service die in turn, for good.
TEST(WorkerCrash, FindsAMessageThatKillsTheProcessAgainWhenItIsRetried) {
  const Folder folder;
  const auto fill = [](Mesh& mesh) { Put(mesh, kUserEvents, "u-2", Registered("u-2", "kills"), "1"); };
  CountDeaths(folder, [&](int before) { return RunVictim(folder, before, fill); });
  ASSERT_EQ(RunInAChild(folder, [&] { return RunVictim(folder, 0, fill, /*retries=*/true); }), kDied);
  EXPECT_LE(CountDeaths(folder, [&](int before) { return RunVictim(folder, before, fill); }), 6);
}

class CountingSession final : public testing::ForwardingSession {
 public:
  CountingSession(std::unique_ptr<store::Session> session, std::atomic<int>& commits)
      : ForwardingSession(*session), session_(std::move(session)), commits_(commits) {}
  absl::StatusOr<store::CommitResult> Commit(const store::Batch& batch) override {
    ++commits_;
    return ForwardingSession::Commit(batch);
  }

 private:
  std::unique_ptr<store::Session> session_;
  std::atomic<int>& commits_;
};

// How many commits it takes a worker to handle 200 messages that wait in each of two partitions, one of whose tasks was
// taken `takes` times by owners that never gave it back.
int CommitsAfter(int takes) {
  Mesh mesh;
  Group group("loyalty");
  std::atomic<int> handled = 0;
  group.Add({.run =
                 [&](const google::protobuf::Message&, Context&) {
                   ++handled;
                   return Ack();
                 },
             .prototype = &UserRegistered::default_instance()});
  {
    const auto session = *mesh.store().OpenSession();
    for (int i = 0; i < takes; ++i) EXPECT_TRUE(session->TakeTask({"loyalty", 1}, 0).ok());
  }
  for (int i = 0; i < 200; ++i) {
    for (const int32_t partition : {0, 1}) {
      mesh.kafka().Append({.topic = kUserEvents,
                           .partition = partition,
                           .key = "u-" + std::to_string(partition),
                           .value = Registered("u-" + std::to_string(partition), "other").SerializeAsString(),
                           .headers = {{"ce_specversion", "1.0"},
                                       {"ce_id", std::to_string(i)},
                                       {"ce_source", "/test"},
                                       {"ce_type", UserRegistered::descriptor()->full_name()}}});
    }
  }
  std::atomic<int> commits = 0;
  const auto worker = mesh.Start(group, {0, 1, 2, 3}, kQuick, [&](std::unique_ptr<store::Session> session) {
    return std::make_unique<CountingSession>(std::move(session), commits);
  });
  EXPECT_TRUE(Eventually([&] { return handled == 400; }, absl::Seconds(30)));
  const int count = commits;
  EXPECT_TRUE(worker->Stop().ok());
  return count;
}

TEST(WorkerCrash, HandlesOnlyTheTaskOneByOneWhoseOwnersDied) {
  // Two commits a message, of one task alone.
  const int commits = CommitsAfter(2);
  EXPECT_GE(commits, 399);
  EXPECT_LE(commits, 420);
  EXPECT_LE(CommitsAfter(1), 20);
}

// A batch of them would else take so long that Kafka gives the tasks to another process.
TEST(WorkerCrash, AsksKafkaWhileATaskIsHandledOneByOne) {
  Mesh mesh;
  constexpr int kMessages = 50;
  std::atomic<int> handled = 0;
  std::atomic<int> handled_before_other = -1;
  Group group("loyalty");
  group.Add({.run =
                 [&](const google::protobuf::Message& message, Context&) {
                   if (static_cast<const UserRegistered&>(message).display_name() == "other") {
                     handled_before_other = handled.load();
                   } else if (++handled == 1) {
                     mesh.Send(Registered(KeyBeside("u-1"), "other"), KeyBeside("u-1"));
                   }
                   absl::SleepFor(absl::Milliseconds(2));
                   return Ack();
                 },
             .prototype = &UserRegistered::default_instance()});
  const auto session = *mesh.store().OpenSession();
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(session->TakeTask({"loyalty", bus::PartitionOf("u-1", kPartitions)}, 0).ok());
  }
  for (int i = 0; i < kMessages; ++i) mesh.Send(Registered("u-1", "slow"), "u-1");
  WorkerConfig config = kQuick;
  config.batch_time = absl::Milliseconds(5);
  const auto worker = mesh.Start(group, {0, 1, 2, 3}, config);
  EXPECT_TRUE(Eventually([&] { return handled == kMessages && handled_before_other >= 0; }));
  EXPECT_LT(handled_before_other, kMessages);
  EXPECT_TRUE(worker->Stop().ok());
}

TEST(WorkerCrash, CountsNoTakeoverOfALivingWorker) {
  Mesh mesh;
  const Group group = CountingGroup();
  const auto worker = mesh.Start(group);
  const auto revision = [&] {
    order::v1::Order order;
    const auto stored = mesh.store().reader().Get(order::v1::Order::descriptor()->full_name(), "o-1");
    if (stored->has_value()) order.ParseFromString((*stored)->value);
    return order.revision();
  };
  for (int i = 1; i <= 6; ++i) {
    worker->source().Lose({0, 1, 2, 3});
    worker->source().Assign({0, 1, 2, 3});
    mesh.Send(Create("o-1"), "o-1");
    ASSERT_TRUE(Eventually([&] { return revision() == i; }));
  }
  // The worker has taken it seven times and counts once.
  const store::TaskId task{"order", bus::PartitionOf("o-1", kPartitions)};
  EXPECT_EQ((*mesh.store().OpenSession())->TakeTask(task, 0)->takes, 2);
  ASSERT_TRUE(worker->Stop().ok());
}

TEST(WorkerCrash, CountsNoEndInOrder) {
  Mesh mesh;
  const Group group = CountingGroup();
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(mesh.Start(group)->Stop().ok());
  EXPECT_EQ((*mesh.store().OpenSession())->TakeTask({"order", 0}, 0)->takes, 1);
}

}  // namespace
}  // namespace tradewind::runtime
