#include "tradewind/bus/internal/kafka_fixture.h"

#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <stdexcept>

#include "absl/time/clock.h"

#include "tradewind/bus/internal/deadline.h"
#include "tradewind/bus/kafka_admin.h"

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

OwnBroker::OwnBroker() {
  const std::string shared = TestBroker();
  // Ten after the shared one's: away from it and from its controller's.
  port_ = std::stoi(shared.substr(shared.rfind(':') + 1)) + 10;
  dir_ = TRADEWIND_BROKER_DIR;
  Start(true);
}

OwnBroker::~OwnBroker() {
  try {
    RunBroker({"stop", "--dir", dir_});
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
  }
}

KafkaConfig OwnBroker::config() const {
  return {.brokers = fmt::format("127.0.0.1:{}", port_), .request_timeout = absl::Seconds(2)};
}

void OwnBroker::Start(bool fresh) {
  std::vector<std::string> arguments = {"start", "--dir", dir_, "--port", std::to_string(port_)};
  if (fresh) {
    arguments.emplace_back("--fresh");
  }
  RunBroker(arguments);
}

void OwnBroker::Kill() { RunBroker({"kill", "--dir", dir_}); }

}  // namespace tradewind::bus
