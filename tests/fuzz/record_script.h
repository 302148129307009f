// What a fuzzer makes a worker read: a list of records, as bytes that can be cut and mixed at will, and changes to such
// a list that keep most of each record as a producer would have made it.
//
// Any bytes are a script: what is missing at the end reads as zero. A long text is written as a short one and how often
// it comes, so that a script with a key of a megabyte has a few bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tradewind/bus/record.h"

namespace tradewind::fuzz {

// `bytes`, `times` over.
struct Text {
  std::string bytes;
  uint32_t times = 1;

  std::string Expand() const;
  bool operator==(const Text&) const = default;
};

struct Step {
  // Into the list of topics, modulo its length; and so is the partition.
  uint8_t topic = 0;
  uint8_t partition = 0;
  int64_t timestamp_ms = 0;
  // Offsets without a record in front of it; from kFirstRequest on a person's request as well.
  uint8_t gap = 0;
  Text key;
  // No value is another thing than an empty one.
  std::optional<Text> value;
  std::vector<std::pair<Text, Text>> headers;

  bool operator==(const Step&) const = default;
};

// Of what was set aside: retry it, skip it, retry what is held, skip what is held; and so on in turn.
inline constexpr uint8_t kFirstRequest = 240;

using Script = std::vector<Step>;

// The most of one script that is read: steps, headers of a step, and bytes of one text.
inline constexpr size_t kMaxSteps = 24;
inline constexpr size_t kMaxHeaders = 40;
inline constexpr size_t kMaxTextBytes = 1'048'000;

Script Parse(std::string_view bytes);
std::string Serialize(const Script& script);

// Makes one change, for the most part to a single place in one record. `changes` changes some bytes: libFuzzer's own
// mutator, or a test's.
using ByteChange = std::string (*)(const std::string&);
void Mutate(Script& script, std::minstd_rand& random, ByteChange change);
// Records of both, in turn.
Script Splice(const Script& left, const Script& right, std::minstd_rand& random);

// Such as the gateway, a task and a program outside of the mesh put on the topics of `kTopics`; `number` tells one from
// another.
inline constexpr std::string_view kTopics[] = {"order.commands.v1", "order.events.v1", "order.rekeyed.v1"};
inline constexpr uint8_t kCommandTopic = 0;
inline constexpr uint8_t kEventTopic = 1;
inline constexpr uint8_t kRekeyedTopic = 2;
inline constexpr int kGoodKinds = 6;
Step GoodStep(int kind, uint32_t number);

}  // namespace tradewind::fuzz
