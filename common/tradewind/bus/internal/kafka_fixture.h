// What the bus's tests against a real broker share. Test code only.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/time/time.h"

#include "tradewind/bus/kafka_config.h"
#include "tradewind/bus/kafka_sink.h"
#include "tradewind/bus/kafka_source.h"
#include "tradewind/bus/record.h"

namespace tradewind::bus {

// No test waits longer for anything before it fails.
inline constexpr absl::Duration kPatience = absl::Seconds(30);

// Of the broker that ctest started: TRADEWIND_TEST_KAFKA.
KafkaConfig TestKafka();

// Not used by any other test or run.
std::string UniqueName(const std::string& stem);

// A new topic; throws when it cannot be made.
std::string MakeTopic(const KafkaConfig& config, const std::string& stem, int32_t partitions);

// True as soon as `condition` holds; false when it still does not after kPatience. `step` is run between two looks and
// is what waits.
bool WaitFor(const std::function<bool()>& condition, const std::function<void()>& step);

// Puts records with values "<from>" to "<from + count - 1>" on the partition, in order; throws when one fails.
void Fill(const KafkaConfig& config, const std::string& topic, int32_t partition, int from, int count);

// What the partition holds now, from its beginning.
std::vector<Record> ReadAll(const KafkaConfig& config, const std::string& topic, int32_t partition);

// Sets one setting of a topic; all others that were set become the broker's defaults. Throws when it cannot.
void SetTopicConfig(const KafkaConfig& config, const std::string& topic, const std::string& name,
                    const std::string& value);
void SetTopicConfigs(const KafkaConfig& config, const std::string& topic,
                     const std::map<std::string, std::string>& settings);

// Gives the topic more partitions, as many as `partitions` in all. Throws when it cannot.
void AddPartitions(const KafkaConfig& config, const std::string& topic, int32_t partitions);

// Throws when it cannot.
void DeleteTopic(const KafkaConfig& config, const std::string& topic);

// Starts every assigned partition of every topic where `start` says, else at 0, and remembers what it was told.
class RecordingListener final : public AssignmentListener {
 public:
  explicit RecordingListener(std::vector<std::string> topics) : topics_(std::move(topics)) {}

  std::vector<Position> OnAssigned(absl::Span<const int32_t> partitions) override;
  void OnRevoked(absl::Span<const int32_t> partitions) override;
  void OnLost(absl::Span<const int32_t> partitions) override;
  void OnUnreadable(int32_t partition, const absl::Status& why) override;

  // By topic and partition.
  std::map<std::pair<std::string, int32_t>, int64_t> start;
  // Left out of the positions.
  std::set<std::pair<std::string, int32_t>> refused;
  // Run in OnRevoked.
  std::function<void(absl::Span<const int32_t>)> on_revoked = [](absl::Span<const int32_t>) {};

  std::set<int32_t> owned;
  int assigned_calls = 0;
  std::vector<int32_t> revoked;
  std::vector<int32_t> lost;
  std::map<int32_t, absl::Status> unreadable;

 private:
  const std::vector<std::string> topics_;
};

// One record, as far as tests look at it.
struct Seen {
  std::string topic;
  int32_t partition;
  int64_t offset;
  std::string value;

  friend auto operator<=>(const Seen&, const Seen&) = default;
};

// A source with its listener and all that came out of it.
struct Member {
  Member(const KafkaConfig& config, const std::string& group, const std::vector<std::string>& topics);
  // Polls once, for up to `timeout`, and remembers the record.
  void Step(absl::Duration timeout = absl::Milliseconds(50));
  // The values seen of one partition, in order of arrival.
  std::vector<std::string> Values(const std::string& topic, int32_t partition) const;

  RecordingListener listener;
  std::unique_ptr<KafkaSource> source;
  std::vector<Seen> seen;
  // The last that Poll returned.
  absl::Status status;
};

// A broker of a test's own, to be killed. Stopped by the destructor.
class OwnBroker {
 public:
  // Throws when it does not start. `name` tells the brokers of different test programs apart, `port_distance` their
  // ports from that of the broker that all share.
  explicit OwnBroker(const std::string& name = "bus-fault", int port_distance = 10);
  // The same behind a KafkaProxy: see there.
  static std::unique_ptr<OwnBroker> BehindProxy(const std::string& name, int port_distance);
  ~OwnBroker();
  OwnBroker(const OwnBroker&) = delete;
  OwnBroker& operator=(const OwnBroker&) = delete;

  // Leads to the proxy where there is one.
  KafkaConfig config() const;
  int port() const { return port_; }
  void Start(bool fresh = false);
  void Kill();
  // Has it answer nothing, and go on.
  void Freeze() const;
  void Thaw() const;

 private:
  OwnBroker(const std::string& name, int port_distance, std::string advertised);
  void Signal(int signal) const;

  std::string dir_;
  int port_ = 0;
  std::string advertised_;
};

}  // namespace tradewind::bus
