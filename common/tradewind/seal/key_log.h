// The log of keys (key_table.h) as Keys uses it: Kafka's topic mesh.keys.v1, or memory.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "absl/status/status.h"

#include "tradewind/seal/sealed_text.h"

namespace tradewind::seal {

class KeyLog {
 public:
  // Takes the records, in order for each subject, one at a time. A record without a value has an empty one. An error
  // where it is no record that belongs there.
  using Reader = std::function<absl::Status(std::string_view name, std::string_view value)>;

  virtual ~KeyLog() = default;
  // Returns at once; the record comes back through the reader once it is on the log, or never. Thread-safe, and may be
  // called by the reader.
  virtual absl::Status Append(const SubjectTag& subject, std::string_view name, std::string_view value) = 0;
};

}  // namespace tradewind::seal
