#include "tradewind/bus/internal/kafka_fixture.h"

#include <fmt/format.h>
#include <librdkafka/rdkafka.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <stdexcept>

#include "absl/time/clock.h"

#include "tradewind/bus/internal/deadline.h"
#include "tradewind/bus/kafka_admin.h"
#include "tradewind/bus/partition_reader.h"
#include "tradewind/bus/record_copy.h"

namespace tradewind::bus {
namespace {

std::string TestBroker() {
  const char* broker = std::getenv("TRADEWIND_TEST_KAFKA");  // NOLINT(concurrency-mt-unsafe): nobody changes it.
  if (broker == nullptr) {
    throw std::runtime_error(
        "TRADEWIND_TEST_KAFKA is not set; run the test by ctest, or start a broker with "
        "deploy/kafka/broker and name its host:port there");
  }
  return broker;
}

void RunBroker(const std::vector<std::string>& arguments) {
  std::vector<char*> argv = {const_cast<char*>(TRADEWIND_BROKER)};
  for (const std::string& argument : arguments) {
    argv.push_back(const_cast<char*>(argument.c_str()));
  }
  argv.push_back(nullptr);
  const pid_t child = fork();
  if (child == 0) {
    execv(TRADEWIND_BROKER, argv.data());
    _exit(127);
  }
  int status = 0;
  waitpid(child, &status, 0);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    throw std::runtime_error(fmt::format("{} {} failed", TRADEWIND_BROKER, arguments.front()));
  }
}

}  // namespace

KafkaConfig TestKafka() { return {.brokers = TestBroker()}; }

std::string UniqueName(const std::string& stem) {
  static std::atomic<int> count = 0;
  return fmt::format("{}-{}-{}-{}", stem, absl::ToUnixMillis(absl::Now()), getpid(), ++count);
}

std::string MakeTopic(const KafkaConfig& config, const std::string& stem, int32_t partitions) {
  KafkaConfig with_count = config;
  with_count.partitions = partitions;
  std::string topic = UniqueName(stem);
  auto admin = KafkaAdmin::Create(with_count, "test");
  if (!admin.ok()) {
    throw std::runtime_error(admin.status().ToString());
  }
  if (const auto counts = (*admin)->EnsureTopics({topic}); !counts.ok()) {
    throw std::runtime_error(counts.status().ToString());
  }
  return topic;
}

bool WaitFor(const std::function<bool()>& condition, const std::function<void()>& step) {
  const internal::Deadline deadline(kPatience);
  while (!condition()) {
    if (deadline.expired()) {
      return false;
    }
    step();
  }
  return true;
}

void Fill(const KafkaConfig& config, const std::string& topic, int32_t partition, int from, int count) {
  auto sink = KafkaSink::Create(config, {.client_id = "fill"});
  if (!sink.ok()) {
    throw std::runtime_error(sink.status().ToString());
  }
  for (int i = from; i < from + count; ++i) {
    const std::string value = std::to_string(i);
    const absl::Status status =
        (*sink)->Produce({.topic = topic, .partition = partition, .key = "k", .value = value}, 0);
    if (!status.ok()) {
      throw std::runtime_error(status.ToString());
    }
  }
  int delivered = 0;
  absl::Status failure;
  WaitFor([&] { return delivered == count; },
          [&] {
            (*sink)->Poll(absl::Milliseconds(100), [&](const Delivery& delivery) {
              ++delivered;
              failure.Update(delivery.status);
            });
          });
  if (delivered != count || !failure.ok()) {
    throw std::runtime_error(fmt::format("{} of {} delivered: {}", delivered, count, failure.ToString()));
  }
}

