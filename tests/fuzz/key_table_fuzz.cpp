// Has a table of keys take whatever lies on mesh.keys.v1. What was erased stays erased, and a refused record changes
// nothing.
#include <cstdint>
#include <cstdlib>

#include "tests/fuzz/record_script.h"
#include "tradewind/seal/key_table.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tradewind;
  using State = seal::KeyTable::State;
  static const seal::MasterKey kMaster = seal::MasterKey::Random();
  const seal::SubjectTag ann = seal::TagOf("ann");
  seal::DataKey key;
  key.fill(7);
  seal::KeyTable table(kMaster);
  for (const fuzz::Step& step : fuzz::Parse({reinterpret_cast<const char*>(data), size})) {
    std::string name = step.key.Expand();
    std::string value = step.value.value_or(fuzz::Text{}).Expand();
    // What a fuzzer cannot guess: names with her tag, and keys that this master key wrapped.
    if (step.partition % 4 == 1) name = seal::KeyRecordName(ann, step.gap);
    if (step.partition % 4 == 2) name = seal::ErasureRecordName(ann) + name;
    if (step.topic % 4 == 1) value = kMaster.Wrap(key, ann);
    const State before = table.Find(ann).state;
    seal::SubjectTag subject{};
    const absl::Status taken = table.Apply(name, value, subject);
    const State after = table.Find(ann).state;
    if (before == State::kErased && after != State::kErased) std::abort();
    if (!taken.ok() && after != before) std::abort();
  }
  return 0;
}
