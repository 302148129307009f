// What one member of a consumer group owns and what of it it reads: bookkeeping only, no Kafka. A partition number that
// is owned stands for the partitions of that number in every input topic.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "absl/types/span.h"

namespace tradewind::bus::internal {

class Assignment {
 public:
  enum class Reading {
    // Known to us, not to the client: the listener named no position for it.
    kNot,
    kOn,
    kPaused,
  };
  // One partition of one topic.
  struct Lane {
    Reading reading = Reading::kNot;
    // Nothing before it is wanted.
    int64_t from = 0;
    // All that the log holds before it has been handed out.
    int64_t reached = 0;
    // When its end was last asked for and told, and what it was.
    absl::Time asked_at = absl::InfinitePast();
    int64_t asked_end = 0;
    // What `reached` was when the end was last looked for; -1 before that.
    int64_t reached_when_asked = -1;
  };
  struct Place {
    const std::string* topic;
    int32_t partition;
    Lane* lane;
  };

  explicit Assignment(std::vector<std::string> topics) : topics_(std::move(topics)) {}

  const std::vector<std::string>& topics() const { return topics_; }
  bool HasTopic(std::string_view topic) const { return IndexOf(topic) < topics_.size(); }

  void Own(absl::Span<const int32_t> partitions);
  void Disown(absl::Span<const int32_t> partitions);
  bool Owns(int32_t partition) const { return lanes_.contains(partition); }
  // In ascending order.
  std::vector<int32_t> Owned() const;
  // Those of `partitions` that are owned.
  std::vector<int32_t> Owned(absl::Span<const int32_t> partitions) const;

  // Null where the topic is not an input or the partition not owned. Valid until it is disowned.
  Lane* Find(std::string_view topic, int32_t partition);
  // All lanes of these partitions, as far as owned.
  std::vector<Place> LanesOf(absl::Span<const int32_t> partitions);

  // True, and the record counts as handed out, when one that arrived is to be; false for a leftover of a pause, a seek
  // or an earlier assignment.
  bool Take(std::string_view topic, int32_t partition, int64_t offset);

 private:
  size_t IndexOf(std::string_view topic) const;

  const std::vector<std::string> topics_;
  // By partition number, then in the order of topics_.
  std::map<int32_t, std::vector<Lane>> lanes_;
};

}  // namespace tradewind::bus::internal
