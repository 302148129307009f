#include "tradewind/runtime/worker_harness.h"

#include <chrono>
#include <cstdlib>
#include <thread>

#include "absl/time/clock.h"
#include "gtest/gtest.h"

#include "tradewind/bus/envelope.h"
#include "tradewind/clock/steady_now.h"
#include "tradewind/runtime/message_rule.h"
#include "tradewind/store/sqlite_store.h"

namespace tradewind::runtime {
namespace {

constexpr char kInstance[] = "gateway-1";

int64_t Append(testing::InMemoryKafka& kafka, const google::protobuf::Message& message, const std::string& key,
               std::vector<std::pair<std::string, std::string>> headers, int64_t timestamp_ms = 0) {
  const std::string topic = RouteOf(message.GetDescriptor())->topic;
  headers.emplace_back(bus::kSpecVersionHeader, "1.0");
  headers.emplace_back(bus::kTypeHeader, message.GetDescriptor()->full_name());
  headers.emplace_back(bus::kMeshHeader, bus::MeshName(kClusterId, ""));
  return kafka.Append({.topic = topic,
                       .partition = bus::PartitionOf(key, kPartitions),
                       .timestamp_ms = timestamp_ms,
                       .key = key,
                       .value = message.SerializeAsString(),
                       .headers = std::move(headers)});
}

}  // namespace

RunningWorker::RunningWorker(Mesh& mesh, const Group& group, const std::vector<int32_t>& partitions,
                             const WorkerConfig& config, const SessionWrapper& wrap_session)
    : session_(*mesh.store().OpenSession()), events_(mesh.kafka().MakeSink()), replies_(mesh.kafka().MakeSink()) {
  if (wrap_session != nullptr) session_ = wrap_session(std::move(session_));
  worker_ = std::make_unique<Worker>(
      WorkerPorts{
          .group = &group,
          .session = session_.get(),
          .store_id = mesh.store().id(),
          .cluster_id = kClusterId,
          .accept_unmarked_events = config.accept_unmarked_events == "true",
          .partition_counts = mesh.store().PinPartitions(mesh.kafka().partition_counts(), /*replace=*/false).value(),
          .ask_partitions = [&mesh](const std::string& topic) -> absl::StatusOr<int32_t> {
            return mesh.kafka().partition_counts().at(topic);
          },
          .make_source = [this, &mesh, &group, partitions](
                             bus::AssignmentListener& listener) -> absl::StatusOr<std::unique_ptr<bus::EventSource>> {
            auto source = mesh.kafka().MakeSource(group.input_topics(), listener);
            source_ = source.get();
            source->Assign(partitions);
            return source;
          },
          .events = events_.get(),
          .make_events = [&mesh] { return mesh.kafka().MakeSink(); },
          .replies = replies_.get(),
          .wall_now = [this, &mesh] { return mesh.wall_now() + absl::Nanoseconds(passed_ns_.load()); },
          .steady_now =
              [this, &mesh] {
                passed_ns_ = absl::ToInt64Nanoseconds(mesh.passed());
                return clock::SteadyNow() + absl::Nanoseconds(passed_ns_.load());
              }},
      config);
  result_ = std::async(std::launch::async, [this] { return worker_->Run(); });
  const absl::Time deadline = absl::Now() + absl::Seconds(10);
  const auto ended = [this] { return result_.wait_for(std::chrono::seconds(0)) != std::future_status::timeout; };
  while (!worker_->ready() && !ended() && absl::Now() < deadline) std::this_thread::yield();
}

RunningWorker::~RunningWorker() {
  if (result_.valid()) Stop().IgnoreError();
}

absl::Status RunningWorker::Stop() {
  worker_->Stop();
  return result_.get();
}

absl::Status RunningWorker::WaitForError() {
  if (result_.wait_for(std::chrono::seconds(10)) == std::future_status::timeout) return Stop();
  return result_.get();
}

Mesh::Mesh() : Mesh(nullptr) { OpenStore("store"); }

Mesh::Mesh(std::unique_ptr<store::Store> store) : store_(std::move(store)) {
  std::string name = (std::filesystem::temp_directory_path() / "tradewind-worker-XXXXXX").string();
  folder_ = mkdtemp(name.data());
  for (const char* topic : {kCommands, kEvents, kUserEvents, kReplies, kDead}) kafka_.CreateTopic(topic, kPartitions);
}

Mesh::~Mesh() {
  store_.reset();
  std::filesystem::remove_all(folder_);
}

std::unique_ptr<RunningWorker> Mesh::Start(const Group& group, const std::vector<int32_t>& partitions,
                                           const WorkerConfig& config, const SessionWrapper& wrap_session) {
  for (const std::string& topic : group.input_topics()) {
    if (!kafka_.partition_counts().contains(topic)) kafka_.CreateTopic(topic, kPartitions);
  }
  return std::make_unique<RunningWorker>(*this, group, partitions, config, wrap_session);
}

void Mesh::OpenStore(const std::string& name) {
  store_.reset();
  auto opened = store::OpenSqliteStore({.directory = (folder_ / name).string(), .cache_bytes = 1 << 20}, "order");
  ASSERT_TRUE(opened.ok()) << opened.status();
  store_ = *std::move(opened);
}

void Mesh::CopyStore(const std::string& from, const std::string& to) {
  store_.reset();
  std::filesystem::copy(folder_ / from, folder_ / to, std::filesystem::copy_options::recursive);
  OpenStore(from);
}

int64_t Mesh::Send(const google::protobuf::Message& message, const std::string& key, const CommandHeaders& headers) {
  static int counter = 0;
  return Append(kafka_, message, key,
                {{std::string(bus::kIdHeader), "command-" + std::to_string(++counter)},
                 {std::string(bus::kSourceHeader), "/tradewind/gateway/1"},
                 {std::string(bus::kReplyPartitionHeader), "1"},
                 {std::string(bus::kReplyInstanceHeader), kInstance},
                 {std::string(bus::kCorrelationHeader), std::to_string(headers.correlation_id)},
                 {std::string(bus::kMethodHeader), "/test/Method"},
                 {std::string(bus::kRequestIdHeader), headers.request_id},
                 {std::string(bus::kTraceparentHeader), headers.traceparent}},
                headers.timestamp_ms);
}

int64_t Mesh::SendChained(const google::protobuf::Message& message, const std::string& key, const std::string& source,
                          bus::Sequence sequence, bus::Sequence previous) {
  return Append(kafka_, message, key,
                {{std::string(bus::kIdHeader), source + sequence.ToString()},
                 {std::string(bus::kSourceHeader), source},
                 {std::string(bus::kSequenceHeader), sequence.ToString()},
                 {std::string(bus::kPreviousHeader), previous.ToString()}});
}

std::vector<mesh::v1::Reply> Mesh::WaitForReplies(size_t count) {
  std::vector<mesh::v1::Reply> replies;
  const absl::Time deadline = absl::Now() + absl::Seconds(10);
  for (size_t records = 1; replies.size() < count && absl::Now() < deadline; ++records) {
    kafka_.WaitForRecords(kReplies, records);
    replies.clear();
    for (const bus::RecordContent& record : kafka_.ReadAll(kReplies)) {
      mesh::v1::ReplyBatch batch;
      EXPECT_TRUE(batch.ParseFromString(record.value));
      EXPECT_EQ(batch.instance_id(), kInstance);
      replies.insert(replies.end(), batch.replies().begin(), batch.replies().end());
    }
  }
  EXPECT_GE(replies.size(), count);
  return replies;
}

store::TaskId TaskOf(const Group& group, const std::string& key) {
  return {group.name(), bus::PartitionOf(key, kPartitions)};
}

void CommitForTask(Mesh& mesh, const store::TaskId& task,
                   absl::FunctionRef<void(const store::TakenTask&, store::TaskCommit&)> fill) {
  const auto session = *mesh.store().OpenSession();
  const auto taken = *session->TakeTask(task, 0);
  store::Batch batch;
  batch.now = absl::Now();
  batch.tasks.push_back({.task = task,
                         .expected_epoch = taken.epoch,
                         .expected_emit_sequence = taken.emit_sequence,
                         .new_emit_sequence = taken.emit_sequence + 1,
                         .progress = taken.progress,
                         .ends_takes = true});
  fill(taken, batch.tasks[0]);
  ASSERT_EQ(session->Commit(batch)->kind, store::CommitResult::Kind::kCommitted);
}

std::string HeaderOf(const bus::RecordContent& record, std::string_view name) {
  for (const auto& [header, value] : record.headers) {
    if (header == name) return value;
  }
  return "";
}

}  // namespace tradewind::runtime
