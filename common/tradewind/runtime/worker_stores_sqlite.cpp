#include <thread>
#include <vector>

#include "tradewind/runtime/worker_stores.h"
#include "tradewind/store/sqlite_stall.h"

namespace tradewind::runtime {
namespace {

class SqliteHeldReaders final : public HeldReaders {
 public:
  explicit SqliteHeldReaders(store::Reader& reader) {
    for (int i = 0; i < store::SqliteStall::kReaders; ++i) {
      callers_.emplace_back([&reader] { reader.Get("any", "any").IgnoreError(); });
    }
    stall_.WaitForAll();
  }
  ~SqliteHeldReaders() override {
    stall_.Release();
    for (std::thread& caller : callers_) caller.join();
  }
  bool all_held() const override { return stall_.HoldsAll(); }

 private:
  store::SqliteStall stall_;
  std::vector<std::thread> callers_;
};

class SqliteMesh final : public StoreMesh {
 public:
  Mesh& mesh() override { return mesh_; }
  std::unique_ptr<HeldReaders> HoldReaders() override {
    return std::make_unique<SqliteHeldReaders>(mesh_.store().reader());
  }

 private:
  Mesh mesh_;
};

}  // namespace

std::unique_ptr<StoreMesh> MakeStoreMesh() { return std::make_unique<SqliteMesh>(); }

}  // namespace tradewind::runtime