std::vector<Record> ReadAll(const KafkaConfig& config, const std::string& topic, int32_t partition) {
  const auto admin = KafkaAdmin::Create(config, "test-read");
  const auto range = admin.ok() ? (*admin)->Range(topic, partition) : absl::StatusOr<OffsetRange>(admin.status());
  const Position position{.topic = topic, .partition = partition, .offset = kFromBeginning};
  auto reader = PartitionReader::Create(config, "test-read", {&position, 1});
  if (!range.ok() || !reader.ok()) throw std::runtime_error(topic + " cannot be read");
  std::vector<Record> records;
  const absl::Time deadline = absl::Now() + kPatience;
  while (static_cast<int64_t>(records.size()) < range->high - range->low) {
    auto record = (*reader)->Poll(absl::Milliseconds(50));
    if (!record.ok() || absl::Now() > deadline) throw std::runtime_error(topic + " was not read to its end");
    // The reader could not end before them otherwise.
    if (record->has_value()) records.push_back(CopyOf(**record));
  }
  return records;
}

namespace {

// Sends a request of an administrator and waits for the answer; throws, naming `what`, when it is an error.
void Alter(const KafkaConfig& config, const std::string& what,
           const std::function<void(rd_kafka_t*, rd_kafka_queue_t*)>& send) {
  char error[512] = "";
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  rd_kafka_conf_set(conf, "bootstrap.servers", config.brokers.c_str(), error, sizeof(error));
  const std::unique_ptr<rd_kafka_t, decltype(&rd_kafka_destroy)> client(
      rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, sizeof(error)), &rd_kafka_destroy);
  const std::unique_ptr<rd_kafka_queue_t, decltype(&rd_kafka_queue_destroy)> answers(rd_kafka_queue_new(client.get()),
                                                                                     &rd_kafka_queue_destroy);
  send(client.get(), answers.get());
  const std::unique_ptr<rd_kafka_event_t, decltype(&rd_kafka_event_destroy)> event(
      rd_kafka_queue_poll(answers.get(), static_cast<int>(absl::ToInt64Milliseconds(kPatience))),
      &rd_kafka_event_destroy);
  if (event == nullptr || rd_kafka_event_error(event.get()) != RD_KAFKA_RESP_ERR_NO_ERROR) {
    throw std::runtime_error(what + " could not be set");
  }
}

}  // namespace

void SetTopicConfig(const KafkaConfig& config, const std::string& topic, const std::string& name,
                    const std::string& value) {
  SetTopicConfigs(config, topic, {{name, value}});
}

void SetTopicConfigs(const KafkaConfig& config, const std::string& topic,
                     const std::map<std::string, std::string>& settings) {
  const std::unique_ptr<rd_kafka_ConfigResource_t, decltype(&rd_kafka_ConfigResource_destroy)> resource(
      rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic.c_str()), &rd_kafka_ConfigResource_destroy);
  for (const auto& [name, value] : settings) {
    rd_kafka_ConfigResource_set_config(resource.get(), name.c_str(), value.c_str());
  }
  rd_kafka_ConfigResource_t* resources[] = {resource.get()};
  Alter(config, topic + ": settings", [&](rd_kafka_t* client, rd_kafka_queue_t* answers) {
    rd_kafka_AlterConfigs(client, resources, 1, nullptr, answers);
  });
}

void AddPartitions(const KafkaConfig& config, const std::string& topic, int32_t partitions) {
  char error[512] = "";
  const std::unique_ptr<rd_kafka_NewPartitions_t, decltype(&rd_kafka_NewPartitions_destroy)> wanted(
      rd_kafka_NewPartitions_new(topic.c_str(), static_cast<size_t>(partitions), error, sizeof(error)),
      &rd_kafka_NewPartitions_destroy);
  rd_kafka_NewPartitions_t* all[] = {wanted.get()};
  Alter(config, topic + ": partitions", [&](rd_kafka_t* client, rd_kafka_queue_t* answers) {
    rd_kafka_CreatePartitions(client, all, 1, nullptr, answers);
  });
}

void DeleteTopic(const KafkaConfig& config, const std::string& topic) {
  const std::unique_ptr<rd_kafka_DeleteTopic_t, decltype(&rd_kafka_DeleteTopic_destroy)> wanted(
      rd_kafka_DeleteTopic_new(topic.c_str()), &rd_kafka_DeleteTopic_destroy);
  rd_kafka_DeleteTopic_t* all[] = {wanted.get()};
  Alter(config, topic + ": the end of it", [&](rd_kafka_t* client, rd_kafka_queue_t* answers) {
    rd_kafka_DeleteTopics(client, all, 1, nullptr, answers);
  });
}

