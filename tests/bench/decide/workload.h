// The commands of the decide loop measurement, the same for the runtime and for the bare store it is compared with:
// first every key once, then keys at random. Only the second part is timed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace bench {

inline constexpr size_t kCommandBytes = 200;
inline constexpr size_t kStateBytes = 300;

struct Workload {
  size_t keys = 100'000;
  // Timed commands, after the first `keys` ones.
  size_t timed = 200'000;

  size_t size() const { return keys + timed; }

  // Of command i < size(). Looks like a UUID, 36 bytes; neighbours in time are not neighbours in order.
  std::string Key(size_t i) const;
};

}  // namespace bench
