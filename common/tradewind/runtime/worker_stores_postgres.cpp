#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/time/clock.h"

#include "tradewind/runtime/worker_stores.h"
#include "tradewind/store/postgres_site.h"

namespace tradewind::runtime {
namespace {

// By a lock on a table that the worker does not use: what else is written over connections for queries waits for it.
class PostgresHeldReaders final : public HeldReaders {
 public:
  PostgresHeldReaders(store::Store& store, const store::TemporarySchema& schema)
      : waiting_(
            "SELECT count(*) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation JOIN pg_namespace n "
            "ON n.oid = c.relnamespace WHERE NOT l.granted AND n.nspname = '" +
            schema.name() + "'") {
    if (!holder_->Execute("BEGIN; LOCK TABLE " + schema.Quoted() + ".meta").ok()) return;
    for (int i = 0; i < readers_; ++i) {
      callers_.emplace_back([&store] { store.PinPartitions({{"any", 1}}, /*replace=*/false).IgnoreError(); });
    }
    const absl::Time deadline = absl::Now() + absl::Seconds(10);
    while (!all_held() && absl::Now() < deadline) {
    }
  }
  ~PostgresHeldReaders() override {
    holder_->Execute("ROLLBACK").IgnoreError();
    for (std::thread& caller : callers_) caller.join();
  }
  bool all_held() const override { return store::TestServer::Number(*watcher_, waiting_.c_str()) == readers_; }

 private:
  const int32_t readers_ = store::TestServer::Config().max_readers;
  const std::string waiting_;
  const std::unique_ptr<store::PostgresConnection> holder_ = store::TestServer::Connect();
  const std::unique_ptr<store::PostgresConnection> watcher_ = store::TestServer::Connect();
  std::vector<std::thread> callers_;
};

class PostgresMesh final : public StoreMesh {
 public:
  Mesh& mesh() override { return mesh_; }
  std::unique_ptr<HeldReaders> HoldReaders() override {
    return std::make_unique<PostgresHeldReaders>(mesh_.store(), schema_);
  }

 private:
  std::unique_ptr<store::Store> Open() {
    auto store = store::OpenPostgresStore(store::TestServer::Config(), schema_.name());
    if (!store.ok()) throw std::runtime_error(std::string(store.status().message()));
    return *std::move(store);
  }

  store::TemporarySchema schema_;
  Mesh mesh_{Open()};
};

}  // namespace

std::unique_ptr<StoreMesh> MakeStoreMesh() { return std::make_unique<PostgresMesh>(); }

}  // namespace tradewind::runtime