std::vector<Position> RecordingListener::OnAssigned(absl::Span<const int32_t> partitions) {
  ++assigned_calls;
  std::vector<Position> positions;
  for (const int32_t partition : partitions) {
    owned.insert(partition);
    for (const std::string& topic : topics_) {
      const std::pair place(topic, partition);
      if (!refused.contains(place)) {
        positions.push_back({topic, partition, start.contains(place) ? start[place] : 0});
      }
    }
  }
  return positions;
}

void RecordingListener::OnRevoked(absl::Span<const int32_t> partitions) {
  on_revoked(partitions);
  for (const int32_t partition : partitions) {
    owned.erase(partition);
    revoked.push_back(partition);
  }
}

void RecordingListener::OnLost(absl::Span<const int32_t> partitions) {
  for (const int32_t partition : partitions) {
    owned.erase(partition);
    lost.push_back(partition);
  }
}

void RecordingListener::OnUnreadable(int32_t partition, const absl::Status& why) { unreadable[partition] = why; }

Member::Member(const KafkaConfig& config, const std::string& group, const std::vector<std::string>& topics)
    : listener(topics) {
  auto made = KafkaSource::Create(config,
                                  {.client_id = "member",
                                   .group = group,
                                   .lead_topic = topics.front(),
                                   .other_topics = {topics.begin() + 1, topics.end()}},
                                  listener);
  if (!made.ok()) {
    throw std::runtime_error(made.status().ToString());
  }
  source = *std::move(made);
}

void Member::Step(absl::Duration timeout) {
  auto record = source->Poll(timeout);
  status = record.status();
  if (record.ok() && record->has_value()) {
    const Record& got = **record;
    seen.push_back({std::string(got.topic()), got.partition(), got.offset(), std::string(got.value())});
  }
}

std::vector<std::string> Member::Values(const std::string& topic, int32_t partition) const {
  std::vector<std::string> values;
  for (const Seen& record : seen) {
    if (record.topic == topic && record.partition == partition) {
      values.push_back(record.value);
    }
  }
  return values;
}

OwnBroker::OwnBroker(const std::string& name, int port_distance) : OwnBroker(name, port_distance, "127.0.0.1") {}

OwnBroker::OwnBroker(const std::string& name, int port_distance, std::string advertised)
    : dir_(std::string(TRADEWIND_BROKER_DIR) + "-" + name), advertised_(std::move(advertised)) {
  const std::string shared = TestBroker();
  port_ = std::stoi(shared.substr(shared.rfind(':') + 1)) + port_distance;
  Start(true);
}

std::unique_ptr<OwnBroker> OwnBroker::BehindProxy(const std::string& name, int port_distance) {
  return std::unique_ptr<OwnBroker>(new OwnBroker(name, port_distance, "127.0.0.2"));
}

OwnBroker::~OwnBroker() {
  try {
    RunBroker({"stop", "--dir", dir_});
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
  }
}

KafkaConfig OwnBroker::config() const {
  return {.brokers = fmt::format("{}:{}", advertised_, port_), .request_timeout = absl::Seconds(2)};
}

void OwnBroker::Start(bool fresh) {
  std::vector<std::string> arguments = {"start",       "--dir",    dir_, "--port", std::to_string(port_),
                                        "--advertise", advertised_};
  if (fresh) {
    arguments.emplace_back("--fresh");
  }
  RunBroker(arguments);
}

void OwnBroker::Kill() { RunBroker({"kill", "--dir", dir_}); }

void OwnBroker::Freeze() const { Signal(SIGSTOP); }
void OwnBroker::Thaw() const { Signal(SIGCONT); }

void OwnBroker::Signal(int signal) const {
  pid_t pid = 0;
  std::ifstream(dir_ + "/kafka.pid") >> pid;
  if (pid <= 0 || kill(pid, signal) != 0) throw std::runtime_error("the broker on " + dir_ + " takes no signal");
}

}  // namespace tradewind::bus
