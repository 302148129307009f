// The log of keys (key_records.h) as Keys uses it: Kafka's topic mesh.keys.v1, or memory.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "absl/status/status.h"

#include "tradewind/seal/sealed_text.h"

namespace tradewind::seal {

// What a log tells whoever reads it, one call at a time.
struct KeyLogListener {
  // Takes the records, in order for each subject. A record without a value has an empty one. An error for a record that
  // does not belong there; the log goes on.
  std::function<absl::Status(std::string_view name, std::string_view value)> on_record;
  // Called many times a second, after the records that were there.
  std::function<void()> on_tick;
  // Called where records that were appended may not have got to the log.
  std::function<void()> on_lost;
};

class KeyLog {
 public:
  virtual ~KeyLog() = default;
  // Returns at once; the record comes back through the listener once it is on the log, or never. Thread-safe, and may
  // be called by the listener.
  virtual absl::Status Append(const SubjectTag& subject, std::string_view name, std::string_view value) = 0;

  // Where the log ended, for one subject's records, when it was asked.
  struct End {
    int32_t partition = 0;
    uint64_t question = 0;
  };
  // Has it found out where the log ends now; does not block. All who ask while an answer is under way share the next
  // one. Thread-safe.
  virtual End AskForEnd(const SubjectTag& subject) = 0;
  // Whether the listener has been given everything up to that end; looked at after every tick. Thread-safe.
  virtual bool HasRead(const End& end) const = 0;

  // Over how many partitions subjects are spread by Append, which is to be the same for all processes of a mesh. Both
  // are thread-safe.
  virtual int32_t Partitions() const = 0;
  virtual void PinPartitions(int32_t count) = 0;
};

}  // namespace tradewind::seal
