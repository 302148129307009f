// What a task remembers of its inputs and outputs: offsets, the watermark of each source, the end of each chain. Plain
// values, copied by every batch and kept only when its transaction commits. Fields that a later version has added to
// them are kept as they came, so that a service of this version beside one of that does not erase them; only those of a
// Sequence go, which is replaced as a whole.
//
// The rule of the chain (DESIGN, "Repeats and gaps are recognised"): an event is taken iff its sequence is above its
// source's watermark and its predecessor is not. tests/ drive it against a plain model.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "tradewind/bus/envelope.h"

namespace tradewind::runtime {

// Sources of a topic's partition whose watermarks are remembered. Where one more comes, those that have been silent for
// longer than kSourceAge make room; where there are none, its event is set aside.
inline constexpr size_t kMaxSources = 10'000;
inline constexpr absl::Duration kSourceAge = absl::Hours(24 * 7);

enum class Verdict {
  // Next in its source's chain, or from a source never seen before, or from outside the mesh. A source never seen
  // before
  // must begin at its beginning where the partition was read from its own.
  kTake,
  // Seen before.
  kRepeat,
  // Something between the watermark and this event is missing.
  kGap,
};

class InputProgress {
 public:
  explicit InputProgress(std::string topic, int64_t next_offset = 0)
      : topic_(std::move(topic)), next_offset_(next_offset) {}

  const std::string& topic() const { return topic_; }
  int64_t next_offset() const { return next_offset_; }
  // Every record that was ever put into the partition has been read: an event of an unknown source that names a
  // predecessor has lost it.
  void MarkReadFromStart() { read_from_start_ = true; }
  // Of the record at next_offset - 1; 0 where none was read.
  uint64_t fingerprint() const { return fingerprint_; }

  // Offsets below next_offset whose effects have not ended, rising.
  const std::vector<int64_t>& pending() const { return pending_; }
  // Greater than every pending one.
  void AddPending(int64_t offset) { pending_.push_back(offset); }
  // No effect for one that is not pending.
  void RemovePending(int64_t offset);

  // Does not change anything.
  Verdict Judge(const bus::Envelope& envelope) const;
  // False when the event has a source that is not known yet and there is no room for another.
  bool MakeRoomFor(const bus::Envelope& envelope, absl::Time now);
  // Raises the watermark of the event's source. No effect for an event without a sequence.
  void Take(const bus::Envelope& envelope, absl::Time now);
  // Sets the watermark of a source: whatever is missing up to there is not waited for.
  void SetWatermark(std::string_view source, bus::Sequence sequence, absl::Time now);
  // Nothing for a source that was never seen.
  std::optional<bus::Sequence> WatermarkOf(std::string_view source) const;
  // Forgets what was taken of a source: whatever it says next is taken.
  void ForgetSource(std::string_view source, absl::Time now);

  // Goes on at `offset` of a log that now begins at `begin`. Pending offsets that this leaves out go. Where `offset` is
  // not the next one, records are lost: each source is taken up where it next speaks.
  void GoOnAt(int64_t offset, int64_t begin);
  // Kafka may know the group's offset to be this one although next_offset is smaller.
  int64_t outdated_mirror() const { return outdated_mirror_; }
  size_t sources() const { return watermarks_.size(); }
  void MoveTo(int64_t next_offset, uint64_t fingerprint) {
    next_offset_ = next_offset;
    fingerprint_ = fingerprint;
  }

 private:
  friend class TaskProgress;
  struct Watermark {
    std::string source;
    bus::Sequence sequence;
    // When it was last set, in hours since 1970; 0 where an earlier version set it.
    uint32_t seen_hour = 0;
    // Whatever the source says next is taken, unless it is a repeat.
    bool takes_up = false;
  };
  // Sorted by source.
  std::vector<Watermark>::const_iterator Find(std::string_view source) const;
  bool Knows(std::string_view source) const;

  std::string topic_;
  int64_t next_offset_;
  uint64_t fingerprint_ = 0;
  bool read_from_start_ = false;
  int64_t outdated_mirror_ = 0;
  std::vector<Watermark> watermarks_;
  std::vector<int64_t> pending_;
  // Fields of a later version: its own, and by source those of watermarks, few of which have any.
  std::string unknown_;
  std::map<std::string, std::string, std::less<>> unknown_of_watermarks_;
};

// A message that is handled by itself because it may be what kills the process.
struct Suspect {
  std::string topic;
  int64_t offset = 0;
  uint64_t fingerprint = 0;
  // How often a process has begun to handle it.
  int32_t attempts = 0;
  // Fields of a later version.
  std::string unknown = {};
};

class TaskProgress {
 public:
  TaskProgress() = default;
  // DataLoss when the blob does not parse.
  static absl::StatusOr<TaskProgress> Parse(const std::string& blob);
  std::string Serialize(const std::string& cluster_id) const;

  // The cluster the offsets belong to; empty for a task that never ran.
  const std::string& cluster_id() const { return cluster_id_; }

  std::optional<Suspect>& suspect() { return suspect_; }
  const std::optional<Suspect>& suspect() const { return suspect_; }

  // Null where the topic was never read.
  InputProgress* FindInput(std::string_view topic);
  const InputProgress* FindInput(std::string_view topic) const;
  InputProgress& AddInput(std::string topic, int64_t next_offset);
  const std::vector<InputProgress>& inputs() const { return inputs_; }

  // Puts `sequence` at the end of the output partition's chain and returns what stood there, if anything.
  std::optional<bus::Sequence> Extend(std::string_view topic, int32_t partition, bus::Sequence sequence);

 private:
  struct Output {
    std::string topic;
    int32_t partition;
    bus::Sequence last;
    // Fields of a later version.
    std::string unknown = {};
  };
  std::string cluster_id_;
  // Fields of a later version.
  std::string unknown_;
  std::optional<Suspect> suspect_;
  std::vector<InputProgress> inputs_;
  // Sorted by partition, then topic.
  std::vector<Output> outputs_;
};

}  // namespace tradewind::runtime
