// Has a worker read whatever a topic can hold, while a person has some of what was set aside retried or skipped. After
// each record good ones of another key must be handled, an effect among them, no worker may end, and after a restart
// the store must load and good records be handled again.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "tests/fuzz/fuzz_mesh.h"
#include "tests/fuzz/record_script.h"
#include "tradewind/telemetry/logger.h"

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

namespace tradewind::fuzz {
namespace {

std::string_view View(const uint8_t* data, size_t size) { return {reinterpret_cast<const char*>(data), size}; }

std::string ChangeBytes(const std::string& bytes) {
  std::string changed = bytes;
  // Room to grow: what is inserted is a word at most, or what was there already.
  changed.resize(bytes.size() * 2 + 16);
  changed.resize(LLVMFuzzerMutate(reinterpret_cast<uint8_t*>(changed.data()), bytes.size(), changed.size()));
  return changed;
}

// 0, and nothing written, where it is too long.
size_t Put(const Script& script, uint8_t* out, size_t max_size) {
  const std::string bytes = Serialize(script);
  if (bytes.size() > max_size) return 0;
  bytes.copy(reinterpret_cast<char*>(out), bytes.size());
  return bytes.size();
}

void ReadAll(const Script& script) {
  FuzzMesh mesh;
  mesh.Start();
  for (const Step& step : script) {
    mesh.Append(step);
    mesh.Operate(step);
    mesh.HandleGoodRecords(step.partition % kPartitions);
  }
  mesh.Stop();
  mesh.Start();
  for (int32_t partition = 0; partition < kPartitions; ++partition) mesh.HandleGoodRecords(partition);
  mesh.Stop();
}

}  // namespace
}  // namespace tradewind::fuzz

extern "C" int LLVMFuzzerInitialize(int* /*argc*/, char*** /*argv*/) {
  tradewind::fuzz::PrepareProcess();
  tradewind::telemetry::InitLogging({.level = "error"}, "fuzz");
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  tradewind::fuzz::ReadAll(tradewind::fuzz::Parse(tradewind::fuzz::View(data, size)));
  return 0;
}

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned int seed) {
  using namespace tradewind::fuzz;
  std::minstd_rand random(seed);
  // Now and then as it would be without all this.
  if (random() % 16 == 0) return LLVMFuzzerMutate(data, size, max_size);
  Script script = Parse(View(data, size));
  for (unsigned changes = 1 + random() % 3; changes > 0; --changes) Mutate(script, random, ChangeBytes);
  const size_t changed = Put(script, data, max_size);
  return changed > 0 ? changed : size;
}

extern "C" size_t LLVMFuzzerCustomCrossOver(const uint8_t* left, size_t left_size, const uint8_t* right,
                                            size_t right_size, uint8_t* out, size_t max_size, unsigned int seed) {
  using namespace tradewind::fuzz;
  std::minstd_rand random(seed);
  return Put(Splice(Parse(View(left, left_size)), Parse(View(right, right_size)), random), out, max_size);
}
