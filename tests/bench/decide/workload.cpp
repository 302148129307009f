#include "tests/bench/decide/workload.h"

#include "fmt/format.h"

namespace bench {
namespace {

// SplitMix64: every input gives another output, so that keys differ, and the sequence is the same on every machine.
uint64_t Mix(uint64_t value) {
  value += 0x9e3779b97f4a7c15U;
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9U;
  value = (value ^ (value >> 27)) * 0x94d049bb133111ebU;
  return value ^ (value >> 31);
}

}  // namespace

std::string Workload::Key(size_t i) const {
  const uint64_t number = i < keys ? i : Mix(i) % keys;
  const uint64_t a = Mix(number);
  const uint64_t b = Mix(~number);
  return fmt::format("{:08x}-{:04x}-{:04x}-{:04x}-{:012x}", a >> 32, (a >> 16) & 0xffff, a & 0xffff, b >> 48,
                     b & 0xffffffffffff);
}

}  // namespace bench
